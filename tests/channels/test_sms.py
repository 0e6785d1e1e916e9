"""What a text message costs and says, what Twilio's codes mean, and which callbacks count."""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from restock.channels.sms.channel import SmsChannel, TwilioAccount
from restock.channels.sms.codes import AT_CREATE, at_create, in_receipt
from restock.channels.sms.message import compose
from restock.channels.sms.receipts import parse_receipt, signature_is_valid
from restock.channels.sms.segments import cost_of, is_gsm, spell
from restock.channels.tongues import LANGUAGES
from restock.channels.values import (
    Blame,
    MessageLinks,
    NoticeKind,
    ProductFacts,
    Receipt,
    ReceiptStatus,
    Recipient,
    ShopFacts,
    Verdict,
)
from tests.channels.benches import envelope_for, notice_for, turn_for

NODE_MODULES = Path(__file__).parents[1] / "node_modules"
CALCULATOR = NODE_MODULES / "sms-segments-calculator"

SEGMENTS = [
    ("", True, 0, 0),
    ("a" * 160, True, 160, 1),
    ("a" * 161, True, 161, 2),
    ("a" * 306, True, 306, 2),
    ("a" * 307, True, 307, 3),
    ("€" * 80, True, 160, 1),
    ("€" * 81, True, 162, 2),
    ("a" * 152 + "€" + "a" * 152, True, 306, 3),  # the euro sign would straddle two parts
    ("ç", False, 1, 1),
    ("é", True, 1, 1),
    ("₹99", False, 3, 1),
    ("’", False, 1, 1),
    ("я" * 70, False, 70, 1),
    ("я" * 71, False, 71, 2),
    ("я" * 134, False, 134, 2),
    ("я" * 135, False, 135, 3),
    ("🛒" * 35, False, 70, 1),
    ("🛒" * 36, False, 72, 2),
    ("я" * 66 + "🛒" + "я" * 66, False, 134, 3),  # the pair is not split
]


@pytest.mark.parametrize(("text", "gsm", "units", "segment_count"), SEGMENTS)
def test_segments_are_counted_as_carriers_bill_them(text: str, gsm: bool, units: int, segment_count: int) -> None:
    cost = cost_of(text)
    assert (cost.gsm, cost.units, cost.segment_count) == (gsm, units, segment_count)


def judged_segments(texts: Sequence[str]) -> list[int]:
    """Ask the npm package how many segments each text has."""
    if not (CALCULATOR.exists() and shutil.which("node")):
        pytest.skip("npm sms-segments-calculator is not there")
    script = (
        f"const {{SegmentedMessage}} = require({json.dumps(str(CALCULATOR))});"
        "const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "console.log(JSON.stringify(texts.map(t => new SegmentedMessage(t).segmentsCount)))"
    )
    judged = subprocess.run(
        ["node", "-e", script], input=json.dumps(texts), capture_output=True, text=True, timeout=60, check=True
    )
    counts: list[int] = json.loads(judged.stdout)
    return counts


def test_an_independent_calculator_agrees() -> None:
    texts = [text for text, *_ in SEGMENTS if text]
    texts += [
        compose(envelope_for(1, Recipient("+14155550000"), notice_for(1, NoticeKind.offer, la))) for la in LANGUAGES
    ]
    assert judged_segments(texts) == [cost_of(text).segment_count for text in texts]


def test_an_independent_calculator_agrees_about_texts_of_every_kind_and_length() -> None:
    """Letters of the alphabet, of its extension, outside it, and of two units, around where a part ends."""
    dice = random.Random(20)
    alphabets = ["abc é", "ab^{}[~]|€", "abçя₹", "я🛒東", "a\n€Ω"]
    ends = (70, 134, 160, 201, 306, 459)
    texts = [
        "".join(dice.choices(dice.choice(alphabets), k=max(1, dice.choice(ends) + dice.randint(-4, 4))))
        for _ in range(400)
    ]
    assert judged_segments(texts) == [cost_of(text).segment_count for text in texts]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("“It’s” – back…", '"It\'s" - back...'),
        ("a\u00a0b\u202fc\u2009d", "a b c d"),
        ("Café à Genève", "Café à Genève"),
        ("más información", "mas informacion"),
        ("Łódź œuvre", "Lodz oeuvre"),
        ("C’est ça", "C'est ca"),
        ("Москва’", "Москва'"),
        ("día 東京", "día 東京"),  # stays outside GSM-7 anyway, so it keeps its accents
        ("Shirt™ × 2", "ShirtTM x 2"),
    ],
)
def test_a_text_is_spelled_so_that_it_costs_little(typed: str, sent: str) -> None:
    assert spell(typed) == sent


