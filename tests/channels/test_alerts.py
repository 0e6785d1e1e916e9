"""What a shop reads: in every language, in its own words or ours, whatever strangers have named."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.alerts.message import write_alert
from restock.channels.alerts.values import AlertFacts, AlertKind, ShopAlert, VariantLine
from restock.channels.alerts.variables import EXAMPLES, sample_alert
from restock.channels.email.message import Sender, compose
from restock.channels.texts.checking import check_texts, read_key
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.texts.written import ShopTexts, Speaker
from restock.channels.tongues import LANGUAGES
from restock.channels.values import ChannelName, Envelope, MessageLinks, Notice, NoticeKind, Recipient, ShopFacts
from restock.channels.wording import phrases_for
from restock.errors import ValidationError

KEY = TextKey(ChannelName.email, Stage.merchant_alert, "en")
EVIL = 'Mug</td><script>x</script>\r\nBcc: all@example.com "\u202e{{ links.action }}'
EVERYTHING = """{{ shop.name }} {{ shop.domain }} {{ shop.url }} {{ locale }}
{% if alert.kind == "digest" %}{{ alert.since }}{% if alert.weekly %}w{% endif %}{% endif %}
{{ counts.new }} {{ counts.people }} {{ counts.units }} {{ counts.sent }} {{ counts.bought }} {{ counts.broken_texts }}
{% for one in variants %}{{ one.title }}: {{ one.people }}, {{ one.units }};{% endfor %} {{ variants.size }}
{% assign first = variants | first %}{{ first.title }} {{ channels_down | join: ", " }}
{{ links.action }} {{ links.settings }}"""
LAYOUT = """<mjml><mj-body><mj-section><mj-column>
<mj-text>{% for one in variants %}{{ one.title }} {% endfor %}</mj-text>
<mj-button href="{{ links.action }}">Go</mj-button>
</mj-column></mj-section></mj-body></mjml>"""
TEXTS = st.text(st.sampled_from("{}%| \n.abcinrst-<>&é") | st.characters(), max_size=60) | st.sampled_from(
    [
        "{{ counts.people }}",
        "{% for v in variants %}{{ v.title }}{% endfor %}",
        "{% if %}",
        "{{ variants }}",
        "{{ x | y }}",
    ]
)


def evil(kind: AlertKind, locale: str = "en") -> ShopAlert:
    facts = AlertFacts(2, 3, 4, "2026-01-01", [VariantLine(EVIL, 3, 4)], 5, 6, 1, ["email"])
    return sample_alert(kind, locale, ShopFacts("north.myshopify.com", EVIL, "https://north.example"), facts)


def speaker(parts: dict[str, str], html: str | None = None) -> Speaker:
    return Speaker(ShopTexts({KEY: Source(parts, html)}))


def mail_of(alert: ShopAlert) -> Any:
    links = MessageLinks(alert.links.action, alert.links.settings)
    notice, to = Notice(NoticeKind.test, alert.shop, links), Recipient("owner@example.com")
    envelope = Envelope(1, "a1-0", to, notice, letter=write_alert(alert))
    raw = compose(envelope, Sender("alerts@example.com", "Restock")).content
    return email.message_from_bytes(raw, policy=email.policy.default)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(AlertKind))
def test_a_letter_says_everything_in_the_shops_language(kind: AlertKind, language: str) -> None:
    alert, phrases = sample_alert(kind, language), phrases_for(language)
    letter = write_alert(alert)
    assert f'<html lang="{language}" dir="{phrases.direction}">' in letter.html
    assert letter.text.splitlines()[0] in letter.html
    for part in (letter.html.replace("&amp;", "&"), letter.text):
        assert alert.links.action in part
        assert alert.links.settings in part
        assert phrases.say("alert.button") in part
        assert "Harbour Vase · Deep green" in part
    assert "North & Pine" in letter.subject
    assert {line for line in letter.text.splitlines() if len(line) > 78} == set()


@pytest.mark.parametrize("kind", list(AlertKind))
def test_a_letter_escapes_what_strangers_named_and_keeps_headers_whole(kind: AlertKind) -> None:
    letter = write_alert(evil(kind))
    assert "<script>" not in letter.html
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject + letter.text
    mail = mail_of(evil(kind))
    assert "List-Unsubscribe" not in mail
    assert "Bcc" not in mail
    assert mail.get_all("To") == ["owner@example.com"]


def test_a_digest_names_what_is_wrong_and_a_quiet_one_does_not() -> None:
    assert "Texts not sent as written: 1" in write_alert(sample_alert(AlertKind.digest, "en")).text
    quiet = replace(EXAMPLES[AlertKind.digest], broken=0, down=())
    letter = write_alert(sample_alert(AlertKind.digest, "en", facts=quiet))
    assert "not sent as written" not in letter.text + letter.html
    assert "cannot send" not in letter.text + letter.html


def test_a_test_says_that_it_is_one_in_our_layout_and_in_the_shops() -> None:
    facts = replace(EXAMPLES[AlertKind.digest], test_locale="en")
    alert = sample_alert(AlertKind.digest, "en", facts=facts)
    html = check_texts(KEY, {"body": LAYOUT}).source.html
    for one in (alert, speaker({}, html).say_alert(alert)):
        letter = write_alert(one)
        assert letter.subject.startswith("[Test] ")
        assert "This is a test" in letter.html


def test_a_text_may_say_every_variable_of_every_alert() -> None:
    checked = check_texts(KEY, {"lead": EVERYTHING, "body": LAYOUT})
    assert checked.faults == ()
    for kind in AlertKind:
        said = (own := speaker(dict(checked.source.parts), checked.source.html)).say_alert(sample_alert(kind, "en"))
        assert own.broken == {}
        assert "Harbour Vase · Deep green: 18, 21;" in said.words["lead"]
        assert "Harbour Vase" in write_alert(said).html


@pytest.mark.parametrize(
    ("part", "typed", "told"),
    [
        ("subject", "{{ product.title }}", "product.title is not known here"),
        ("subject", "{{ counts.peopel }}", "did you mean counts.people?"),
        ("lead", "{% for v in varients %}{{ v.title }}{% endfor %}", "did you mean variants?"),
        ("body", LAYOUT.replace("{{ links.action }}", "https://x.example"), "must say {{ links.action }}"),
        ("button", "{% if alert.kind == 'new' %}Go{% endif %}", "says nothing"),
        ("heading", "{{ counts.people | gone }}", "the filter gone is not known here"),
    ],
)
def test_faults_are_told_when_it_is_saved(part: str, typed: str, told: str) -> None:
    (fault,) = check_texts(KEY, {part: typed}).faults
    assert fault.field == part
    assert told in fault.message


def test_a_shop_is_told_by_email_alone() -> None:
    for channel in ("sms", "push"):
        with pytest.raises(ValidationError) as refused:
            read_key(channel, "merchant_alert", "en")
        assert [fault.field for fault in refused.value.faults] == ["stage"]
    assert read_key("email", "merchant_alert", "en") == KEY


def test_the_text_nearest_to_the_shops_language_is_said_and_none_where_we_speak_it_better() -> None:
    own = speaker({"heading": "Hello"})
    assert own.say_alert(sample_alert(AlertKind.new, "en-GB")).words == {"heading": "Hello"}
    assert own.say_alert(sample_alert(AlertKind.new, "fr")).words == {}
    assert own.say_alert(sample_alert(AlertKind.new, "el")).words == {"heading": "Hello"}


@given(
    parts=st.fixed_dictionaries(dict.fromkeys(("subject", "preheader", "heading", "lead", "note", "button"), TEXTS)),
    html=st.none() | TEXTS,
    kind=st.sampled_from(AlertKind),
    locale=st.sampled_from(["en", "ar", "fr-CA", "fa", "", "zh-Hant-TW"]),
    title=TEXTS,
)
def test_no_text_whatever_keeps_a_shop_from_being_told(
    parts: dict[str, str], html: str | None, kind: AlertKind, locale: str, title: str
) -> None:
    """Even a text that was never looked over: headers whole, the link to the app always in the text part."""
    key = TextKey(ChannelName.email, Stage.merchant_alert, locale)
    alert = sample_alert(kind, locale, facts=AlertFacts(1, 1, 1, "x", (VariantLine(title, 1, 1),)))
    said = Speaker(ShopTexts({key: Source(parts, html)})).say_alert(alert)
    mail = mail_of(said)
    assert len(mail.keys()) == 8
    assert alert.links.action in mail.get_body(("plain",)).get_content()
    if (body := said.words.get("body")) is not None:
        assert alert.links.action in body.replace("&amp;", "&")
