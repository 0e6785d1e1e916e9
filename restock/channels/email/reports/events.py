"""Read what providers report of messages they took. Pure.

A report names a delivery by the mark it was sent with. Whatever a provider adds to its reports is passed over; what has
not the form it should have says nothing. Only a mailbox that is dead, or a person who said no, is to blame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.providers.mailgun import bare_id
from restock.channels.email.replies import Ruling, Stage, judge
from restock.channels.values import Blame, ReceiptStatus, Verdict

_MOST_EVENTS = 2000
_LONGEST = 200
_AMAZON_ID = re.compile(rb"\bOk ([0-9A-Za-z-]{20,200})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a provider said of one message, named by our mark, else `identity` (our Message-ID), else its id."""

    mark: str
    status: ReceiptStatus
    reason: str = ""
    blame: Blame = Blame.message
    message_id: str | None = None
    identity: str = ""


Said = tuple[ReceiptStatus, str, Blame]

UNDERWAY: Said = (ReceiptStatus.underway, "", Blame.message)
DELIVERED: Said = (ReceiptStatus.delivered, "", Blame.message)
COMPLAINED: Said = (ReceiptStatus.complained, "", Blame.address)
OPTED_OUT: Said = (ReceiptStatus.complained, "opted_out", Blame.address)
DEAD: Said = (ReceiptStatus.bounced, "mailbox_unknown", Blame.address)
SUPPRESSED: Said = (ReceiptStatus.bounced, "suppressed_by_provider", Blame.address)
FULL: Said = (ReceiptStatus.bounced, "mailbox_full", Blame.message)
POLICY: Said = (ReceiptStatus.bounced, "policy_rejected", Blame.message)
SOFT: Said = (ReceiptStatus.bounced, "undelivered", Blame.message)


def read_events(provider: ProviderName, said: Any) -> list[Event]:
    """Read a whole report; what says nothing about a message of ours is left out."""
    match provider:
        case ProviderName.postmark:
            found = _postmark(said)
        case ProviderName.sendgrid:
            found = _sendgrid(said)
        case ProviderName.mailgun:
            found = _mailgun(said)
        case ProviderName.resend:
            found = _resend(said)
        case ProviderName.ses:
            found = _ses(said)
    return list(found)


def amazon_id(said: bytes) -> str | None:
    """Read the name Amazon SES gives to a message as it takes it, by which its reports call it; None: there is none."""
    found = _AMAZON_ID.search(said)
    return found[1].decode() if found else None


def bounced_with(text: str) -> Said:
    """Judge a message that came back by the mail server's own words, such as `550 5.1.1 no such user`."""
    return came_back(judge(Stage.content, 550, _from_enhanced(text)))


def came_back(ruling: Ruling) -> Said:
    """Tell a refusal that came later as a receipt tells it."""
    reason = ruling.reason if ruling.verdict is Verdict.refused and ruling.reason != "rejected" else "undelivered"
    return (ReceiptStatus.bounced, reason, ruling.blame)


_POSTMARK_BOUNCES: Mapping[str, Said | None] = {
    "HardBounce": DEAD,
    "BadEmailAddress": DEAD,
    "ManuallyDeactivated": SUPPRESSED,
    "SpamComplaint": COMPLAINED,
    "SpamNotification": POLICY,
    "Unsubscribe": OPTED_OUT,
    "Transient": UNDERWAY,  # it goes on trying
    "Blocked": POLICY,
    "ISPBlock": POLICY,
    "DMARCPolicy": POLICY,
    "VirusNotification": POLICY,
    "Subscribe": None,
    "AutoResponder": None,
    "AddressChange": None,
    "OpenRelayTest": None,
    "ChallengeVerification": None,
}


