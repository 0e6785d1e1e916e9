"""Mailgun's call for a finished message, as the mail server's path would send it. Pure.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages. Its batch call shares one body among
its recipients, and what we say differs in more than Mailgun may substitute; so each message is a call of its own.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from restock.channels.email.providers.calls import Call, Reply
from restock.channels.email.providers.letters import Letter
from restock.channels.email.providers.rulings import (
    ACCEPTED,
    ACCOUNT_REJECTED,
    IN_DOUBT,
    INVALID_ADDRESS,
    LOGIN_REJECTED,
    REJECTED,
    SENDER_REFUSED,
    all_alike,
    by_status,
    outcome,
)
from restock.channels.email.replies import Ruling
from restock.channels.values import Outcome


@dataclass(frozen=True)
class Mailgun:
    """One domain of an account. `write` makes a message's bytes."""

    key: str = field(repr=False)
    domain: str
    write: Callable[[Letter], bytes]
    most: int = 1
    repeatable: bool = False

    def call(self, letters: Sequence[Letter]) -> Call:
        """Write one call."""
        from urllib3.filepost import encode_multipart_formdata  # loaded by whoever makes the call

        [letter] = letters
        fields: list[tuple[str, str | tuple[str, bytes, str]]] = [
            ("to", letter.recipient),
            ("o:tracking", "no"),
            ("message", ("message.eml", self.write(letter), "message/rfc822")),
        ]
        if letter.mark:
            fields.append(("v:restock", letter.mark))
        # Nothing random: the same message is the same call.
        body, content_type = encode_multipart_formdata(fields, boundary=f"restock-{letter.identity}")
        login = b64encode(f"api:{self.key}".encode()).decode()
        return Call(
            f"/v3/{self.domain}/messages.mime", body, {"Authorization": f"Basic {login}", "Content-Type": content_type}
        )

    def groups(self, letters: Sequence[Letter]) -> Sequence[Sequence[Letter]]:
        """Each message is a call of its own."""
        return [[letter] for letter in letters]

    def read(self, letters: Sequence[Letter], reply: Reply, now: float) -> Sequence[Outcome] | None:
        """Say what became of it."""
        [letter] = letters
        match reply.said:
            case {"id": str(message_id)} if reply.status < 300:
                return [outcome(letter, ACCEPTED, message_id=bare_id(message_id))]
            case {"message": str(text)} if reply.status in (400, 422):
                return [outcome(letter, _about(text.lower()))]
            case {"message": str(text)} if reply.status == 403 and "not allowed to send" in text.lower():
                return [outcome(letter, ACCOUNT_REJECTED)]
        ruling = LOGIN_REJECTED if reply.status == 401 else by_status(reply.status)
        return all_alike(letters, ruling or (IN_DOUBT if reply.status < 300 else REJECTED), reply, now)


def _about(text: str) -> Ruling:
    if "'to'" in text or "to parameter" in text or "recipient" in text:
        return INVALID_ADDRESS
    if "'from'" in text or "from parameter" in text or "sender" in text:
        return SENDER_REFUSED
    if "domain" in text and "not" in text:
        return ACCOUNT_REJECTED
    return REJECTED


def bare_id(message_id: str) -> str:
    """Write a Message-ID as Mailgun's reports do: without its angle brackets."""
    return message_id.strip().strip("<>")[:200]
