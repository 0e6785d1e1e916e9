"""What a mail server's reply means for the message, the address and us.

Pure. The enhanced code (RFC 3463) says more than the three digits, so it is read first. Only codes that speak of a dead
mailbox condemn an address; a refusal for policy or spam never does.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from restock.channels.values import Blame, Verdict


class Stage(StrEnum):
    """Which command was refused."""

    sender = "sender"  # MAIL FROM
    recipient = "recipient"  # RCPT TO
    data = "data"  # DATA, before the text
    content = "content"  # after the text and its final dot


class Ruling(NamedTuple):
    """What to make of a reply."""

    verdict: Verdict
    reason: str
    blame: Blame = Blame.message


_ENHANCED = re.compile(rb"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")

_DEAD_MAILBOX = {
    "1.1": "mailbox_unknown",
    "1.2": "domain_unknown",
    "1.3": "address_malformed",
    "1.6": "mailbox_moved",
    "1.10": "null_mx",
    "2.1": "mailbox_disabled",
}
_PERMANENT = {"2.2": "mailbox_full", "3.4": "too_large"}
_TRANSIENT = {"2.1": "mailbox_busy", "2.2": "mailbox_full", "7.0": "rate_limited", "7.28": "rate_limited"}
_NEEDS_LOGIN = frozenset({530, 534, 535, 538})
_BARE_DEAD_MAILBOX = frozenset({550, 551, 553, 556})


def judge(stage: Stage, code: int, text: bytes) -> Ruling:
    """Judge a refusal: reply code and text as the server sent them."""
    if code in _NEEDS_LOGIN:
        return Ruling(Verdict.deferred, "login_required", Blame.provider)
    match = _ENHANCED.match(text)
    subject = f"{int(match[2])}.{int(match[3])}" if match else ""
    if code == 421 or 400 <= code < 500:
        return Ruling(
            Verdict.deferred, _TRANSIENT.get(subject, "rate_limited" if code == 421 else "temporarily_refused")
        )
    if not 500 <= code < 600:
        return Ruling(Verdict.deferred, "unexpected_reply")
    if stage is Stage.sender:
        return _sender_refused(code, subject)
    return _permanent(stage, code, subject)


def _sender_refused(code: int, subject: str) -> Ruling:
    """Our own address or the message's size, never the recipient's fault."""
    if subject == "3.4" or code == 552:
        return Ruling(Verdict.refused, "too_large")
    return Ruling(Verdict.deferred, "sender_refused", Blame.provider)


def _permanent(stage: Stage, code: int, subject: str) -> Ruling:
    if subject in _DEAD_MAILBOX:
        return Ruling(Verdict.refused, _DEAD_MAILBOX[subject], Blame.address)
    if subject in _PERMANENT:
        return Ruling(Verdict.refused, _PERMANENT[subject])
    if subject.startswith("7."):
        return Ruling(Verdict.refused, "policy_rejected")
    if not subject and stage is Stage.recipient and code in _BARE_DEAD_MAILBOX:
        return Ruling(Verdict.refused, "mailbox_unknown", Blame.address)
    return Ruling(Verdict.refused, "rejected")
