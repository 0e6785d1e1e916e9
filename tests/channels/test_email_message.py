"""The bytes of an e-mail: read back as written, the same each time, the same as the standard library would mean."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restock.channels.email.message import Sender, compose, parse_sender
from restock.channels.email.mime import assemble, mailbox, unstructured
from restock.channels.email.smtp_talk import stuffed
from restock.channels.port import ChannelError
from restock.channels.tongues import LANGUAGES
from restock.channels.values import Blame, MessageLinks, NoticeKind, ProductFacts, Recipient, ShopFacts
from restock.channels.wording import duration, one_line, phrases_for
from tests.channels.benches import envelope_for, notice_for, turn_for

SENDER = Sender("alerts@mail.example", "Restock")
BODY = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=400)
ADA = Recipient("ada@example.com")


def read(raw: bytes) -> Any:
    return email.message_from_bytes(raw, policy=email.policy.default)


def mail_of(notice: Any, recipient: Recipient = ADA) -> Any:
    return read(compose(envelope_for(7, recipient, notice), SENDER).content)


def part(message: Any, kind: str) -> str:
    content: str = message.get_body((kind,)).get_content()
    return content


class Page(HTMLParser):
    """What a person sees of an HTML page, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self._hidden = tag in ("style", "title", "script")
        if tag == "a":
            self.links.append(found["href"] or "")
        if tag == "img":
            self.images.append(found)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@settings(max_examples=40)
@given(
    subject=st.text(st.characters(), max_size=200).map(lambda text: one_line(text) or "-"),
    name=st.text(st.characters(), max_size=80).map(lambda text: one_line(text, 60)),
    text=BODY,
    html=BODY,
)
def test_what_we_write_is_read_as_what_the_standard_library_writes(
    subject: str, name: str, text: str, html: str
) -> None:
    reference = EmailMessage(policy=email.policy.SMTP)
    reference["Subject"] = subject
    reference["To"] = "ada@example.com"
    reference.set_content(text)
    reference.add_alternative(html, subtype="html")
    theirs = read(reference.as_bytes())
    headers = [("Subject", unstructured(subject)), ("From", mailbox(name, "a@mail.example")), ("To", "ada@example.com")]
    raw = assemble(headers, text, html, "=_7")
    ours = read(raw)
    assert str(ours["Subject"]) == str(theirs["Subject"]) == subject
    [sender] = ours["From"].addresses
    assert sender.addr_spec == "a@mail.example"
    assert sender.display_name.replace(" ", "") == name.replace(" ", "")  # the reader spaces adjacent encoded words
    assert part(ours, "plain").rstrip("\r\n") == part(theirs, "plain").rstrip("\r\n")
    assert part(ours, "html").rstrip("\r\n") == part(theirs, "html").rstrip("\r\n")
    assert [p.get_content_type() for p in ours.walk()] == [p.get_content_type() for p in theirs.walk()]
    assert all(len(line) <= 78 for line in raw.split(b"\r\n") if not line.startswith((b"Subject", b" ", b"From")))
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert ours.defects == []
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@evil.example", "a\nb", "a\rb", "a\x00b", "a\r\n\r\nbody"])
def test_a_header_with_a_line_break_is_never_written(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        assemble([("X", value)], "", "", "=_7")


def test_the_same_delivery_always_becomes_the_same_bytes() -> None:
    envelope = envelope_for(7, ADA)
    assert compose(envelope, SENDER) == compose(replace(envelope, attempt=3), SENDER)


def test_the_headers_say_who_when_and_how_to_leave() -> None:
    envelope = envelope_for(7, ADA)
    message = read(compose(envelope, SENDER).content)
    assert message["From"] == "North & Pine <alerts@mail.example>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "It’s back: Harbour Vase – Deep green"
    assert message["Message-ID"] == "<offer-7-0@mail.example>"
    assert message["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert message["List-Unsubscribe"] == f"<{envelope.notice.links.unsubscribe}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert len(message.keys()) == len(set(message.keys()))


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_say_the_same(kind: NoticeKind, language: str) -> None:
    notice = notice_for(7, kind, language)
    message = mail_of(notice)
    phrases = phrases_for(language)
    text, page = part(message, "plain"), Page(part(message, "html"))
    flat = " ".join(text.split())
    wanted = ["Harbour Vase", "Deep green", phrases.say("email.quantity", count=2), phrases.say("email.unsubscribe")]
    wanted += [phrases.kind("email", notice, p) for p in ("heading", "button")]
    wanted += [phrases.say("email.test.banner")] if kind is NoticeKind.test else []
    for words in wanted:
        assert words in flat
        assert words in page.text
    for link in (notice.links.action, notice.links.unsubscribe):
        assert link in text.split()
        assert link in page.links
    assert ("€89.00" in flat) == ("€89.00" in page.text) == (kind is not NoticeKind.confirmation)
    assert dict(page.tags)["html"] == {"lang": language, "dir": phrases.direction}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_turn_says_how_long_it_is_that_the_last_was_missed_and_how_to_pass_it_on(language: str) -> None:
    notice = turn_for(7, language)
    message, phrases = mail_of(notice), phrases_for(language)
    text, page = part(message, "plain"), Page(part(message, "html"))
    turn = phrases.say("email.offer.turn", duration=duration(60, language))
    for words in (turn, phrases.say("email.offer.missed"), phrases.say("email.offer.decline")):
        assert " ".join(words.split()) in " ".join(text.split())
        assert " ".join(words.split()) in " ".join(page.text.split())
    assert notice.links.decline in text.split()
    assert notice.links.decline in page.links


def test_without_a_turn_nothing_is_said_of_one() -> None:
    said = part(mail_of(notice_for(7)), "plain") + part(mail_of(notice_for(7)), "html")
    assert "turn" not in said
    assert "Last time" not in said
    assert "hold it" in said


@settings(max_examples=25)
@given(
    title=st.text(st.characters(codec="utf-8"), max_size=150),
    shop=st.text(st.characters(codec="utf-8"), max_size=80),
)
def test_no_name_becomes_markup_and_lines_stay_short(title: str, shop: str) -> None:
    notice = replace(notice_for(7), shop=ShopFacts("a", shop, "https://north.example"), product=ProductFacts(title))
    message = mail_of(notice)
    plain = Page(part(mail_of(replace(notice, shop=ShopFacts("a", "S", "https://north.example"),
                                      product=ProductFacts("T"))), "html"))  # fmt: skip
    page = Page(part(message, "html"))
    expected = [tag for tag, _ in plain.tags]
    if not one_line(title):  # nothing to show: the table of the goods is left out
        return
    assert [tag for tag, _ in page.tags] == expected
    unbroken = max(map(len, one_line(title).split() + one_line(shop, 60).split()), default=0)
    lines = part(message, "plain").split("\n")
    assert all(len(line) <= max(78, unbroken + 40) for line in lines)


def test_ordinary_lines_of_text_stay_within_seventy_eight_characters() -> None:
    for language in LANGUAGES:
        for kind in NoticeKind:
            lines = part(mail_of(notice_for(7, kind, language)), "plain").split("\n")
            assert all(len(line) <= 78 for line in lines if not line.startswith("https://"))


def test_the_page_runs_no_code_and_loads_nothing_but_the_picture_of_the_goods() -> None:
    html = part(mail_of(notice_for(7)), "html")
    page = Page(html)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "form"} == set()
    assert "url(" not in html
    assert "@import" not in html
    assert [image["src"] for image in page.images] == ["https://cdn.shopify.com/vase.png?width=1008"]
    assert page.images[0]["alt"] == "Harbour Vase"
    assert 'name="color-scheme" content="light dark"' in html


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn.shopify.com/a.png?v=1", "https://cdn.shopify.com/a.png?v=1&width=1008"),
        ("https://cdn.shopify.com/a.png?width=100", "https://cdn.shopify.com/a.png?width=100"),
        ("https://img.example/a.png", "https://img.example/a.png"),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,xx", None),
        ("https://[bad/a.png", None),
        ('https://img.example/"onerror="x', 'https://img.example/"onerror="x'),
        (None, None),
    ],
)
def test_a_picture_is_shown_only_from_a_web_address(url: str | None, shown: str | None) -> None:
    page = Page(part(mail_of(replace(notice_for(7), product=ProductFacts("Vase", image_url=url))), "html"))
    assert [image["src"] for image in page.images] == ([shown] if shown else [])
    assert all("onerror" not in image for image in page.images)


