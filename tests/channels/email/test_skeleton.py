"""Mails written from one skeleton: each reads as the standard library would have written it for that person alone."""

from __future__ import annotations

import email
import email.policy
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restock.channels.email.message import Sender, compose, date_of, draft
from restock.channels.email.skeleton import Press
from restock.channels.texts.layout import compile_layout
from restock.channels.texts.values import STAGES, Source, TextKey
from restock.channels.texts.written import ShopTexts, Speaker
from restock.channels.tongues import LANGUAGES
from restock.channels.values import (
    ChannelName,
    Envelope,
    MessageLinks,
    Notice,
    NoticeKind,
    ProductFacts,
    Recipient,
    ShopFacts,
)
from restock.channels.wording import one_line
from tests.channels.benches import PRODUCT, envelope_for, notice_for, turn_for

SENDER = Sender("alerts@mail.example", "Restock")
MAILPARSER = Path(__file__).parents[2] / "node_modules" / "mailparser"
LAYOUT = compile_layout(
    """<mjml><mj-body><mj-section><mj-column><mj-text>{{ product.title }}{% if links.decline %}
<a href="{{ links.decline | append: '?no' }}">No</a>{% endif %}</mj-text>
<mj-button href="{{ links.action }}">{{ links.action }}</mj-button><mj-text>. {{ links.unsubscribe }}.</mj-text>
</mj-column></mj-section></mj-body></mjml>"""
)
OWN: Mapping[str, tuple[dict[str, str], str | None]] = {
    "none": ({}, None),
    "words": ({"subject": "{{ product.title }}!", "lead": ".{{ shop.name }}. {{ quantity }} × {{ price }}"}, None),
    "a link among words": (
        {"lead": "Go to {{ links.action }} or leave by {{ links.unsubscribe }}, as you like."},
        None,
    ),
    "a link in the subject": ({"subject": "{{ links.action }}"}, None),
    "computing": ({"note": "{{ links.action | size }} {{ links.unsubscribe | upcase }}"}, None),
    "deciding": ({"note": "{% if links.action contains '7' %}seven{% else %}none{% endif %}"}, None),
    "layout": ({"preheader": "{{ product.title }}"}, LAYOUT),
    "layout, computing": ({}, f"{LAYOUT}{{{{ links.action | replace: 'a', '.' }}}}"),
    "broken": ({"lead": "{{ product.title | gone }}", "note": "Fine."}, None),
}
# What looks like an encoded word is left out: the library decodes it, and we write it as it is (see test_headers).
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=120).filter(
    lambda text: "=?" not in text
) | st.sampled_from(
    [
        "",
        ".",
        "..",
        ".\n.",
        "ñ" * 150,
        "a" * 300,
        "<b>&amp;</b>",
        "שלום 🛒",
        "x " * 70,
        "=\r\n",
        "%s{}%%",
    ]
)
PRODUCTS = st.builds(
    ProductFacts,
    TEXT,
    st.none() | TEXT,
    st.none() | st.sampled_from(["€89.00", "1\u202f299,00\xa0kr", "⃀"]),
    st.sampled_from([None, "https://cdn.shopify.com/vase.png", "https://img.example/.=a?b=1&c=2"]),
    st.integers(1, 12),
)
TOKENS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{8,69}", fullmatch=True)
LOCAL = st.from_regex(r"[a-z0-9!#$%&'*+/=^_`{|}~-]{1,20}", fullmatch=True).filter(lambda local: "=?" not in local)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Envelope], str]:
    """People who are told the same, each with links and an address of their own."""
    kind, own = draw(st.sampled_from(NoticeKind)), draw(st.sampled_from(sorted(OWN)))
    shop = ShopFacts("north.myshopify.com", draw(TEXT), "https://north.example")
    has_turn, has_page = draw(st.booleans()), draw(st.booleans())
    base = draw(st.sampled_from(["https://a.example", "https://alerts.a-rather-long-name-for-a-host.shop.example/x"]))
    model = Notice(
        kind, shop, MessageLinks("", ""), draw(st.sampled_from([*LANGUAGES, "xx", "he-IL"])),
        draw(st.none() | PRODUCTS), 60 if has_turn else None, draw(st.booleans()),
    )  # fmt: skip
    parts, html = OWN[own]
    locale = model.locale if model.locale != "he-IL" else "he"
    key = TextKey(ChannelName.email, STAGES[model.occasion], locale)
    speaker = Speaker(ShopTexts({key: Source(parts, html)} if own != "none" else {}))
    envelopes = []
    for number in range(4):
        links = MessageLinks(
            f"{base}/c/{draw(TOKENS)}",
            f"{base}/unsubscribe/{draw(TOKENS)}",
            f"{base}/decline/{draw(TOKENS)}" if has_turn else None,
            f"{base}/preferences/{draw(TOKENS)}" if has_page else None,
        )
        if number and draw(st.booleans()):  # as in a real batch: links as long as those before
            before = envelopes[-1].notice.links
            links = MessageLinks(
                before.action[:-1] + "x", before.unsubscribe[:-2] + "7y", before.decline, before.preferences
            )
        notice = speaker.say(replace(model, links=links), ChannelName.email)
        recipient = Recipient(f"{draw(LOCAL)}@{draw(st.sampled_from(['b.example', 'ä.example', 'x-1.example']))}")
        envelopes.append(replace(envelope_for(number, recipient, notice), identity=f"r{number}-{draw(LOCAL)}"))
    return envelopes, own


