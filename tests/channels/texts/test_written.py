"""Messages in a shop's own words: which language, what is escaped, and that they leave whatever the words are."""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from restock.channels.alerts.values import AlertKind
from restock.channels.alerts.variables import ALERT_MEANINGS, alert_values, sample_alert
from restock.channels.email.message import Sender
from restock.channels.email.message import compose as compose_email
from restock.channels.push.message import LARGEST_PAYLOAD
from restock.channels.push.message import compose as compose_push
from restock.channels.sms.message import compose as compose_sms
from restock.channels.sms.segments import cost_of
from restock.channels.texts.checking import check_texts
from restock.channels.texts.parts import PARTS
from restock.channels.texts.values import STAGES, Source, Stage, TextKey
from restock.channels.texts.variables import MEANINGS, VARIABLES, barest, meanings_of, sample, values_of
from restock.channels.texts.written import MOST_SEGMENTS, ShopTexts, Speaker, choose_locale
from restock.channels.values import ChannelName, Envelope, Notice, NoticeKind, ProductFacts, Recipient

SENDER = Sender("alerts@restock.example", "Restock")
TO = {ChannelName.email: "a@example.com", ChannelName.sms: "+4915112345678", ChannelName.push: "https://push.example"}
LAYOUT = """<mjml><mj-body><mj-section><mj-column><mj-text>{{ product.title }} {{ shop.name }}</mj-text>
<mj-button href="{{ links.action }}">Go</mj-button><mj-text><a href="{{ links.unsubscribe }}">Stop</a></mj-text>
</mj-column></mj-section></mj-body></mjml>"""


def spoken(notice: Notice, channel: ChannelName, parts: Mapping[str, str], html: str | None = None) -> Notice:
    return speaker(notice, channel, parts, html).say(notice, channel)


def speaker(notice: Notice, channel: ChannelName, parts: Mapping[str, str], html: str | None = None) -> Speaker:
    stage = {NoticeKind.confirmation: Stage.confirmation, NoticeKind.reminder: Stage.reminder}.get(notice.kind)
    return Speaker(ShopTexts({TextKey(channel, stage or Stage.restock, notice.locale): Source(parts, html)}))


def written(notice: Notice, channel: ChannelName) -> bytes:
    """What a channel would hand over."""
    envelope = Envelope(1, "r1-0123456789", Recipient(TO[channel]), notice, queued_at=1_790_000_000.0)
    match channel:
        case ChannelName.email:
            return compose_email(envelope, SENDER).content
        case ChannelName.sms:
            return compose_sms(envelope).encode()
        case ChannelName.push:
            return compose_push(envelope)


@pytest.mark.parametrize(
    ("own", "person", "shop", "chosen"),
    [
        ({"fr-CA", "fr", "en"}, "fr-CA", "de", "fr-CA"),
        ({"fr", "en"}, "fr-CA", "de", "fr"),
        ({"fr"}, "fr_ca", "en", "fr"),
        ({"fr-CA"}, "fr", "en", None),  # another country's is not everybody's
        ({"en", "de"}, "fr", "de", None),  # we speak French ourselves
        ({"de", "en"}, "el-GR", "de-AT", "de"),
        ({"de-AT", "de", "en"}, "el-GR", "de-AT", "de-AT"),
        ({"en"}, "el", "de", "en"),
        ({"nl"}, "nl-BE", "en", "nl"),
        ({"zh-TW", "en"}, "zh-HK", "en", "zh-TW"),
        ({"pt-BR"}, "pt", "en", "pt-BR"),
        ({"pt-BR"}, "pt-PT", "pt-BR", None),
        ({"ja"}, "el", "de", None),
        ({"zh-Hant", "zh"}, "zh-Hant-TW", "en", "zh-Hant"),
        ({"en"}, "", "", "en"),
        (set(), "fr", "fr", None),
    ],
)
def test_the_language_is_the_persons_then_ours_in_theirs_then_the_shops(
    own: set[str], person: str, shop: str, chosen: str | None
) -> None:
    assert choose_locale(own, person, shop) == chosen