def _postmark(said: Any) -> Iterator[Event]:
    match said:
        case {"RecordType": "Delivery"}:
            told: Said | None = DELIVERED
        case {"RecordType": "Bounce", "Type": str(kind)}:
            told = _POSTMARK_BOUNCES.get(kind, SOFT)
        case {"RecordType": "SpamComplaint"}:
            told = COMPLAINED
        case {"RecordType": "SubscriptionChange", "SuppressSending": True, "Origin": "Recipient"}:
            told = COMPLAINED if said.get("SuppressionReason") == "SpamComplaint" else OPTED_OUT
        case _:
            return
    yield from _event(_text(_within(said, "Metadata", "restock")), told, _text(said.get("MessageID")))


_SENDGRID: Mapping[str, Said] = {
    "processed": UNDERWAY,
    "deferred": UNDERWAY,
    "delivered": DELIVERED,
    "spamreport": COMPLAINED,
    "unsubscribe": OPTED_OUT,
    "group_unsubscribe": OPTED_OUT,
}
_SENDGRID_DROPS: Mapping[str, Said] = {
    "bounced address": SUPPRESSED,
    "invalid": SUPPRESSED,
    "spam reporting address": COMPLAINED,
    "unsubscribed address": OPTED_OUT,
}


def _sendgrid(said: Any) -> Iterator[Event]:
    for event in (said if isinstance(said, list) else [])[:_MOST_EVENTS]:
        if not isinstance(event, Mapping):
            continue
        kind, reason = _text(event.get("event")), _text(event.get("reason"), 500)
        told = _SENDGRID.get(kind)
        if kind == "dropped":
            told = _SENDGRID_DROPS.get(reason.lower(), SOFT)
        elif kind == "bounce":
            told = POLICY if event.get("type") == "blocked" else _sendgrid_bounce(event, reason)
        message_id = _text(event.get("sg_message_id")).partition(".")[0]  # what follows names one of its machines
        yield from _event(_text(event.get("restock")), told, message_id)


def _sendgrid_bounce(event: Mapping[str, Any], reason: str) -> Said:
    status = _text(event.get("status"))
    told = bounced_with(status if status not in ("", "5.0.0") else reason)
    is_invalid = _text(event.get("bounce_classification")) == "Invalid Address"
    return DEAD if is_invalid and told[2] is not Blame.address else told


_MAILGUN: Mapping[str, Said] = {
    "accepted": UNDERWAY,
    "delivered": DELIVERED,
    "complained": COMPLAINED,
    "unsubscribed": OPTED_OUT,
    "rejected": SOFT,
}
_MAILGUN_SUPPRESSED: Mapping[str, Said] = {
    "suppress-bounce": SUPPRESSED,
    "suppress-complaint": COMPLAINED,
    "suppress-unsubscribe": OPTED_OUT,
}


def _mailgun(said: Any) -> Iterator[Event]:
    event = said.get("event-data") if isinstance(said, Mapping) else None
    if not isinstance(event, Mapping):
        return
    kind = _text(event.get("event"))
    told = _mailgun_failed(event) if kind == "failed" else _MAILGUN.get(kind)
    message_id = bare_id(_text(_within(event, "message", "headers", "message-id")))
    yield from _event(_text(_within(event, "user-variables", "restock")), told, message_id)


def _mailgun_failed(event: Mapping[str, Any]) -> Said:
    if event.get("severity") != "permanent":
        return UNDERWAY
    if (told := _MAILGUN_SUPPRESSED.get(_text(event.get("reason")))) is not None:
        return told
    status = event.get("delivery-status")
    if not isinstance(status, Mapping):
        return SOFT
    enhanced = _text(status.get("enhanced-code"))
    told = bounced_with(enhanced or _text(status.get("message"), 500))
    return told if enhanced or told[2] is Blame.address else bounced_with(_text(status.get("description"), 500))


