"""One connection to the mail server, kept open between messages (RFC 5321, 2920, 3207, 4954).

Speaks through smtplib's lines and sockets, and groups commands where the server announces PIPELINING. What matters most
here is to know, after a failure, whether the message may have been taken: only between its final dot and the reply.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import time
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from restock.channels.email.message import Mail
from restock.channels.email.replies import Stage

_MOST_MESSAGES = 100
_LONGEST_IDLE_SECONDS = 30.0
_TRUSTED_IDLE_SECONDS = 5.0  # beyond it a NOOP asks whether the server is still there


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in.

    `tls`: implicit (smtps), required (STARTTLS or nothing), offered (STARTTLS before a login, where announced), never.
    """

    host: str
    port: int
    tls: Literal["implicit", "required", "offered", "never"] = "offered"
    user: str = ""
    password: str = field(default="", repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """Read SMTP_URL; raise ValueError with a sentence that never repeats it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be smtp://user:password@host:587 or smtps://…") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("must be smtp://user:password@host:587 or smtps://…")
    starttls = parse_qs(parts.query).get("starttls", [""])[0]
    if starttls not in ("", "0", "1"):
        raise ValueError("starttls must be 1 (required) or 0 (never)")
    tls: dict[str, Literal["required", "offered", "never"]] = {"": "offered", "0": "never", "1": "required"}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "smtps":
        return SmtpServer(parts.hostname, port or 465, "implicit", user, password)
    default_port = 587 if user or starttls == "1" else 25
    return SmtpServer(parts.hostname, port or default_port, tls[starttls], user, password)


class OpenError(Exception):
    """No usable connection: nothing was sent. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedError(Exception):
    """The server said no to one command; the connection may still be good."""

    def __init__(self, stage: Stage, code: int, text: bytes) -> None:
        super().__init__(f"{stage} refused with {code}")
        self.stage = stage
        self.code = code
        self.text = text


class LostError(Exception):
    """The connection broke. `in_doubt`: after the whole message was sent, so that it may have been taken."""

    def __init__(self, *, in_doubt: bool) -> None:
        super().__init__("the connection broke")
        self.in_doubt = in_doubt


class SmtpSession:
    """Deliver messages one after the other; not for several threads."""

    def __init__(
        self,
        server: SmtpServer,
        hello_name: str,
        *,
        connect_seconds: float = 5.0,
        read_seconds: float = 20.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._hello_name = hello_name
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._context = context
        self._smtp: smtplib.SMTP | None = None
        self._message_count = 0
        self._used_at = 0.0

    @property
    def takes_utf8(self) -> bool:
        """Whether the server announces SMTPUTF8; asks only after `open`."""
        return self._smtp is not None and self._smtp.has_extn("smtputf8")

    def open(self) -> None:
        """Make sure of a good connection: keep, ask, or make a new one; raise OpenError."""
        if self._smtp is not None and not self._is_still_good():
            self.close()
        if self._smtp is None:
            self._smtp = self._connect()
            self._message_count = 0

    def deliver(self, sender: str, mail: Mail) -> None:
        """Hand over one message; raise RefusedError or LostError."""
        smtp = self._smtp
        if smtp is None:
            raise LostError(in_doubt=False)
        self._message_count += 1
        try:
            self._transact(smtp, sender, mail)
        except RefusedError as error:
            self._clean_up(smtp, error)
            raise
        except (smtplib.SMTPServerDisconnected, OSError):
            self._drop()
            raise LostError(in_doubt=False) from None
        except LostError:
            self._drop()
            raise
        self._used_at = time.monotonic()

    def close(self) -> None:
        """Say goodbye and close; the session may be opened again."""
        if self._smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
            self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _is_still_good(self) -> bool:
        idle = time.monotonic() - self._used_at
        if self._smtp is None or self._message_count >= _MOST_MESSAGES or idle > _LONGEST_IDLE_SECONDS:
            return False
        if idle <= _TRUSTED_IDLE_SECONDS:
            return True
        try:
            return self._smtp.noop()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def _connect(self) -> smtplib.SMTP:
        smtp: smtplib.SMTP | None = None
        try:
            smtp = self._dial()
            self._greet(smtp)
        except smtplib.SMTPAuthenticationError:
            reason = "login_rejected"
        except smtplib.SMTPNotSupportedError:
            reason = "login_or_tls_not_offered"
        except ssl.SSLError:
            reason = "tls_failed"
        except (smtplib.SMTPException, OSError):
            reason = "mail_server_unreachable"
        else:
            self._used_at = time.monotonic()
            return smtp
        if smtp is not None:
            smtp.close()
        raise OpenError(reason)

    def _dial(self) -> smtplib.SMTP:
        server, seconds = self._server, self._connect_seconds
        if server.tls == "implicit":
            context = self._context or ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, self._hello_name, timeout=seconds, context=context)
        return smtplib.SMTP(server.host, server.port, self._hello_name, timeout=seconds)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        if smtp.sock is not None:
            smtp.sock.settimeout(self._read_seconds)
        smtp.ehlo_or_helo_if_needed()
        wanted = self._server.tls == "offered" and smtp.has_extn("starttls") and bool(self._server.user)
        if self._server.tls == "required" or wanted:
            smtp.starttls(context=self._context or ssl.create_default_context())
            smtp.ehlo_or_helo_if_needed()
        if self._server.user:
            smtp.login(self._server.user, self._server.password)

    def _transact(self, smtp: smtplib.SMTP, sender: str, mail: Mail) -> None:
        commands = (
            (Stage.sender, f"MAIL FROM:<{sender}>{_options(smtp, mail)}"),
            (Stage.recipient, f"RCPT TO:<{mail.recipient}>"),
            (Stage.data, "DATA"),
        )
        if mail.needs_utf8:
            smtp.command_encoding = "utf-8"
        try:
            self._announce(smtp, commands)
        finally:
            smtp.command_encoding = "ascii"
        smtp.send(stuffed(mail.content))
        try:
            code, text = smtp.getreply()
        except (smtplib.SMTPServerDisconnected, OSError):
            raise LostError(in_doubt=True) from None
        if code != 250:
            raise RefusedError(Stage.content, code, text)

    def _announce(self, smtp: smtplib.SMTP, commands: tuple[tuple[Stage, str], ...]) -> None:
        """Say who, to whom and what follows: in one go where the server allows it, else step by step."""
        if not smtp.has_extn("pipelining"):
            for stage, command in commands:
                smtp.putcmd(command)
                _expect(stage, *smtp.getreply())
            return
        smtp.send("".join(f"{command}\r\n" for _, command in commands).encode(smtp.command_encoding))
        refusal: RefusedError | None = None
        for stage, _ in commands:
            code, text = smtp.getreply()
            try:
                _expect(stage, code, text)
            except RefusedError as error:
                refusal = refusal or error
                if code == 421:  # the server hangs up: no more replies
                    raise refusal from None
        if refusal is not None:
            if code == 354:  # waits for a text without a recipient: give it none (RFC 2920 section 3.1)
                smtp.send(b".\r\n")
                smtp.getreply()
            raise refusal

    def _clean_up(self, smtp: smtplib.SMTP, error: RefusedError) -> None:
        """Make the connection ready for the next message; let it go where the server closes it or is silent."""
        if error.code == 421:
            self._drop()
            return
        try:
            if smtp.rset()[0] != 250:
                self._drop()
        except (smtplib.SMTPException, OSError):
            self._drop()


def stuffed(content: bytes) -> bytes:
    """Double leading dots and add the final one (RFC 5321 section 4.5.2); content has CRLF line ends."""
    body = content.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")


def _options(smtp: smtplib.SMTP, mail: Mail) -> str:
    size = f" SIZE={len(mail.content)}" if smtp.has_extn("size") else ""
    return f"{size} BODY=8BITMIME SMTPUTF8" if mail.needs_utf8 else size


def _expect(stage: Stage, code: int, text: bytes) -> None:
    if code != 354 if stage is Stage.data else code not in (250, 251):
        raise RefusedError(stage, code, text)