def test_a_language_we_do_not_speak_is_said_as_what_it_is() -> None:
    notice = spoken(sample(Stage.restock, "fa"), ChannelName.email, {"heading": "سلام"})
    mail = email.message_from_bytes(written(notice, ChannelName.email), policy=email.policy.default)
    html = mail.get_body(("html",))
    assert html is not None
    assert re.search(r'<html[^>]*lang="fa"[^>]*dir="rtl"', html.get_content())


def test_a_header_cannot_be_added_by_a_product_or_a_text() -> None:
    evil = ProductFacts("x\r\nBcc: eve@evil.example\r\n\r\nhi\u2028", "\r\nX: y", "1\r\n2")
    notice = replace(sample(Stage.restock, "en"), product=evil)
    words = "{{ product.title }}\r\nCc: eve@evil.example\n{{ variant.title }}{{ price }}"
    mail = email.message_from_bytes(
        written(spoken(notice, ChannelName.email, {"subject": words, "heading": words}), ChannelName.email),
        policy=email.policy.default,
    )
    assert {"Bcc", "Cc", "X"} & set(mail.keys()) == set()
    assert mail["Subject"] == "x Bcc: eve@evil.example hi Cc: eve@evil.example X: y1 2"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 | times: 7 }}"])
def test_what_is_filled_in_is_escaped_in_html_and_never_read_as_liquid(text: str) -> None:
    checked = check_texts(TextKey(ChannelName.email, Stage.restock, "en"), {"body": LAYOUT})
    assert checked.faults == ()
    notice = replace(sample(Stage.restock, "en"), product=ProductFacts(text, text, text))
    said = spoken(notice, ChannelName.email, checked.source.parts, checked.source.html)
    html = said.words["body"]
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "49" not in re.sub(r"\d{3,}", "", html.partition("<body")[2].partition("Go<")[0].replace("49px", ""))
    plain = spoken(notice, ChannelName.push, {"title": "{{ product.title }}"})
    assert json.loads(written(plain, ChannelName.push))["title"] == text, "nothing is escaped where nothing is HTML"


def test_a_test_is_marked_as_one_in_the_shops_own_words_too() -> None:
    notice = replace(sample(Stage.restock, "en"), kind=NoticeKind.test)
    checked = check_texts(TextKey(ChannelName.email, Stage.restock, "en"), {"subject": "Hi", "body": LAYOUT})
    own = spoken(notice, ChannelName.email, checked.source.parts, checked.source.html)
    mail = email.message_from_bytes(written(own, ChannelName.email), policy=email.policy.default)
    html = mail.get_body(("html",))
    assert mail["Subject"] == "[Test] Hi"
    assert html is not None
    assert "This is a test" in html.get_content()
    assert written(spoken(notice, ChannelName.sms, {"text": "Hi {{ links.action }}"}), ChannelName.sms).startswith(
        b"[Test] Hi"
    )


def test_a_text_message_shortens_names_before_it_costs_too_much_and_always_says_how_to_stop() -> None:
    long = ProductFacts("Réunion 🛒 " * 30, "x" * 200)
    notice = replace(sample(Stage.restock, "en"), product=long)
    text = "{{ shop.name }}: {{ product.title }} {{ variant.title }} {{ links.action }}"
    own = spoken(notice, ChannelName.sms, {"text": text})
    body = written(own, ChannelName.sms).decode()
    assert own.words
    assert cost_of(body).segment_count <= MOST_SEGMENTS
    assert body.endswith("Reply STOP to opt out")
    assert notice.links.action in body


def test_a_text_message_that_stays_too_long_is_said_in_our_words() -> None:
    notice = sample(Stage.restock, "en")
    said = speaker(notice, ChannelName.sms, {"text": "🛒" * 120 + "{{ links.action }}"})
    assert said.say(notice, ChannelName.sms).words == {}
    assert [error.reason for error in said.broken.values()] == ["too_long"]


@pytest.mark.parametrize("channel", list(ChannelName))
def test_a_broken_part_is_said_in_our_words_and_the_others_in_theirs(channel: ChannelName) -> None:
    first, *rest = [part.name for part in PARTS[channel] if not part.html]
    notice = sample(Stage.restock, "en")
    said = speaker(notice, channel, {first: "{{ x | gone }}", **dict.fromkeys(rest, "Hello {{ links.action }}")})
    own = said.say(notice, channel)
    assert set(own.words) == set(rest)
    assert list(said.broken) == [TextKey(channel, Stage.restock, "en")]
    assert written(own, channel)


