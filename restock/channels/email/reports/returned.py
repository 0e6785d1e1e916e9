"""Read mail that came back: delivery reports (RFC 3464), complaints (RFC 5965), what some servers write instead. Pure.

Anybody may send such a mail, and anything may stand in it. So it is about the delivery whose signed mark stands in the
address it came back to, and about no other; without that mark it says nothing.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from email.utils import getaddresses

from restock.channels.email.reports.events import COMPLAINED, DELIVERED, SOFT, UNDERWAY, Event, Said, bounced_with
from restock.channels.values import Blame, ReceiptStatus

LARGEST = 512 * 1024  # a returned message comes with what was sent, and with little besides
_MARK = re.compile(r"\+(?P<mark>[0-9]{1,19}-[a-z2-7]{16})@", re.IGNORECASE | re.ASCII)
_BOUNCE_ADDRESS = re.compile(r"[A-Za-z0-9._-]{1,26}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_REPLY = re.compile(r"(?:^|[:>'\"(])[ \t]*(5[0-5]\d[ -]\S)", re.MULTILINE)  # where a quotation begins
_CODE_BEHIND = re.compile(r"5\d\d[ -]#?5\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_QMAIL_CODE = re.compile(r"#5\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_DIAGNOSTIC_TYPE = re.compile(r"\A\s*[\w.+-]{1,40}\s*;\s*")
_COPY_BELOW = re.compile(r"^-{2,}.*(?:copy|original|below)", re.IGNORECASE | re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_NESTED = re.compile(rb"multipart/|message/", re.IGNORECASE)
_PLACES = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_MOST_PARTS = 50
_MOST_TEXT = 20_000
_MOST_GROUPS = 50
_DAEMONS = ("mailer-daemon", "postmaster", "mail-daemon", "mdaemon", "microsoftexchange")
_REPORTS = {
    "message/delivery-status": "delivery-status",
    "message/global-delivery-status": "delivery-status",  # RFC 6533
    "message/disposition-notification": "disposition-notification",
    "message/global-disposition-notification": "disposition-notification",
    "message/feedback-report": "feedback-report",
}


def read_returned(raw: bytes, came_to: Iterable[str] = ()) -> Event | None:
    """Read one mail; None when it is about no delivery of ours, or says nothing of it.

    `came_to`: the addresses the mail server took it for, where it tells; else the mail's own headers are read.
    """
    raw = raw[:LARGEST]
    if len(_NESTED.findall(raw)) > _MOST_PARTS:  # parts within parts cost the parser its stack
        return None
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    parts = _parts(message)
    own = list(_own_parts(message))
    is_from_a_server = _is_from_a_server(message)
    kind = _report_type(own, is_from_a_server=is_from_a_server)
    mark = _mark(came_to) or _mark(_addresses(message))
    if kind == "feedback-report":
        return _complaint(parts, mark or _mark(_quoted(parts)))
    if not mark:
        return None
    told = _delivery_report(own) if kind == "delivery-status" else None
    if told is None and kind != "disposition-notification" and is_from_a_server:
        told = _in_plain_words(own, has_failed=bool(message.get("X-Failed-Recipients")))
    return Event(mark, *told) if told is not None else None


def return_address(bounce_address: str, mark: str) -> str:
    """Write the address a message comes back to: `bounce@example.com` with a delivery's mark."""
    local, _, domain = bounce_address.rpartition("@")
    return f"{local}+{mark}@{domain}"


def check_bounce_address(text: str) -> None:
    """Raise ValueError for an address that no mark fits into: 64 octets stand before the @ (RFC 5321)."""
    if not _BOUNCE_ADDRESS.fullmatch(text):
        raise ValueError("must be a plain address such as bounces@example.com, at most 26 characters before the @")


def _parts(message: Message) -> list[Message]:
    found: list[Message] = []
    for part in message.walk():
        found.append(part)
        if len(found) >= _MOST_PARTS:
            break
    return found


