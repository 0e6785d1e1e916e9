"""A mail server that delivers nothing: it accepts every message and hands it on, read, to a callback."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

Received = Callable[[str, dict[str, Any]], object]
LARGEST_MESSAGE = 10 * 1024 * 1024


async def open_mail_sink(port: int, on_message: Received) -> asyncio.Server:
    """Listen for SMTP on 127.0.0.1 and call `on_message(address, content)` once for each recipient.

    Raises OSError when the port is taken. Serves as long as the running loop does, or until the server is closed.
    """

    def session() -> SMTP:
        return SMTP(_Handler(on_message), hostname="localhost", ident="mail sink", data_size_limit=LARGEST_MESSAGE)

    return await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)


class _Handler:
    def __init__(self, on_message: Received) -> None:
        self._on_message = on_message

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        content = read_email(bytes(envelope.original_content or b""))
        for address in envelope.rcpt_tos:
            self._on_message(address, content)
        return "250 Message accepted"


def read_email(raw: bytes) -> dict[str, Any]:
    """Read one message as a mail program would: subject, text, html (None when absent) and every header."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return {
        "from": str(message.get("From", "")),
        "subject": str(message.get("Subject", "")),
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "headers": [[name, str(value)] for name, value in message.items()],
        "size_bytes": len(raw),
    }


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else None
