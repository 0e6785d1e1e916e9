"""Resend's batch call: up to 100 messages under one idempotency key. Pure.

https://resend.com/docs/api-reference/emails/send-batch-emails; errors: https://resend.com/docs/api-reference/errors.
The key is kept for 24 hours: the same call made again within them is one hand-over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from restock.channels.email.providers.calls import Call, Reply, in_json
from restock.channels.email.providers.letters import Letter
from restock.channels.email.providers.rulings import (
    ACCEPTED,
    ACCOUNT_REJECTED,
    IN_DOUBT,
    INVALID_ADDRESS,
    LOGIN_REJECTED,
    NOT_NOW,
    QUOTA_USED_UP,
    RATE_LIMITED,
    REJECTED,
    SENDER_REFUSED,
    all_alike,
    by_status,
    outcome,
)
from restock.channels.email.replies import Ruling
from restock.channels.values import Outcome

NAMES: dict[str, Ruling] = {
    "missing_api_key": LOGIN_REJECTED,
    "invalid_api_key": LOGIN_REJECTED,
    "restricted_api_key": ACCOUNT_REJECTED,
    "invalid_from_address": SENDER_REFUSED,
    "invalid_access": ACCOUNT_REJECTED,
    "not_found": ACCOUNT_REJECTED,
    "method_not_allowed": ACCOUNT_REJECTED,
    "invalid_region": ACCOUNT_REJECTED,
    "daily_quota_exceeded": QUOTA_USED_UP,
    "monthly_quota_exceeded": QUOTA_USED_UP,
    "rate_limit_exceeded": RATE_LIMITED,
    "concurrent_idempotent_requests": IN_DOUBT,  # the first of two like calls is under way: its end is not known
    "invalid_idempotent_request": IN_DOUBT,  # the key was used for other bytes: some of them may be these messages
    "internal_server_error": IN_DOUBT,
    "application_error": IN_DOUBT,
    "service_unavailable": NOT_NOW,
}
_DOMAIN_NOT_VERIFIED = re.compile(r"domain is not verified|testing emails", re.IGNORECASE)


@dataclass(frozen=True)
class Resend:
    """One account."""

    key: str = field(repr=False)
    most: int = 100
    repeatable: bool = True

    def call(self, letters: Sequence[Letter]) -> Call:
        """Write one call; the same messages get the same key."""
        body = in_json([_message(letter) for letter in letters])
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "User-Agent": "restock",
            "Idempotency-Key": f"restock-{hashlib.sha256(body).hexdigest()}",
        }
        return Call("/emails/batch", body, headers)

    def groups(self, letters: Sequence[Letter]) -> Sequence[Sequence[Letter]]:
        """Any messages share a call."""
        return [letters[start : start + self.most] for start in range(0, len(letters), self.most)]

    def read(self, letters: Sequence[Letter], reply: Reply, now: float) -> Sequence[Outcome] | None:
        """Say what became of each: all are taken or none is."""
        match reply.said:
            case {"data": list(data)} if reply.status < 300:
                ids = [one.get("id") if isinstance(one, dict) else None for one in data]
                if len(ids) == len(letters):
                    return [outcome(one, ACCEPTED, message_id=_text(of)) for one, of in zip(letters, ids, strict=True)]
            case {"name": "validation_error", "message": str(text)} if _DOMAIN_NOT_VERIFIED.search(text):
                return all_alike(letters, SENDER_REFUSED)
            case {"name": str(name)} if name in NAMES:
                return all_alike(letters, NAMES[name], reply, now)
            case {"message": str(text)} if reply.status in (400, 422) and len(letters) == 1:
                about_the_recipient = "`to`" in text.lower()
                return all_alike(letters, INVALID_ADDRESS if about_the_recipient else REJECTED)
        ruling = by_status(reply.status)
        if ruling is None and reply.status >= 400:
            return None if len(letters) > 1 else all_alike(letters, REJECTED)
        return all_alike(letters, ruling or IN_DOUBT, reply, now)


def _message(letter: Letter) -> dict[str, object]:
    message: dict[str, object] = {
        "from": letter.sender,
        "to": [letter.recipient],
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "headers": dict(letter.headers),
    }
    if letter.mark:
        message["tags"] = [{"name": "restock", "value": letter.mark}]
    return message


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None