def _own_parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Give the parts of a mail itself, and none of a message that is enclosed in it."""
    yield message
    inner = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(inner, list) and depth < _MOST_PARTS:
        for part in inner:
            if isinstance(part, Message):
                yield from _own_parts(part, depth + 1)


def _report_type(own: Sequence[Message], *, is_from_a_server: bool) -> str:
    """Say what kind of report a mail is: by its own word, else by what is in it; "": it is none."""
    reports = [part for part in own if part.get_content_type() == "multipart/report"]
    if not reports and not is_from_a_server:
        return ""
    for part in reports:
        kind = part.get_param("report-type", "")
        if isinstance(kind, str) and kind:
            return kind.lower()
    return next((_REPORTS[kind] for part in own if (kind := part.get_content_type()) in _REPORTS), "")


def _mark(addresses: Iterable[str]) -> str:
    for address in addresses:
        if found := _MARK.search(address[:400]):
            return found["mark"].lower()
    return ""


def _addresses(message: Message) -> Iterator[str]:
    for place in _PLACES:
        values = [str(value)[:2000] for value in message.get_all(place, [])[:5]]
        yield from (address for _, address in getaddresses(values))


def _quoted(parts: Iterable[Message]) -> Iterator[str]:
    """Give the senders a complaint says the reported mail had."""
    for part in parts:
        for name in ("Original-Mail-From", "Return-Path"):
            yield from (str(value) for value in part.get_all(name, [])[:3])
        if part.get_content_type() in ("text/rfc822-headers", "message/feedback-report"):
            yield from _words(part).splitlines()[:200]


def _complaint(parts: list[Message], mark: str) -> Event | None:
    if not mark:
        return None
    report = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
    kind = _field(report, "Feedback-Type") if report is not None else ""
    return Event(mark, *COMPLAINED) if kind in ("abuse", "fraud", "opt-out", "opt-out-list") else None


def _delivery_report(own: Iterable[Message]) -> Said | None:
    """Read a report; of several groups the worst counts: a mail of ours has one recipient, whatever it led to."""
    kinds = ("message/delivery-status", "message/global-delivery-status")
    report = next((part for part in own if part.get_content_type() in kinds), None)
    if report is None:
        return None
    told = [said for group in _groups(report) if (said := _recipient(group)) is not None]
    return max(told, key=_gravity, default=None)


def _gravity(said: Said) -> tuple[int, bool]:
    order = (ReceiptStatus.delivered, ReceiptStatus.underway, ReceiptStatus.bounced)
    return order.index(said[0]), said[2] is Blame.address


def _groups(report: Message) -> list[Message]:
    """Take a report apart; the parser does that with one kind alone, and takes the other for a message."""
    said = _text_of(report)
    coding = str(report.get("Content-Transfer-Encoding", "")).strip().lower()
    if coding in ("base64", "quoted-printable"):
        coded = email.message_from_string(f"Content-Transfer-Encoding: {coding}\n\n{said.strip()}\n")
        said = _words(coded)
    blocks = _PARAGRAPHS.split(said.replace("\r\n", "\n").strip())
    return [email.message_from_string(block.strip("\n")) for block in blocks[:_MOST_GROUPS]]


def _text_of(report: Message) -> str:
    inner = report.get_payload()
    if not isinstance(inner, list):
        return str(inner)[:_MOST_TEXT]
    blocks = []
    for one in inner[:_MOST_GROUPS]:
        if isinstance(one, Message):
            rest = one.get_payload()
            blocks.append("\n".join(f"{name}: {value}" for name, value in one.items()))
            blocks.append(rest if isinstance(rest, str) else "")
    return "\n\n".join(block for block in blocks if block)[:_MOST_TEXT]


def _recipient(group: Message) -> Said | None:
    action, status = _field(group, "Action"), _field(group, "Status")
    match action:
        case "delivered" | "relayed" | "expanded":
            return DELIVERED if action == "delivered" else UNDERWAY
        case "delayed":
            return UNDERWAY
        case "failed":
            return _failed(status, str(group.get("Diagnostic-Code", ""))[:1000])
    return None


def _failed(status: str, diagnostic: str) -> Said:
    """Judge by the code and by the server's own words; a 4.x.y that was given up is no word against the mailbox."""
    if status.startswith("4."):
        return (SOFT[0], "delivery_timed_out" if status.startswith("4.4.7") else "undelivered", Blame.message)
    reply = _DIAGNOSTIC_TYPE.sub("", diagnostic)
    told, by_reply = bounced_with(f"{status} {reply}"), bounced_with(reply)
    says_more = by_reply[1] in ("mailbox_full", "policy_rejected", "too_large")  # than a status some servers guess
    return by_reply if told[1] == "undelivered" or says_more else told


def _is_from_a_server(message: Message) -> bool:
    """Say whether a mail server wrote this, not somebody's holiday answer.

    Exim calls what it writes an automatic reply too, and names whom it could not reach.
    """
    names_failed = bool(message.get("X-Failed-Recipients"))
    answers = str(message.get("Auto-Submitted", "")).lower()
    if answers.startswith("auto-replied") and not names_failed:
        return False
    if message.get("X-Autoreply") or message.get("X-Autorespond"):
        return False
    senders = [address.lower() for _, address in getaddresses([str(message.get("From", ""))[:1000]])]
    return any(sender.startswith(_DAEMONS) for sender in senders)


def _in_plain_words(own: Iterable[Message], *, has_failed: bool) -> Said | None:
    """Judge what a server wrote for people: only a whole reply of SMTP in it counts, above the copy of our mail.

    `has_failed`: it says besides whom it could not reach.
    """
    for part in own:
        if part.get_content_maintype() != "text":
            continue
        text = _COPY_BELOW.split(_words(part).replace("\r\n", "\n"), maxsplit=1)[0]
        for paragraph in _PARAGRAPHS.split(text):
            if (told := _quoted_reply(paragraph)) is not None:
                return told
    return SOFT if has_failed else None


def _quoted_reply(paragraph: str) -> Said | None:
    """Judge the reply a paragraph quotes; None: there is none, or none whose meaning is known."""
    found = _REPLY.search(paragraph)
    if found is None and not _QMAIL_CODE.search(paragraph):
        return None
    said = paragraph[found.start(1) :] if found else paragraph
    told = bounced_with(said[:1000])
    is_whole = found is None or _CODE_BEHIND.match(said) is not None
    return told if is_whole or told[1] != "undelivered" else None


def _field(part: Message, name: str) -> str:
    """Read one field of a report: in its headers, or in the text of a part that was not taken apart."""
    value = part.get(name)
    if value is None and part.is_multipart():
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        value = first.get(name) if isinstance(first, Message) else None
    if value is None:
        value = None if part.is_multipart() else email.message_from_string(_words(part)).get(name)
    return str(value or "").split(";")[-1].strip().split(" ")[0].lower()[:100]


def _words(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload[:_MOST_TEXT].decode("utf-8", "replace")
    return ""
