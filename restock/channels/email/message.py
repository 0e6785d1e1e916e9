"""Say a notice as an e-mail: the same words as text and as HTML.

Pure: the template is compiled once, when the first is written. The same delivery always becomes the same bytes, so a
doubtful repeat is the same message with the same Message-ID.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate, getaddresses
from typing import NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from restock.channels.email.mime import assemble_around, mailbox, unstructured
from restock.channels.personal import split
from restock.channels.port import ChannelError
from restock.channels.values import Blame, Envelope, Letter, Notice, NoticeKind
from restock.channels.wording import Phrases, duration, isolate, one_line, phrases_for, product_name, tongue_of

BOUNDARY = "=_restock"  # such as never occurs in quoted-printable: nothing a mail says can end one of its parts
_LONGEST_TITLE = 255  # Shopify's own limit: whole in the mail, short in the subject
_ADDRESS = re.compile(
    r"(?P<local>[^\s@<>\x00-\x1f\x7f\"(),:;\[\]\\]{1,64})@(?P<domain>[^\s@<>\x00-\x1f\x7f\"(),:;\[\]\\]{1,253})"
)
_ENCODED_WORD = "=?"  # some readers decode it even here, and find another address in it
_NOT_IN_IDENTITY = re.compile(r"[^A-Za-z0-9-]")
_BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)
_BANNER_STYLE = "padding:12px 20px;background:#fff3d1;color:#6b4e00;font:14px/20px Arial,sans-serif;text-align:center"
paper = PackageLoader("restock.channels.email")  # paper.html: what every mail of ours is written on
templates = Environment(
    loader=paper,
    autoescape=True,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mail is from: an address and the name shown where the shop has none."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(slots=True)  # not frozen: that would double what filling one in costs
class Mail:
    """One message ready for SMTP.

    `needs_utf8` asks the server for SMTPUTF8 (RFC 6531). `is_dotless`: no line begins with a dot, so none is doubled.
    """

    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    needs_utf8: bool = False
    is_dotless: bool = False


class Draft(NamedTuple):
    """What a mail says, not yet bytes."""

    headers: Sequence[tuple[str, str]]
    text: str
    html: str


def parse_sender(text: str) -> Sender:
    """Read EMAIL_FROM, such as `Restock <alerts@example.com>`; raise ValueError when it holds no plain address."""
    mailboxes = getaddresses([text]) if text.isprintable() else []
    name, address = mailboxes[0] if len(mailboxes) == 1 else ("", "")
    if not (_ADDRESS.fullmatch(address) and address.isascii()):
        raise ValueError("must be an address such as Restock <alerts@example.com>")
    return Sender(address, one_line(name, 60))


def compose(envelope: Envelope, sender: Sender) -> Mail:
    """Write the mail for one recipient; raise ChannelError for an address no mail can be sent to."""
    recipient, needs_utf8 = recipient_of(envelope.recipient.address)
    identity = _NOT_IN_IDENTITY.sub("-", envelope.identity)
    date, letter = date_of(envelope.queued_at), envelope.letter
    written = letter_draft(letter, sender, recipient, date, identity) if letter else None
    headers, text, html = written or draft(envelope.notice, sender, recipient, date, identity)
    parts = None if written else split(envelope.notice.links)
    # Lines are broken around them as where others' are filled in; the longest first, should one be within another.
    tokens = sorted(filter(None, parts[1]), key=len, reverse=True) if parts else []
    try:
        pieces = assemble_around(tokens, headers, text, html, BOUNDARY)
    except ValueError:
        raise ChannelError("invalid_header", permanent=True) from None
    content = b"".join(tokens[piece].encode() if isinstance(piece, int) else piece for piece in pieces)
    return Mail(recipient, content, needs_utf8, is_dotless=True)


def draft(notice: Notice, sender: Sender, recipient: str, date: str, identity: str) -> Draft:
    """Say everything a mail says, before it is made bytes."""
    phrases = phrases_for(notice.locale)
    words = words_of(notice, phrases)
    headers = (
        ("From", mailbox(one_line(notice.shop.name, 60) or sender.name, sender.address)),
        ("To", recipient),
        ("Subject", unstructured(words["subject"])),
        ("Date", date),
        ("Message-ID", f"<{identity}@{sender.domain}>"),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: no holiday answers, please
        ("List-Unsubscribe", f"<{notice.links.unsubscribe}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),  # RFC 8058
    )
    return Draft(headers, text_of(notice, phrases, words), html_of(notice, phrases, words))


def letter_draft(letter: Letter, sender: Sender, recipient: str, date: str, identity: str) -> Draft:
    """Say what a letter says: it goes to a shop, which did not sign up and has nothing to unsubscribe from."""
    headers = (
        ("From", mailbox(sender.name, sender.address)),
        ("To", recipient),
        ("Subject", unstructured(one_line(letter.subject))),
        ("Date", date),
        ("Message-ID", f"<{identity}@{sender.domain}>"),
        ("Auto-Submitted", "auto-generated"),
    )
    return Draft(headers, letter.text, letter.html)


def date_of(at: float) -> str:
    """Write seconds since the epoch as a mail's Date."""
    return formatdate(at, usegmt=True)