@given(st.text(max_size=400))
def test_spelling_never_makes_a_text_dearer_than_its_length_explains(text: str) -> None:
    assert is_gsm(spell(text)) or not is_gsm(text)


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_message_names_shop_and_goods_has_the_link_whole_and_says_how_to_stop(
    kind: NoticeKind, language: str
) -> None:
    envelope = envelope_for(7, Recipient("+14155550000"), notice_for(7, kind, language))
    text = compose(envelope)
    assert "North & Pine" in text
    assert "Harbour Vase" in text
    assert f"{envelope.notice.links.action} " in text
    assert "STOP" in text
    assert cost_of(text).segment_count <= 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_earlier_miss_is_said_where_it_fits_and_costs_no_third_segment(language: str) -> None:
    notice = turn_for(7, language)
    recipient = Recipient("+14155550000")
    plain = compose(envelope_for(7, recipient, replace(notice, missed_before=False)))
    text = compose(envelope_for(7, recipient, notice))
    assert text != plain == compose(envelope_for(7, recipient, notice_for(7, NoticeKind.offer, language)))
    assert cost_of(text).segment_count <= 2
    crowded = replace(
        notice, product=ProductFacts("Vase " * 60), links=MessageLinks("https://a.example/" + "x" * 30, "")
    )
    assert cost_of(compose(envelope_for(7, recipient, crowded))).segment_count <= 2


@given(
    title=st.text(max_size=300),
    variant=st.none() | st.text(max_size=300),
    shop=st.text(max_size=200),
    language=st.sampled_from(LANGUAGES),
)
def test_long_names_are_shortened_to_two_segments_and_the_link_stays(
    title: str, variant: str | None, shop: str, language: str
) -> None:
    notice = notice_for(7, NoticeKind.offer, language)
    long = replace(notice, product=ProductFacts(title, variant), shop=ShopFacts("a", shop, "b"))
    text = compose(envelope_for(7, Recipient("+14155550000"), long))
    assert notice.links.action in text
    assert cost_of(text).segment_count <= 2
    assert "\n" not in text


@pytest.mark.parametrize(
    ("status", "code", "verdict", "blame"),
    [
        (400, 21610, Verdict.refused, Blame.address),
        (400, 21211, Verdict.refused, Blame.address),
        (400, 21614, Verdict.refused, Blame.address),
        (400, 21408, Verdict.refused, Blame.message),
        (400, 21703, Verdict.refused, Blame.message),
        (400, 21617, Verdict.refused, Blame.message),
        (401, 20003, Verdict.deferred, Blame.provider),
        (400, 21606, Verdict.deferred, Blame.provider),
        (429, 20429, Verdict.deferred, Blame.message),
        (429, None, Verdict.deferred, Blame.message),
        (400, 21611, Verdict.deferred, Blame.message),
        (500, 20500, Verdict.unanswered, Blame.message),
        (502, 502, Verdict.unanswered, Blame.message),
        (403, 403, Verdict.deferred, Blame.provider),
        (404, 20404, Verdict.deferred, Blame.provider),
        (400, 99999, Verdict.refused, Blame.message),  # unknown: ends this message, condemns no number
        (307, 307, Verdict.refused, Blame.message),
    ],
)
def test_an_error_of_twilio_means(status: int, code: int | None, verdict: Verdict, blame: Blame) -> None:
    ruling = at_create(status, code)
    assert (ruling.verdict, ruling.blame) == (verdict, blame)


