"""Say a notice as the parts of an e-mail that a provider's API asks for: the same words and headers as by SMTP.

Pure. What is written here never depends on the provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import formatdate

from restock.channels.email.message import BOUNDARY, html_of, recipient_of, text_of, words_of
from restock.channels.email.mime import assemble, mailbox, unstructured
from restock.channels.port import ChannelError
from restock.channels.values import Envelope, SenderChoice
from restock.channels.wording import one_line, phrases_for

_NOT_IN_IDENTITY = re.compile(r"[^A-Za-z0-9-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. `mark` names the delivery in what the provider reports later; "": it will not be told apart.

    `at` is its Date, in seconds since the epoch.
    """

    delivery_id: int
    identity: str
    recipient: str = field(repr=False)
    from_name: str
    from_address: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    links: tuple[str, ...] = field(repr=False)
    mark: str = ""
    at: float = 0.0

    @property
    def sender(self) -> str:
        """Write the sender as `"Name" <address>`."""
        escaped = self.from_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.from_address}>' if escaped else self.from_address


def write_letter(envelope: Envelope, choice: SenderChoice, mark: str = "") -> Letter:
    """Write the message for one recipient; raise ChannelError for an address no mail can be sent to."""
    recipient, needs_utf8 = recipient_of(envelope.recipient.address)
    if needs_utf8:
        raise ChannelError("needs_smtputf8", permanent=True)
    notice = envelope.notice
    phrases = phrases_for(notice.locale)
    words = words_of(notice, phrases)
    own = notice.links
    links = (own.action, own.unsubscribe, own.decline or "", own.preferences or "")
    if any(_CONTROL.search(link) for link in links):
        raise ChannelError("invalid_header", permanent=True)
    identity = _NOT_IN_IDENTITY.sub("-", envelope.identity)
    return Letter(
        delivery_id=envelope.delivery_id,
        identity=identity,
        recipient=recipient,
        from_name=_plain(choice.name or one_line(notice.shop.name, 60)),
        from_address=choice.address,
        subject=_plain(words["subject"]),
        text=_whole(text_of(notice, phrases, words)),
        html=_whole(html_of(notice, phrases, words)),
        headers=(
            ("Message-ID", f"<{identity}@{choice.address.rpartition('@')[2]}>"),
            ("Auto-Submitted", "auto-generated"),
            ("List-Unsubscribe", f"<{notice.links.unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ),
        links=tuple(link for link in links if link),
        mark=mark,
        at=envelope.queued_at,
    )


def bytes_of(letter: Letter) -> bytes:
    """Write the message as a mail server gets it."""
    headers = (
        ("From", mailbox(letter.from_name, letter.from_address)),
        ("To", letter.recipient),
        ("Subject", unstructured(letter.subject)),
        ("Date", formatdate(letter.at, usegmt=True)),
        *letter.headers,
    )
    return assemble(headers, letter.text, letter.html, BOUNDARY)


def _plain(text: str) -> str:
    """Leave nothing in a header that could end it, whoever checked before."""
    return _whole(_CONTROL.sub(" ", text)).strip()


def _whole(text: str) -> str:
    """Replace half characters: JSON would carry them, no mail can."""
    return text.encode("utf-8", "replace").decode()
