"""What a merchant's text, or a name in it, could do beyond saying something; bounds: tests/channels/texts."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from restock.channels.email.message import Sender, compose
from restock.channels.texts.checking import check_part
from restock.channels.texts.layout import compile_layout
from restock.channels.texts.liquid import TAGS, compile_text, render_text
from restock.channels.texts.liquid.filters import FILTERS
from restock.channels.texts.parts import part_of
from restock.channels.texts.values import Source, Stage, TextError, TextKey
from restock.channels.texts.variables import sample, values_of
from restock.channels.texts.written import ShopTexts, Speaker, read, say_parts
from restock.channels.values import ChannelName, Envelope, ProductFacts, Recipient

EVIL = ProductFacts(
    '<script>alert(1)</script>{{ shop.name }}"onload="x', "</title><img src=x onerror=alert(1)>", "<b>1</b>", None, 2
)
LAYOUT = (
    "<mjml><mj-head><mj-title>{{ product.title }}</mj-title><mj-preview>{{ variant.title }}</mj-preview></mj-head>"
    "<mj-body>"
    "<mj-section><mj-column><mj-text>{{ product.title }} {{ variant.title }} {{ price }}</mj-text>"
    '<mj-image src="{{ product.image_url }}" alt="{{ product.title }}" />'
    '<mj-button href="{{ links.action }}">Go</mj-button>'
    '<mj-text><a href="{{ links.unsubscribe }}">x</a></mj-text></mj-column></mj-section></mj-body></mjml>'
)


class Tags(HTMLParser):
    """Notes every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def mail_with(parts: dict[str, str], layout: str | None = None) -> email.message.EmailMessage:
    """Send the shop's own words about goods with a hostile name; return the mail as a reader gets it."""
    notice = replace(sample(Stage.restock, "en"), product=EVIL)
    html = compile_layout(layout) if layout else None
    text = Source(parts | ({"body": layout} if layout else {}), html)
    spoken = Speaker(ShopTexts({TextKey(ChannelName.email, Stage.restock, "en"): text})).say(notice, ChannelName.email)
    mail = compose(Envelope(1, "r0-1", Recipient("ada@example.com"), spoken), Sender("shop@example.com"))
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def html_in(mail: email.message.EmailMessage) -> Tags:
    part = mail.get_body(("html",))
    assert part is not None
    return Tags(str(part.get_content()))


def test_a_hostile_name_is_text_in_the_subject_and_in_every_place_of_the_page() -> None:
    mail = mail_with(
        {"subject": "{{ product.title }}", "heading": "{{ product.title }}", "preheader": "{{ variant.title }}"}
    )
    assert mail["Subject"].startswith("<script>alert(1)</script>{{ shop.name }}"), (
        "a header is no page: nothing to escape"
    )
    assert "&lt;" not in mail["Subject"]
    tags = html_in(mail)
    assert {"script", "b"} & {tag for tag, _ in tags.found} == set()
    assert not [attrs for _, attrs in tags.found if {"onload", "onerror"} & set(attrs)]


def test_a_hostile_name_is_text_in_a_layout_too() -> None:
    tags = html_in(mail_with({}, LAYOUT))
    assert {"script", "b"} & {tag for tag, _ in tags.found} == set()
    assert not [attrs for _, attrs in tags.found if {"onload", "onerror"} & set(attrs)]
    assert [attrs["href"] for tag, attrs in tags.found if tag == "a"], "the layout was used"


def test_what_a_name_says_in_liquid_is_not_read_as_liquid() -> None:
    notice = replace(sample(Stage.restock, "en"), product=replace(EVIL, title="{{ links.action }}{% if x %}"))
    said = render_text(compile_text("{{ product.title }}"), values_of(notice, ChannelName.email))
    assert said == "{{ links.action }}{% if x %}"