def read(raw: bytes) -> Any:
    return email.message_from_bytes(raw, policy=email.policy.default)


def by_the_library(envelope: Envelope) -> Any:
    """The same words, put together by the standard library, and read again."""
    ours = read(compose(envelope, SENDER).content)
    made = draft(envelope.notice, SENDER, str(ours["To"]), date_of(envelope.queued_at), str(ours["Message-ID"])[1:-14])
    message = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=900))
    for name, value in made.headers:
        if name not in ("From", "Subject"):
            message[name] = value
    message["From"] = Address(one_line(envelope.notice.shop.name, 60) or SENDER.name, addr_spec=SENDER.address)
    message["Subject"] = str(ours["Subject"])
    message.set_content(made.text)
    message.add_alternative(made.html, subtype="html")
    return read(message.as_bytes())


def said(message: Any) -> dict[str, object]:
    """Everything a reader makes of a mail."""
    headers = {name: "".join(str(message[name]).split()) for name in message if name != "Content-Type"}
    bodies = {
        kind: message.get_body((kind,)).get_content().replace("\r\n", "\n").rstrip("\n") for kind in ("plain", "html")
    }
    return {
        **headers,
        **bodies,
        "parts": [part.get_content_type() for part in message.walk()],
        "faults": message.defects,
    }


@settings(max_examples=25, deadline=None)
@given(batches())
def test_from_a_skeleton_everybody_reads_what_the_standard_library_would_have_written(batch: Any) -> None:
    envelopes, own = batch
    press = Press(SENDER)
    for _ in range(2):  # the first of its kind is written alone, the second makes the skeleton
        mails = [press.write(envelope) for envelope in envelopes]
    for mail, envelope in zip(mails, envelopes, strict=True):
        alone = compose(envelope, SENDER)
        assert (mail.recipient, mail.needs_utf8) == (alone.recipient, alone.needs_utf8)
        assert mail == alone, "the same bytes, so that a repeat is the same message whoever else is told"
        assert said(read(mail.content)) == said(by_the_library(envelope))
        assert all(len(line) <= 78 for line in mail.content.partition(b"\r\n\r\n")[2].split(b"\r\n"))
        assert not any(line.startswith(b".") for line in mail.content.split(b"\r\n"))
        assert b"\n" not in mail.content.replace(b"\r\n", b"")
        assert mail.content.endswith(b"\r\n")
    if own == "none":
        assert press.kept_bytes > 0


def batch_of(count: int, notice: Any = turn_for) -> list[Envelope]:
    return [envelope_for(number, Recipient(f"a{number}@b.example"), notice(number)) for number in range(count)]