def test_every_ruling_has_a_stable_word_for_its_reason() -> None:
    assert all(ruling.reason.replace("_", "").isalpha() for ruling in AT_CREATE.values())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", ReceiptStatus.underway), ("accepted", ReceiptStatus.underway), ("scheduled", ReceiptStatus.underway),
        ("sending", ReceiptStatus.underway), ("sent", ReceiptStatus.underway), ("delivered", ReceiptStatus.delivered),
        ("read", ReceiptStatus.delivered), ("undelivered", ReceiptStatus.bounced), ("failed", ReceiptStatus.bounced),
        ("canceled", ReceiptStatus.bounced),
    ],
)  # fmt: skip
def test_a_callback_says_how_far_a_message_has_come(status: str, expected: ReceiptStatus) -> None:
    receipt = parse_receipt(7, {"MessageStatus": status, "MessageSid": "SM1", "SomethingNew": "x"})
    assert receipt is not None
    assert (receipt.delivery_id, receipt.status, receipt.provider_message_id) == (7, expected, "SM1")
    assert receipt.final == (expected is not ReceiptStatus.underway)


@pytest.mark.parametrize(
    ("code", "reason", "blame", "again_seconds"),
    [
        ("30001", "sender_queue_full", Blame.message, 1800),
        ("30003", "handset_unreachable", Blame.message, 1800),
        ("30004", "blocked", Blame.address, None),
        ("30005", "unknown_handset", Blame.address, None),
        ("30006", "landline_or_carrier", Blame.message, None),
        ("30007", "filtered", Blame.message, None),
        ("30008", "undelivered", Blame.message, 1800),
        ("30017", "carrier_congestion", Blame.message, 1800),
        ("30022", "rate_limited", Blame.message, 1800),
        ("30023", "day_limit_reached", Blame.message, 86_400),
        ("30036", "validity_expired", Blame.message, None),
        ("30047", "not_rescheduled", Blame.message, 1800),
        ("30410", "provider_timeout", Blame.message, None),
        ("21610", "opted_out", Blame.address, None),
        ("21211", "invalid_number", Blame.address, None),
        ("21408", "no_route", Blame.message, None),
        ("30018", "no_route", Blame.message, None),
        ("30024", "no_route", Blame.message, None),
        ("30002", "account_rejected", Blame.provider, None),
        ("12345", "undelivered", Blame.message, None),
        ("", "undelivered", Blame.message, None),
        ("٣", "undelivered", Blame.message, None),
        ("9" * 50, "undelivered", Blame.message, None),
    ],
)
def test_a_failed_message_says_why_whether_the_number_is_to_blame_and_whether_it_may_be_tried_again(
    code: str, reason: str, blame: Blame, again_seconds: float | None
) -> None:
    expected = Receipt(7, ReceiptStatus.bounced, reason, blame, again_seconds=again_seconds)
    assert parse_receipt(7, {"MessageStatus": "undelivered", "ErrorCode": code}) == expected
    assert in_receipt(None).blame is Blame.message


def test_a_twilio_that_is_silent_does_not_keep_whoever_asks_about_doubts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        account = TwilioAccount("AC" + "0a" * 16, "secret", sender="+15005550006", api_url=url)
        channel = SmsChannel(account, threads=2, read_seconds=0.2, batch_seconds=0.3)
        began = time.monotonic()
        assert channel.lookup([envelope_for(number, Recipient("+14155550001")) for number in range(2000)]) == {}
        assert time.monotonic() - began < 100  # each by itself: 2,000 times 0.2 s, two at once, are 200 s
        channel.close()


def test_a_country_or_route_that_is_closed_never_condemns_a_number() -> None:
    closed = (21408, 21612, 21703, 30018, 30024, 30034, 30032, 30002, 21606, 30006, 30007)
    assert {at_create(400, code).blame for code in closed} | {in_receipt(code).blame for code in closed} <= {
        Blame.message,
        Blame.provider,
    }


@pytest.mark.parametrize("form", [{}, {"MessageStatus": "receiving"}, {"MessageStatus": "DELIVERED"}])
def test_an_unknown_status_is_no_news(form: dict[str, str]) -> None:
    assert parse_receipt(7, form) is None


def test_only_twilio_can_sign_a_callback() -> None:
    url = "https://alerts.example/webhooks/twilio/status?d=abc"
    form = {"MessageSid": "SM1", "MessageStatus": "sent", "BrandNew": "1"}
    signature = RequestValidator("token").compute_signature(url, form)
    assert signature_is_valid("token", url, form, signature)
    assert not signature_is_valid("other", url, form, signature)
    assert not signature_is_valid("token", url + "x", form, signature)
    assert not signature_is_valid("token", url, form | {"MessageStatus": "delivered"}, signature)
    assert not signature_is_valid("token", url, form, None)
    assert not signature_is_valid("token", url, form, "")