@pytest.mark.parametrize(
    "inside",
    [
        '<mj-include path="./secret.mjml" />',
        '<mj-font name="x" href="https://evil.example/x.css" />',
        '<mj-raw><link rel="stylesheet" href="https://evil.example/x.css" /></mj-raw>',
        "<mj-style>@import url(https://evil.example/x.css);</mj-style>",
        "<mj-style>@font-face { font-family: x; src: url(https://evil.example/x.woff) }</mj-style>",
        "<mj-raw><script>alert(1)</script></mj-raw>",
        "<mj-raw><SCRIPT>alert(1)</SCRIPT></mj-raw>",
        '<mj-raw><iframe src="https://evil.example"></iframe></mj-raw>',
        '<mj-raw><meta http-equiv="refresh" content="0;url=https://evil.example" /></mj-raw>',
        '<mj-raw><base href="https://evil.example/" /></mj-raw>',
        "<mj-raw><svg><a>x</a></svg></mj-raw>",
        '<mj-raw><img src="x" onerror="alert(1)" /></mj-raw>',
        '<mj-raw><img src="x" onerror = "alert(1)" /></mj-raw>',
        '<mj-raw><a href="JaVaScRiPt:alert(1)">x</a></mj-raw>',
        '<mj-raw><a href="data:text/html,x">x</a></mj-raw>',
        '<mj-raw><a href="vbscript:x">x</a></mj-raw>',
        '<mj-raw><form action="https://evil.example"></form></mj-raw>',
        "<mj-raw><object></object></mj-raw>",
        "<mj-unknown />",
    ],
)
def test_a_layout_brings_nothing_in_from_elsewhere_and_runs_nothing(inside: str) -> None:
    in_head = inside.startswith(("<mj-include", "<mj-font", "<mj-style"))
    head, body = (inside, "") if in_head else ("", f"<mj-section><mj-column>{inside}</mj-column></mj-section>")
    with pytest.raises(TextError):
        compile_layout(f"<mjml><mj-head>{head}</mj-head><mj-body>{body}</mj-body></mjml>")


def test_a_layout_s_page_asks_nobody_for_fonts_or_styles() -> None:
    html = compile_layout(LAYOUT)
    tags = Tags(html)
    outside = [
        attrs.get("href") or attrs.get("src") or "" for tag, attrs in tags.found if tag in {"link", "script", "img"}
    ]
    assert [address for address in outside if address.startswith("http")] == []
    assert "@import" not in html
    assert "url(" not in html


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize(
    "argument", ["", ": 'a'", ": 'a', 'b'", ": 999999999999", ": -5", ": 1.5e300", ": nil", ": product"]
)
def test_no_filter_fails_in_any_other_way_than_by_saying_so(name: str, argument: str) -> None:
    """Whatever is put into it: a long text, a number, nothing, a group of values."""
    values = values_of(sample(Stage.restock, "en"), ChannelName.email)
    long = "{% assign long = product.title %}" + "{% assign long = long | append: long %}" * 8
    for value in ("long", "product", "missing", "quantity", "12345678901", "'a,b' | split: ','", "true"):
        try:
            said = render_text(compile_text(f"{long}{{{{ {value} | {name}{argument} }}}}"), values)
        except TextError:
            continue
        assert len(said) <= 10_000


def test_nothing_undoes_the_escaping_and_nothing_reads_another_file() -> None:
    assert (
        set(FILTERS) & {"safe", "raw", "base64_decode", "url_decode", "escape_once", "date", "h", "t", "asset_url"}
        == set()
    )
    assert (
        TAGS & {"include", "render", "layout", "block", "extends", "import", "liquid", "tablerow", "raw", "macro"}
        == set()
    )


@pytest.mark.parametrize(
    "attack", ["shop.__class__", "shop['__class__']", "product.title.__len__", "shop.name.format", "self"]
)
def test_no_variable_leads_into_the_program(attack: str) -> None:
    part = part_of(ChannelName.email, "lead")
    assert part is not None
    assert check_part(f"{{{{ {attack} }}}}", part, Stage.restock) != []
    try:
        said = render_text(
            compile_text(f"{{{{ {attack} }}}}"), values_of(sample(Stage.restock, "en"), ChannelName.email)
        )
    except TextError:
        return
    assert "class" not in said
    assert "built-in" not in said
    assert said == ""


def test_a_broken_text_is_said_in_our_words_and_still_sent() -> None:
    source = Source({"subject": "{{ product.title | times: 99 | append: x }}" + "{% if %}", "lead": "ours no more"})
    notice = sample(Stage.restock, "en")
    words, faults = say_parts(read(source, ChannelName.email), notice, ChannelName.email)
    assert set(faults) == {"subject"}
    assert set(words) == {"lead"}
