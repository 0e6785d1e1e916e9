"""Postmark's batch call: up to 500 messages, each with its own verdict. Pure.

https://postmarkapp.com/developer/api/email-api; error codes: https://postmarkapp.com/developer/api/overview.
"""

from __future__ import annotations

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
    SUPPRESSED,
    TOO_LARGE,
    UNEXPECTED,
    all_alike,
    by_status,
    outcome,
)
from restock.channels.email.replies import Ruling
from restock.channels.values import Outcome

# 300 is said of any field of a message: only where it speaks of the recipient is the address to blame.
CODES: dict[int, Ruling] = {
    0: ACCEPTED,
    10: LOGIN_REJECTED,
    100: NOT_NOW,
    300: REJECTED,
    400: SENDER_REFUSED,  # no such sender signature
    401: SENDER_REFUSED,  # a sender signature that was never confirmed
    402: UNEXPECTED,
    403: UNEXPECTED,
    405: QUOTA_USED_UP,
    406: SUPPRESSED,  # it bounced or complained before
    409: UNEXPECTED,
    410: UNEXPECTED,
    412: ACCOUNT_REJECTED,  # pending: may write to its own domain alone
    413: ACCOUNT_REJECTED,
    429: RATE_LIMITED,
    1101: ACCOUNT_REJECTED,
    1235: ACCOUNT_REJECTED,  # no such message stream
    1236: ACCOUNT_REJECTED,  # a stream that only receives
}
_ABOUT_THE_RECIPIENT = ("invalid 'to' address", "error parsing 'to'", "zero recipients", "illegal email address")


@dataclass(frozen=True)
class Postmark:
    """One server of an account."""

    token: str = field(repr=False)
    stream: str = "outbound"
    most: int = 500
    repeatable: bool = False

    def call(self, letters: Sequence[Letter]) -> Call:
        """Write one call."""
        headers = {
            "X-Postmark-Server-Token": self.token,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return Call("/email/batch", in_json([self._message(letter) for letter in letters]), headers)

    def groups(self, letters: Sequence[Letter]) -> Sequence[Sequence[Letter]]:
        """Any messages share a call."""
        return [letters[start : start + self.most] for start in range(0, len(letters), self.most)]

    def read(self, letters: Sequence[Letter], reply: Reply, now: float) -> Sequence[Outcome] | None:
        """Say what became of each, in the order they were given."""
        if (ruling := by_status(reply.status)) is not None:
            return all_alike(letters, ruling, reply, now)
        match reply.said:
            case list(said) if len(said) == len(letters):
                return [_outcome(letter, one, reply, now) for letter, one in zip(letters, said, strict=True)]
            case {"ErrorCode": int(code)}:  # of the call as a whole
                ruling = CODES.get(code)
                return all_alike(letters, ruling, reply, now) if ruling else None
        return all_alike(letters, IN_DOUBT if reply.status < 300 else UNEXPECTED)

    def _message(self, letter: Letter) -> dict[str, object]:
        headers = [{"Name": name, "Value": value} for name, value in letter.headers]
        return {
            "From": letter.sender,
            "To": letter.recipient,
            "Subject": letter.subject,
            "TextBody": letter.text,
            "HtmlBody": letter.html,
            # Without this header Postmark writes a Message-ID of its own, and a repeat would be another message.
            "Headers": [*headers, {"Name": "X-PM-KeepID", "Value": "true"}],
            "MessageStream": self.stream,
            "Metadata": {"restock": letter.mark} if letter.mark else {},
            "TrackOpens": False,
            "TrackLinks": "None",
        }


def _outcome(letter: Letter, said: object, reply: Reply, now: float) -> Outcome:
    match said:
        case {"ErrorCode": 0, "MessageID": str(message_id)}:
            return outcome(letter, ACCEPTED, message_id=message_id)
        case {"ErrorCode": 300, "Message": str(text)} if text.lower().startswith(_ABOUT_THE_RECIPIENT):
            return outcome(letter, INVALID_ADDRESS)
        case {"ErrorCode": 300, "Message": str(text)} if "too large" in text.lower() or "exceeds" in text.lower():
            return outcome(letter, TOO_LARGE)
        case {"ErrorCode": int(code)}:
            return outcome(letter, CODES.get(code, REJECTED), reply=reply, now=now)
    return outcome(letter, IN_DOUBT)
