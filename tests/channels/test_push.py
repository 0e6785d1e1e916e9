"""What a notification holds, how it is signed, and what a push service's answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.answers import retry_after_seconds
from restock.channels.port import ChannelError
from restock.channels.push.channel import PushChannel
from restock.channels.push.message import LARGEST_PAYLOAD, compose
from restock.channels.push.replies import outcome_of
from restock.channels.push.sealing import topic_of
from restock.channels.push.vapid import VapidSigner, check_subject, generate_private_key, public_key_of
from restock.channels.tongues import LANGUAGES
from restock.channels.values import (
    Blame,
    MessageLinks,
    NoticeKind,
    Outcome,
    ProductFacts,
    PushKeys,
    Recipient,
    ShopFacts,
    Verdict,
)
from restock.channels.wording import duration, phrases_for
from restock.playground.fake_http import Trouble
from restock.playground.fake_push import FakePush
from tests.channels.benches import envelope_for, notice_for, turn_for

SOMEBODY = Recipient("https://fcm.googleapis.com/x")


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notification_says_what_where_and_which_it_replaces(kind: NoticeKind, language: str) -> None:
    envelope = envelope_for(7, SOMEBODY, notice_for(7, kind, language))
    payload = json.loads(compose(envelope))
    assert payload["tag"] == envelope.identity
    assert payload["url"] == envelope.notice.links.action
    assert payload["unsubscribe"] == envelope.notice.links.unsubscribe
    assert payload["dir"] == ("rtl" if language in ("ar", "he") else "ltr")
    assert "Harbour Vase" in payload["title"] + payload["body"]
    assert "North & Pine" in payload["title"] + payload["body"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notification_of_a_turn_says_how_long_it_is_and_offers_to_pass_it_on(language: str) -> None:
    notice, phrases = turn_for(7, language), phrases_for(language)
    shown = json.loads(compose(envelope_for(7, SOMEBODY, replace(notice, missed_before=False))))
    assert duration(60, language) in shown["body"]
    assert (shown["decline"], shown["decline_label"]) == (notice.links.decline, phrases.say("push.offer.decline"))
    missed = json.loads(compose(envelope_for(7, SOMEBODY, notice)))
    assert missed["body"] != shown["body"]
    assert "decline" not in json.loads(compose(envelope_for(7, SOMEBODY)))


@given(
    title=st.text(st.characters(), max_size=500),
    shop=st.text(st.characters(), max_size=300),
    image=st.none() | st.text(max_size=600).map("https://cdn.example/{}".format),
)
def test_a_payload_is_small_and_well_formed_whatever_the_names(title: str, shop: str, image: str | None) -> None:
    notice = replace(notice_for(7), shop=ShopFacts("a", shop, "b"), product=ProductFacts(title, title, image_url=image))
    payload = compose(envelope_for(7, SOMEBODY, notice))
    assert len(payload) <= LARGEST_PAYLOAD
    assert json.loads(payload)["url"] == notice.links.action


def test_a_link_that_cannot_fit_is_refused_and_a_long_picture_left_out() -> None:
    image = "https://cdn.example/" + "é" * 400
    notice = replace(notice_for(7), product=ProductFacts("Vase", image_url=image))
    assert "image" in json.loads(
        compose(envelope_for(7, SOMEBODY, replace(notice, product=ProductFacts("V", image_url="https://c.example/x"))))
    )
    crowded = replace(notice, links=MessageLinks("https://a.example/" + "x" * 900, "https://a.example/u"))
    assert "image" not in json.loads(compose(envelope_for(7, SOMEBODY, crowded)))
    with pytest.raises(ChannelError, match="too_large"):
        compose(envelope_for(7, SOMEBODY, replace(notice, links=MessageLinks("x" * 2100, ""))))


def test_a_topic_is_short_plain_and_always_the_same() -> None:
    assert topic_of("offer-7-0") == topic_of("offer-7-0") != topic_of("offer-7-1")
    assert len(topic_of("offer-7-0")) == 32
    assert topic_of("offer-7-0").isalnum()


@pytest.mark.parametrize(
    ("status", "verdict", "blame"),
    [
        (201, Verdict.accepted, Blame.message), (200, Verdict.accepted, Blame.message),
        (202, Verdict.accepted, Blame.message), (204, Verdict.accepted, Blame.message),
        (404, Verdict.refused, Blame.address), (410, Verdict.refused, Blame.address),
        (401, Verdict.deferred, Blame.provider), (403, Verdict.deferred, Blame.provider),
        (400, Verdict.refused, Blame.message), (413, Verdict.refused, Blame.message),
        (429, Verdict.deferred, Blame.message), (500, Verdict.deferred, Blame.message),
        (503, Verdict.deferred, Blame.message), (301, Verdict.refused, Blame.message),
        (307, Verdict.refused, Blame.message), (418, Verdict.refused, Blame.message),
        (100, Verdict.refused, Blame.message),
    ],
)  # fmt: skip
def test_an_answer_means(status: int, verdict: Verdict, blame: Blame) -> None:
    outcome = outcome_of(7, status, None, now=0.0)
    assert (outcome.delivery_id, outcome.verdict, outcome.blame) == (7, verdict, blame)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("7", 7.0), (" 120 ", 120.0), ("0", 0.0), ("999999999999", 86400.0), ("-1", None), ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("", None), ("٣", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400.0), ("Thu, 99 Jan 1970 00:01:40 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=60.0) == seconds


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_signature_is_made_once_for_each_service_and_renewed_at_half_its_life() -> None:
    clock = Clock()
    signer = VapidSigner(generate_private_key(), "mailto:alerts@alerts.example", clock)
    first = signer.header("https://fcm.googleapis.com")
    assert signer.header("https://fcm.googleapis.com") == first
    assert signer.header("https://web.push.apple.com") != first
    clock.now += 6 * 3600 - 1
    assert signer.header("https://fcm.googleapis.com") == first
    clock.now += 2
    assert signer.header("https://fcm.googleapis.com") != first


def test_the_store_of_signatures_does_not_grow_without_end() -> None:
    signer = VapidSigner(generate_private_key(), "mailto:alerts@alerts.example")
    for number in range(300):
        signer.header(f"https://wns{number}.notify.windows.com")
    assert len(signer._headers) <= 256


def test_a_key_is_read_in_every_usual_form() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    der = "".join(pem.splitlines()[1:-1])
    import base64

    forms = [pem, pem.replace("\n", "\\n"), der, base64.urlsafe_b64encode(raw).decode().rstrip("=")]
    assert len({public_key_of(form) for form in forms}) == 1


RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("key", ["", "x", "é", "A" * 43, "-----BEGIN PRIVATE KEY-----\nxx", RSA, "A" * 200])
def test_what_is_no_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="is no VAPID private key") as caught:
        public_key_of(key)
    assert len(key) < 5 or key not in str(caught.value)


@pytest.mark.parametrize("subject", ["", "alerts@alerts.example", "http://a.example", "mailto:", "x"])
def test_a_subject_must_be_an_address_push_services_can_write_to(subject: str) -> None:
    with pytest.raises(ValueError, match="mailto:"):
        check_subject(subject)


@pytest.fixture
def service() -> Iterator[FakePush]:
    fake = FakePush()
    fake.start()
    yield fake
    fake.close()


def outcomes_of(service: FakePush, key: str, *recipients: Recipient) -> list[Outcome]:
    channel = PushChannel(VapidSigner(key, "mailto:a@alerts.example"), extra_hosts=[service.host], connections=1)
    try:
        return [
            outcome
            for number, recipient in enumerate(recipients, start=1)
            for outcome in channel.send([envelope_for(number, recipient)])
        ]
    finally:
        channel.close()


def browser(service: FakePush, key: str) -> Recipient:
    subscription = service.subscribe(public_key_of(key))
    keys = subscription["keys"]
    assert isinstance(keys, dict)
    return Recipient(str(subscription["endpoint"]), PushKeys(**keys))


def test_a_wrong_key_is_our_fault_until_the_service_has_accepted_it_from_us(service: FakePush) -> None:
    """Otherwise a stranger's subscription, made with another key, would stop everybody's messages."""
    ours, others = generate_private_key(), generate_private_key()
    strange, good = browser(service, others), browser(service, ours)
    before, accepted, after = outcomes_of(service, ours, strange, good, strange)
    assert (before.verdict, before.blame) == (Verdict.deferred, Blame.provider)
    assert accepted.verdict is Verdict.accepted
    assert (after.verdict, after.blame, after.reason) == (Verdict.refused, Blame.address, "other_vapid_key")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(service: FakePush, status: int) -> None:
    key = generate_private_key()
    service.troubles.append(Trouble(status))
    [outcome] = outcomes_of(service, key, browser(service, key))
    assert (outcome.verdict, outcome.reason) == (Verdict.refused, "redirected")
    assert len(service.requests) == 1


def test_a_notification_asks_to_be_shown_now_kept_for_hours_and_replaced(service: FakePush) -> None:
    key = generate_private_key()
    outcomes_of(service, key, browser(service, key))
    [message] = service.messages()
    assert (message.urgency, message.ttl_seconds) == ("high", 4 * 3600)
    assert message.topic == topic_of("offer-1-0")
    assert json.loads(message.payload)["title"] == "It’s back: Harbour Vase – Deep green"
