"""Read mail that came back: delivery reports (RFC 3464), complaints (RFC 5965), what some servers write instead. Pure.

Anybody may send such a mail, and anything may stand in it. So it is about the delivery whose signed mark stands in the
address it came back to, and about no other; without that mark it says nothing.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterable, Iterator
from email.message import Message
from email.utils import getaddresses

from restock.channels.email.reports.events import COMPLAINED, DELIVERED, SOFT, UNDERWAY, Event, Said, bounced_with
from restock.channels.values import Blame

LARGEST = 512 * 1024  # a returned message comes with what was sent, and with little besides
_MARK = re.compile(r"\+(?P<mark>[0-9]{1,19}-[a-z2-7]{16})@", re.IGNORECASE | re.ASCII)
_BOUNCE_ADDRESS = re.compile(r"[A-Za-z0-9._-]{1,26}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_ENHANCED = re.compile(r"\b5\.\d{1,3}\.\d{1,3}\b")
_REPLY = re.compile(r"\b(?:5\d\d)[ -](5\.\d{1,3}\.\d{1,3})\b")
_NESTED = re.compile(rb"multipart/|message/", re.IGNORECASE)
_PLACES = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_MOST_PARTS = 50
_MOST_TEXT = 20_000
_DAEMONS = ("mailer-daemon", "postmaster", "mail-daemon", "mdaemon")


def read_returned(raw: bytes, came_to: Iterable[str] = ()) -> Event | None:
    """Read one mail; None when it is about no delivery of ours, or says nothing of it.

    `came_to`: the addresses the mail server took it for, where it tells; else the mail's own headers are read.
    """
    raw = raw[:LARGEST]
    if len(_NESTED.findall(raw)) > _MOST_PARTS:  # parts within parts cost the parser its stack
        return None
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    parts = _parts(message)
    kind = _report_type(message)
    mark = _mark(came_to) or _mark(_addresses(message))
    if kind == "feedback-report":
        return _complaint(parts, mark or _mark(_quoted(parts)))
    if not mark:
        return None
    told = _delivery_report(parts) if kind == "delivery-status" else None
    if told is None and kind != "disposition-notification" and _is_from_a_server(message):
        told = _in_plain_words(parts)
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


def _report_type(message: Message) -> str:
    if message.get_content_type() != "multipart/report":
        return ""
    kind = message.get_param("report-type", "")
    return kind.lower() if isinstance(kind, str) else ""


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


def _delivery_report(parts: list[Message]) -> Said | None:
    report = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    if report is None:
        return None
    groups = report.get_payload()
    for group in groups if isinstance(groups, list) else []:
        if isinstance(group, Message) and (told := _recipient(group)) is not None:
            return told  # a mail of ours has one recipient
    return None


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
    """Judge by whichever is more exact; a 4.x.y that was given up is no word against the mailbox."""
    if status.startswith("4."):
        return (SOFT[0], "delivery_timed_out" if status.startswith("4.4.7") else "undelivered", Blame.message)
    told = bounced_with(status)
    found = _ENHANCED.search(diagnostic)
    if told[1] == "undelivered" and found:
        told = bounced_with(found.group())
    return told


def _is_from_a_server(message: Message) -> bool:
    """Say whether a mail server wrote this, not somebody's holiday answer."""
    answers = str(message.get("Auto-Submitted", "")).lower()
    if answers.startswith("auto-replied") or message.get("X-Autoreply") or message.get("X-Autorespond"):
        return False
    path = str(message.get("Return-Path", "")).strip()
    senders = [address.lower() for _, address in getaddresses([str(message.get("From", ""))[:1000]])]
    return path == "<>" or any(sender.startswith(_DAEMONS) for sender in senders)


def _in_plain_words(parts: list[Message]) -> Said | None:
    """Judge what a server wrote for people: only a whole reply of SMTP in it counts."""
    for part in parts:
        if part.get_content_maintype() == "text" and (found := _REPLY.search(_words(part))):
            return bounced_with(found[1])
    return None


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