def test_a_second_judge_reads_the_same_in_every_mail_of_a_batch() -> None:
    """Judge: mailparser, npm."""
    node = shutil.which("node")
    if node is None or not MAILPARSER.exists():
        pytest.skip("mailparser is not there: it needs node and `npm ci` in tests/")
    press = Press(SENDER)
    envelopes = [
        envelope_for(number, Recipient(f"a{number}@b.example"), turn_for(number, locale))
        for locale in ("en", "ar", "ja")
        for number in range(4)
    ]
    mails = [press.write(envelope).content for envelope in envelopes]
    script = (
        "const {simpleParser}=require(process.argv[1]);let s='';process.stdin.on('data',c=>s+=c).on('end',async()=>{"
        "for(const m of JSON.parse(s)){const p=await simpleParser(Buffer.from(m,'latin1'));console.log(JSON.stringify("
        "{subject:p.subject,from:p.from.text,to:p.to.text,id:p.messageId,date:p.date,text:p.text,html:p.html}))}})"
    )
    asked = [
        json.dumps([raw.decode("latin-1") for raw in made])
        for made in (mails, [compose(e, SENDER).content for e in envelopes])
    ]
    ours, alone = (
        subprocess.run(
            [node, "-e", script, str(MAILPARSER)], input=one, capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for one in asked
    )
    assert ours == alone
    assert ours.count("\n") == len(envelopes)
    for line, envelope in zip(ours.splitlines(), envelopes, strict=True):
        found = json.loads(line)
        assert found["to"] == envelope.recipient.address
        assert envelope.notice.links.action in found["text"].split()
        assert f'href="{envelope.notice.links.unsubscribe}"' in found["html"]


def test_what_two_people_differ_in_is_never_mixed_up() -> None:
    """Quantities, languages, markets' prices, the last turn missed, our own words and the shop's, all in one batch."""
    press, envelopes = Press(SENDER), []
    speaker = Speaker(ShopTexts({TextKey(ChannelName.email, STAGES[NoticeKind.offer], "de"): Source({"lead": "Du!"})}))
    for number in range(240):
        notice = turn_for(number, ("en", "ar", "de")[number % 3])
        price = ("€89.00", "£70.00")[number % 2]
        notice = replace(
            notice,
            product=replace(PRODUCT, quantity=1 + number % 4, price=price),
            missed_before=number % 5 == 0,
            links=notice.links if number % 7 else replace(notice.links, decline=None),
        )
        envelopes.append(
            envelope_for(number, Recipient(f"a{number}@b.example"), speaker.say(notice, ChannelName.email))
        )
    for envelope in envelopes:
        assert said(read(press.write(envelope).content)) == said(read(compose(envelope, SENDER).content))


def test_the_shops_own_words_are_written_once_for_many_and_said_to_each_with_their_own_links() -> None:
    text = TextKey(ChannelName.email, STAGES[NoticeKind.offer], "en")
    for name, (parts, html) in OWN.items():
        if name == "none":
            continue
        many = Speaker(ShopTexts({text: Source(parts, html)}))
        for number in range(6):
            notice = turn_for(number)
            alone = Speaker(ShopTexts({text: Source(parts, html)})).say(notice, ChannelName.email)
            together = many.say(notice, ChannelName.email)
            assert dict(together.words) == dict(alone.words), name
        assert bool(many.broken) == (name == "broken")


def test_what_is_kept_is_bounded_whatever_is_sent() -> None:
    press = Press(SENDER)
    for number in range(700):
        product = ProductFacts(f"Vase {number}", "x" * 200)
        for person in range(3):
            press.write(envelope_for(person, Recipient("a@b.example"), replace(turn_for(person), product=product)))
    assert 0 < press.kept_bytes <= 4_000_000


def test_links_that_are_not_such_as_ours_are_written_for_each_alone() -> None:
    press = Press(SENDER)
    for odd in (
        "https://a",
        "https://a.example/c/short",
        "https://a.example/c/a b c d e f g",
        "x/" + "y" * 80,
        "",
    ):
        for number in range(4):
            links = MessageLinks(odd, f"https://a.example/unsubscribe/{number:06d}.sig")
            envelope = envelope_for(number, Recipient("a@b.example"), replace(notice_for(number), links=links))
            assert press.write(envelope) == compose(envelope, SENDER)
    assert press.kept_bytes == 0


def test_a_message_may_be_said_from_the_same_skeleton_with_another_host() -> None:
    press = Press(SENDER)
    for number, host in enumerate(["https://a.example"] * 3 + ["https://b.example"] * 3):
        notice = turn_for(number)
        own = (notice.links.action, notice.links.unsubscribe, notice.links.decline or "")
        links = MessageLinks(*(link.replace("https://a.example", host) for link in own))
        envelope = envelope_for(number, Recipient("a@b.example"), replace(notice, links=links))
        assert said(read(press.write(envelope).content)) == said(read(compose(envelope, SENDER).content))


def test_the_same_delivery_is_the_same_bytes_at_every_attempt_of_a_process() -> None:
    press = Press(SENDER)
    first = [press.write(envelope).content for envelope in batch_of(6)][2:]
    assert [press.write(replace(envelope, attempt=3)).content for envelope in batch_of(6)][2:] == first