_RESEND: Mapping[str, Said] = {
    "email.sent": UNDERWAY,
    "email.delivery_delayed": UNDERWAY,
    "email.delivered": DELIVERED,
    "email.complained": COMPLAINED,
    "email.suppressed": SUPPRESSED,
    "email.failed": SOFT,
}
_AMAZON_BOUNCES: Mapping[str, Said] = {  # Resend hands over to Amazon SES, and speaks its words
    "General": DEAD,
    "NoEmail": DEAD,
    "Suppressed": SUPPRESSED,
    "OnAccountSuppressionList": SUPPRESSED,
    "MailboxFull": FULL,
    "MessageTooLarge": (ReceiptStatus.bounced, "too_large", Blame.message),
    "ContentRejected": POLICY,
    "AttachmentRejected": POLICY,
}


def _resend(said: Any) -> Iterator[Event]:
    match said:
        case {"type": "email.bounced", "data": dict(data)}:
            kind, subtype = (_text(_within(data, "bounce", name)) for name in ("type", "subType"))
            told: Said | None = _AMAZON_BOUNCES.get(subtype, SOFT)
            if kind != "Permanent" and told is not None and told[2] is Blame.address:
                told = SOFT
        case {"type": str(kind), "data": dict(data)}:
            told = _RESEND.get(kind)
        case _:
            return
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {_text(_within(tag, "name")): _within(tag, "value") for tag in tags[:50]}
    yield from _event(_text(_within(tags, "restock")), told, _text(data.get("email_id")))


_SES: Mapping[str, Said] = {
    "Send": UNDERWAY,
    "DeliveryDelay": UNDERWAY,
    "Delivery": DELIVERED,
    "Reject": SOFT,
}


def _ses(said: Any) -> Iterator[Event]:
    """Read what SES publishes; identities name the kind `notificationType`, configuration sets `eventType`."""
    if not isinstance(said, Mapping):
        return
    kind = _text(said.get("eventType") or said.get("notificationType"))
    told = _SES.get(kind)
    if kind == "Bounce":
        told = _ses_bounce(said.get("bounce"))
    elif kind == "Complaint" and _within(said, "complaint", "complaintFeedbackType") != "not-spam":
        told = COMPLAINED
    identity = _identity(said.get("mail"))
    message_id = _text(_within(said, "mail", "messageId")) or None
    if told is not None and (identity or message_id):
        yield Event("", *told, message_id, identity)


def _ses_bounce(bounce: Any) -> Said:
    """Judge a bounce; one that passes and brings no mail server's status is most often a holiday answer."""
    kind, subtype = (_text(_within(bounce, name)) for name in ("bounceType", "bounceSubType"))
    told = _AMAZON_BOUNCES.get(subtype, SOFT)
    if kind == "Permanent":
        return told
    people = _within(bounce, "bouncedRecipients")
    first = people[0] if isinstance(people, list) and people else None
    if subtype == "General" and not _text(_within(first, "status")):
        return UNDERWAY
    return SOFT if told[2] is Blame.address else told


def _identity(mail: Any) -> str:
    """Find our own Message-ID: SES sends another, and tells ours where it is to include the original headers."""
    headers = _within(mail, "headers")
    named = [
        one
        for one in (headers if isinstance(headers, list) else [])[:200]
        if _text(_within(one, "name")).lower() == "message-id"
    ]
    text = _text(_within(named[0] if named else None, "value")) or _text(_within(mail, "commonHeaders", "messageId"))
    return text.strip("<> ").partition("@")[0]


def _event(mark: str, told: Said | None, message_id: str) -> Sequence[Event]:
    return [Event(mark, *told, message_id or None)] if mark and told is not None else ()


def _within(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: Any, longest: int = _LONGEST) -> str:
    """Take text that may be stored: no half characters, and nothing that controls anything."""
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value[:longest])


def _from_enhanced(text: str) -> bytes:
    """Cut what stands before an enhanced code (RFC 3463) off, as in `550 5.1.1 no such user`."""
    head, space, rest = text.strip().partition(" ")
    line = rest if space and len(head.rstrip("-")) == 3 and head[:3].isdigit() else text
    return line.strip().encode("ascii", "replace")