PIECES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "|",
            "{% if product.title %}",
            "{% endif %}",
            "{% for x in product %}",
            "{% endfor %}",
        ),
        *(f"{{{{ {name} }}}}" for name in MEANINGS),
        *("{{ product.title | replace: 'a', shop.name }}", "{{ variant.price | money }}", "{{ quantity | times: 9 }}"),
        *("{% assign a = product.title | split: '' %}", "{% for x in a %}", "{% capture a %}", "{% endcapture %}"),
        *(
            "\r\n",
            "\x00",
            "\u202e",
            "\ud800",
            "<b>",
            "</b>",
            "&",
            '"',
            "'",
            "🛒" * 40,
            "x" * 400,
            "\n.\n",
            "=?utf-8?b?",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))
GOODS = st.none() | st.builds(
    ProductFacts,
    TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.integers(1, 10**9),
    st.none() | st.integers(-(10**15), 10**15),
    st.none() | st.text(max_size=5),
)


@given(
    data=st.data(),
    channel=st.sampled_from(list(ChannelName)),
    kind=st.sampled_from(list(NoticeKind)),
    locale=st.sampled_from(["en", "ar", "fr-CA", "nl", "x", "", "zh-Hant-TW"]),
    product=GOODS,
)
def test_no_text_whatever_makes_a_send_fail(
    data: st.DataObject, channel: ChannelName, kind: NoticeKind, locale: str, product: ProductFacts | None
) -> None:
    """Even a text that was never looked over: one line of headers each, a payload that fits, the link always there."""
    parts = {part.name: data.draw(TEXTS, label=part.name) for part in PARTS[channel] if not part.html}
    html = data.draw(st.none() | TEXTS, label="html") if channel is ChannelName.email else None
    notice = replace(sample(STAGES.get(kind, Stage.restock), locale), kind=kind, product=product)
    own = spoken(notice, channel, parts, html)
    content = written(own, channel)
    assert written(spoken(notice, channel, parts, html), channel) == content, "the same message is the same bytes"
    match channel:
        case ChannelName.email:
            mail = email.message_from_bytes(content, policy=email.policy.default)
            plain = mail.get_body(("plain",))
            assert len(mail.keys()) == 10
            assert plain is not None
            assert notice.links.action in plain.get_content()
        case ChannelName.sms:
            assert notice.links.action in content.decode("utf-8", "replace")
        case ChannelName.push:
            assert len(content) <= LARGEST_PAYLOAD
            assert json.loads(content)["url"] == notice.links.action


@given(parts=st.dictionaries(st.sampled_from(["subject", "lead", "body", "else"]), TEXTS, max_size=4))
@example(parts={"body": "<mjml>" + "<b>" * 50})
def test_what_is_looked_over_without_a_fault_can_be_said_of_every_message(parts: dict[str, str]) -> None:
    checked = check_texts(TextKey(ChannelName.email, Stage.restock, "en"), parts)
    if checked.faults:
        return
    for notice in (full := sample(Stage.restock, "en"), barest(full)):
        said = speaker(notice, ChannelName.email, checked.source.parts, checked.source.html)
        assert set(said.say(notice, ChannelName.email).words) == set(checked.source.parts)
        assert said.broken == {}


def test_every_variable_has_a_meaning_and_a_value_and_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "texts.md").read_text("utf-8")
    for stage in Stage:
        is_alert = stage is Stage.merchant_alert
        alert = sample_alert(AlertKind.digest, "en")
        values = alert_values(alert) if is_alert else values_of(sample(stage, "en"), ChannelName.email)
        for name, meaning in meanings_of(stage).items():
            assert meaning
            group, _, rest = name.partition(".")
            found = values[group]
            assert not rest or (isinstance(found, dict) and rest in found)
            assert f"`{name}`" in page
    assert {name for names in VARIABLES.values() for name in names} == MEANINGS.keys() | ALERT_MEANINGS.keys()
    for channel, parts in PARTS.items():
        for part in parts:
            assert f"`{part.name}`" in page, channel


def test_a_request_to_confirm_knows_no_price() -> None:
    assert not {"price", "variant.price", "links.decline"} & set(VARIABLES[Stage.confirmation])
