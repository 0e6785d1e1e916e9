"""Where mail is handed in, and how a connection to it is opened (RFC 5321, 3207, 4954). Must never repeat a secret."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from restock.channels.email.smtp_talk import Offers

MOST_CONNECTIONS = 256
MOST_MESSAGES = 10_000
_CONNECTIONS = 8
_MESSAGES = 100  # more on one connection is refused by some servers
_FORM = "must be smtp://user:password@host:587 or smtps://…"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in.

    `tls`: implicit (smtps), required (STARTTLS or nothing), offered (STARTTLS before a login, where announced), never.
    `connections`: how many one process opens at most; `messages`: how many it hands over on one, then it opens another.
    """

    host: str
    port: int
    tls: Literal["implicit", "required", "offered", "never"] = "offered"
    user: str = ""
    password: str = field(default="", repr=False)
    connections: int = _CONNECTIONS
    messages: int = _MESSAGES


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server may take, in seconds: to be reached, and for each answer."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0


class OpenError(Exception):
    """No usable connection: nothing was sent. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_smtp_url(url: str) -> SmtpServer:
    """Read SMTP_URL; raise ValueError with a sentence that never repeats it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(_FORM)
    asked = parse_qs(parts.query)
    starttls = asked.get("starttls", [""])[0]
    counts = (
        _count("connections", asked, _CONNECTIONS, MOST_CONNECTIONS),
        _count("messages", asked, _MESSAGES, MOST_MESSAGES),
    )
    if starttls not in ("", "0", "1"):
        raise ValueError("starttls must be 1 (required) or 0 (never)")
    tls: dict[str, Literal["required", "offered", "never"]] = {"": "offered", "0": "never", "1": "required"}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "smtps":
        return SmtpServer(parts.hostname, port or 465, "implicit", user, password, *counts)
    default_port = 587 if user or starttls == "1" else 25
    return SmtpServer(parts.hostname, port or default_port, tls[starttls], user, password, *counts)


def _count(name: str, asked: Mapping[str, list[str]], default: int, most: int) -> int:
    text = asked.get(name, [""])[0]
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def dial(
    server: SmtpServer, hello_name: str, patience: Patience, context: ssl.SSLContext | None
) -> tuple[socket.socket, Offers]:
    """Open a connection, greet, secure it and log in; raise OpenError. The server then waits for a message."""
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _call(server, hello_name, patience, context)
        _greet(smtp, server, patience, context)
    except smtplib.SMTPAuthenticationError:
        reason = "login_rejected"
    except smtplib.SMTPNotSupportedError:
        reason = "login_or_tls_not_offered"
    except ssl.SSLError:
        reason = "tls_failed"
    except (smtplib.SMTPException, OSError):
        reason = "mail_server_unreachable"
    else:
        if (line := smtp.sock) is not None:
            return line, Offers(*(smtp.has_extn(name) for name in ("pipelining", "size", "smtputf8")))
        reason = "mail_server_unreachable"
    if smtp is not None:
        smtp.close()
    raise OpenError(reason)


def hang_up(line: socket.socket, *, politely: bool) -> None:
    """Close a connection; `politely` says QUIT first and waits for no answer."""
    with contextlib.suppress(OSError):
        if politely:
            line.send(b"QUIT\r\n")
    with contextlib.suppress(OSError):
        line.close()


def _call(server: SmtpServer, hello_name: str, patience: Patience, context: ssl.SSLContext | None) -> smtplib.SMTP:
    seconds = patience.connect_seconds
    if server.tls == "implicit":
        context = context or ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, hello_name, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.port, hello_name, timeout=seconds)


def _greet(smtp: smtplib.SMTP, server: SmtpServer, patience: Patience, context: ssl.SSLContext | None) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(patience.read_seconds)
    smtp.ehlo_or_helo_if_needed()
    wanted = server.tls == "offered" and smtp.has_extn("starttls") and bool(server.user)
    if server.tls == "required" or wanted:
        smtp.starttls(context=context or ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
    if server.user:
        smtp.login(server.user, server.password)