def test_lines_that_run_right_to_left_are_set_so() -> None:
    html = part(mail_of(notice_for(7, NoticeKind.offer, "ar")), "html")
    assert '<html lang="ar" dir="rtl">' in html
    assert "<bdi>Harbour Vase</bdi>" in html
    assert 'align="right"' in html


@pytest.mark.parametrize(
    ("address", "written", "needs_utf8"),
    [
        ("ada@example.com", "ada@example.com", False),
        ("ada+x.y_z@sub.example.com", "ada+x.y_z@sub.example.com", False),
        ("ada@exämple.com", "ada@xn--exmple-cua.com", False),
        ("adä@example.com", "adä@example.com", True),
        ("o'hara!#$%&*@example.com", "o'hara!#$%&*@example.com", False),
    ],
)
def test_an_address_is_written_as_mail_servers_take_it(address: str, written: str, needs_utf8: bool) -> None:
    mail = compose(envelope_for(7, Recipient(address)), SENDER)
    assert (mail.recipient, mail.needs_utf8) == (written, needs_utf8)
    assert address not in repr(mail)


@pytest.mark.parametrize(
    "address", ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\n", "<a@b>", "a@b,c@d", '"a"@b', "a\t@b"]
)
def test_what_is_no_address_condemns_itself(address: str) -> None:
    with pytest.raises(ChannelError) as caught:
        compose(envelope_for(7, Recipient(address)), SENDER)
    assert (caught.value.reason, caught.value.permanent, caught.value.blame) == ("invalid_address", True, Blame.address)


def test_an_unsubscribe_link_with_a_line_break_is_refused_and_not_written() -> None:
    notice = replace(
        notice_for(7), links=MessageLinks("https://a.example", "https://a.example\r\nBcc: eve@evil.example")
    )
    with pytest.raises(ChannelError, match="invalid_header"):
        compose(envelope_for(7, ADA, notice), SENDER)


def test_the_sender_is_read_from_the_setting_and_names_a_shop_without_a_name() -> None:
    assert parse_sender("Restock <alerts@mail.example>") == SENDER
    assert parse_sender("alerts@localhost").domain == "localhost"
    nameless = replace(notice_for(7), shop=ShopFacts("a", " ", "https://north.example"))
    assert mail_of(nameless)["From"] == "Restock <alerts@mail.example>"
    for bad in ("", "Restock", "a@b, c@d", "ä@b.example", "a@b\r\nBcc: x"):
        with pytest.raises(ValueError, match="must be an address"):
            parse_sender(bad)


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a"]), max_size=6))
def test_dots_survive_the_wire(lines: list[bytes]) -> None:
    content = b"\r\n".join(lines)
    wire = stuffed(content)
    assert wire.endswith(b"\r\n.\r\n")
    received = [line.removeprefix(b".") for line in wire[:-3].split(b"\r\n")]
    assert b"\r\n".join(received).removesuffix(b"\r\n") == content.removesuffix(b"\r\n")
    assert b"\r\n.\r\n" not in wire[:-5] + b"\r\n"