def words_of(notice: Notice, phrases: Phrases) -> dict[str, str]:
    """Make every phrase of the mail, unescaped: the shop's own where it has any, else ours."""
    words = _words(notice, phrases)
    words |= {part: text for part, text in notice.words.items() if part in words}
    if notice.kind is NoticeKind.test:
        words["subject"] = phrases.say("email.test.subject", subject=words["subject"])
    return words


def html_of(notice: Notice, phrases: Phrases, words: dict[str, str]) -> str:
    """Write the HTML part: the shop's own layout, or ours with these words."""
    own = notice.words.get("body")
    if own is None:
        return templates.get_template("notice.html").render(words, **_facts(notice, phrases))
    return with_banner(own, words["banner"])


def with_banner(layout: str, banner: str) -> str:
    """Put a banner at the top of a shop's own layout; an empty one leaves it as it is."""
    if not banner:
        return layout
    shown = f'<div style="{_BANNER_STYLE}">{escape(banner)}</div>'
    return _BODY.sub(lambda found: found.group() + shown, layout, count=1)


def recipient_of(address: str) -> tuple[str, bool]:
    """Return the address as SMTP takes it, a foreign domain in its ASCII form, and whether it still needs SMTPUTF8.

    Raises ChannelError for an address no mail can be sent to.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or _ENCODED_WORD in address:
        raise ChannelError("invalid_address", permanent=True, blame=Blame.address)
    local, domain = match["local"], match["domain"]
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            raise ChannelError("invalid_address", permanent=True, blame=Blame.address) from None
    return f"{local}@{domain}", not local.isascii()


def _words(notice: Notice, phrases: Phrases) -> dict[str, str]:
    """Make every phrase of the mail, unescaped: the template escapes, the text part needs none."""
    slots = {
        "product": isolate(product_name(notice, phrases), phrases),
        "shop": isolate(one_line(notice.shop.name, 60), phrases),
    }
    parts = ("subject", "preheader", "heading", "lead", "note", "button", "why")
    words = {part: phrases.kind("email", notice, part, **slots) for part in parts}
    if notice.turn_minutes is not None:
        words["note"] = phrases.say("email.offer.turn", duration=duration(notice.turn_minutes, phrases.language))
    quantity = notice.product.quantity if notice.product else 1
    return {
        **words,
        "missed": phrases.say("email.offer.missed") if notice.missed_before else "",
        "decline": phrases.say("email.offer.decline") if notice.links.decline else "",
        "quantity": phrases.say("email.quantity", count=quantity) if quantity > 1 else "",
        "unsubscribe": phrases.say("email.unsubscribe"),
        "preferences": phrases.say("email.preferences") if notice.links.preferences else "",
        "banner": phrases.say("email.test.banner") if notice.kind is NoticeKind.test else "",
    }


def _facts(notice: Notice, phrases: Phrases) -> dict[str, object]:
    product = notice.product
    language, direction = tongue_of(notice, phrases)
    return {
        "language": language,
        "direction": direction,
        "start": "right" if direction == "rtl" else "left",
        "end": "left" if direction == "rtl" else "right",
        "shop_name": one_line(notice.shop.name, 60),
        "shop_url": notice.shop.url,
        "action": notice.links.action,
        "unsubscribe_url": notice.links.unsubscribe,
        "preferences_url": notice.links.preferences or "",
        "decline_url": notice.links.decline or "",
        "title": one_line(product.title, _LONGEST_TITLE) if product else "",
        "variant": one_line(product.variant_title or "") if product else "",
        "price": _price(notice),
        "image": _image(product.image_url) if product and product.image_url else "",
    }


def _price(notice: Notice) -> str:
    """A request to confirm shows no price: it must not advertise."""
    if notice.product is None or notice.occasion is NoticeKind.confirmation:
        return ""
    return one_line(notice.product.price or "", 40)


def _image(url: str) -> str:
    """Show only a web address, and ask Shopify's image server for no more pixels than a dense screen shows."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or len(url) > 1000:
        return ""
    if parts.hostname == "cdn.shopify.com" and "width=" not in parts.query:
        return f"{url}{'&' if parts.query else '?'}width=1008"
    return url


def text_of(notice: Notice, phrases: Phrases, words: dict[str, str]) -> str:
    """Write the text part."""
    goods = [product_name(notice, phrases, 2 * _LONGEST_TITLE)] if notice.product else []
    goods += [line for line in (_price(notice), words["quantity"]) if line]
    footer = [words["why"], f"{words['unsubscribe']}:\n{notice.links.unsubscribe}"]
    if notice.links.preferences:
        footer.insert(1, f"{words['preferences']}:\n{notice.links.preferences}")
    blocks = [
        words["banner"],
        words["heading"],
        "\n".join(goods),
        words["lead"],
        words["missed"],
        f"{words['button']}:\n{notice.links.action}",
        words["note"],
        f"{words['decline']}:\n{notice.links.decline}" if words["decline"] else "",
        "-- \n" + "\n".join(footer),
    ]
    return "\n\n".join(wrapped(block) for block in blocks if block) + "\n"


def wrapped(block: str) -> str:
    """Keep lines within 78 characters (RFC 5322 section 2.1.1); only a link may be longer."""
    lines = (
        textwrap.wrap(line, 76, break_long_words=False, break_on_hyphens=False) if len(line) > 76 else [line]
        for line in block.split("\n")
    )
    return "\n".join(text for pieces in lines for text in pieces)
