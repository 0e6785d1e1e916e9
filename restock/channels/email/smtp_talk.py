"""What is said on one connection to a mail server, and what its answers mean (RFC 5321, 2920). No sockets, no clock.

The words of the next message travel with the text of the one before, so that a message costs one round trip instead of
four. What matters most is to know, when the connection breaks, which message may have been taken: only the one whose
final dot was sent and not yet answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from restock.channels.email.message import Mail
from restock.channels.email.replies import Stage

_LONGEST_LINE = 8192


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One message to be handed over."""

    delivery_id: int
    mail: Mail = field(repr=False)
    return_path: str = ""  # where it comes back to; "": the sender's own


@dataclass(frozen=True, slots=True)
class Taken:
    """A message the server has taken."""

    job: Job


@dataclass(frozen=True, slots=True)
class Refused:
    """A message the server said no to, at which command and how."""

    job: Job
    stage: Stage
    code: int
    text: bytes


class Offers(NamedTuple):
    """What the server announced in its greeting."""

    pipelining: bool = False
    size: bool = False
    utf8: bool = False


class _Aside(StrEnum):
    """What is asked for the conversation's own sake."""

    reset = "reset"
    discard = "discard"  # the empty text given where a text was allowed without a recipient


_COMMANDS = (Stage.sender, Stage.recipient, Stage.data)


class Talk:
    """One conversation. `next_job` is asked whenever there is room for another message; None: none for now."""

    def __init__(self, sender: str, offers: Offers, next_job: Callable[[], Job | None]) -> None:
        self.to_send = bytearray()
        self.closed = False  # the server hangs up, or makes no sense: nothing more is to be sent
        self._sender = sender
        self._offers = offers
        self._next_job = next_job
        self._awaited: deque[tuple[Stage | _Aside, Job | None]] = deque()
        self._refusal: Refused | None = None  # of the message that is being announced
        self._needs_reset = False
        self._written = self._sent = self._text_ends = 0  # bytes since the beginning
        self._line = b""
        self._texts: list[bytes] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._awaited and not self.to_send

    def begin(self) -> None:
        """Announce a message, if there is one and nothing is under way."""
        if self.idle and not self.closed:
            self._announce_next()

    def mark_sent(self, count: int) -> None:
        """Note that so many bytes of `to_send` have left."""
        del self.to_send[:count]
        self._sent += count

    def hear(self, data: bytes) -> list[Taken | Refused]:
        """Take what the server says; return the messages whose fate it decides."""
        said: list[Taken | Refused] = []
        *lines, self._line = (self._line + data).split(b"\n")
        self.closed = self.closed or len(self._line) > _LONGEST_LINE
        for line in lines:
            reply = self._reply(line)
            if reply is not None and not self.closed:
                said += self._follow(*reply)
        return said

    def break_off(self) -> tuple[Job | None, list[Job]]:
        """End the conversation: return the message that may have been taken, and those that certainly were not."""
        doubtful: Job | None = None
        untouched: list[Job] = []
        for stage, job in self._awaited:
            if job is None:
                continue
            if stage is Stage.content and self._sent >= self._text_ends:
                doubtful = job
            elif job not in untouched:
                untouched.append(job)
        self._awaited.clear()
        self.closed = True
        return doubtful, untouched

    def _reply(self, line: bytes) -> tuple[int, bytes] | None:
        """Collect the lines of one reply; None until its last."""
        self._texts.append(line[4:].strip())
        if line[3:4] == b"-" and len(self._texts) < 100:
            return None
        text, self._texts = b"\n".join(self._texts), []
        code = int(line[:3]) if line[:3].isdigit() else 0
        self.closed = self.closed or not code or not self._awaited
        return code, text

    def _follow(self, code: int, text: bytes) -> list[Taken | Refused]:
        stage, job = self._awaited.popleft()
        hangs_up = code == 421
        if isinstance(stage, _Aside) or job is None:
            self.closed = hangs_up or (stage is _Aside.reset and code != 250)
            if job is not None and self.closed:
                self._awaited.appendleft((Stage.sender, job))  # not a word was said of it
            elif job is not None:
                self._announce(job)
            return []
        if hangs_up:
            self.closed = True
            self._forget(job)
            return [Refused(job, stage, code, text)]
        if stage is Stage.content:
            if self.idle:
                self._announce_next()
            return [Taken(job) if code == 250 else Refused(job, stage, code, text)]
        return self._announced(stage, job, code, text)

    def _announced(self, stage: Stage, job: Job, code: int, text: bytes) -> list[Taken | Refused]:
        """Take the answer to one command of an announcement."""
        fine = code == 354 if stage is Stage.data else code in (250, 251)
        if not fine and self._refusal is None:
            self._refusal = Refused(job, stage, code, text)
        if stage is not Stage.data:
            if self._offers.pipelining:
                return []  # the answers to the other commands are on their way
            if self._refusal is None:
                self._say(_COMMANDS[_COMMANDS.index(stage) + 1], job)
                return []
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            self._send_text(job)
            return []
        if code == 354:  # waits for a text without a recipient: give it none (RFC 2920 section 3.1)
            self._write(b".\r\n")
            self._awaited.append((_Aside.discard, None))
        else:
            self._needs_reset = True
        self._announce_next()
        return [refusal]

    def _send_text(self, job: Job) -> None:
        self._write(stuffed(job.mail.content))
        self._text_ends = self._written
        self._awaited.append((Stage.content, job))
        if self._offers.pipelining:
            self._announce_next()

    def _announce_next(self) -> None:
        job = None if self.closed else self._next_job()
        if job is None:
            return
        if self._needs_reset:
            self._needs_reset = False
            self._write(b"RSET\r\n")
            self._awaited.append((_Aside.reset, None if self._offers.pipelining else job))
            if not self._offers.pipelining:
                return
        self._announce(job)

    def _announce(self, job: Job) -> None:
        """Say who, to whom and what follows: in one go where the server allows it, else step by step."""
        for stage in _COMMANDS if self._offers.pipelining else _COMMANDS[:1]:
            self._say(stage, job)

    def _say(self, stage: Stage, job: Job) -> None:
        self._write(f"{self._command(stage, job)}\r\n".encode("utf-8" if job.mail.needs_utf8 else "ascii"))
        self._awaited.append((stage, job))

    def _command(self, stage: Stage, job: Job) -> str:
        if stage is Stage.sender:
            mail = job.mail
            size = f" SIZE={len(mail.content)}" if self._offers.size else ""
            return f"MAIL FROM:<{job.return_path or self._sender}>{size}{' BODY=8BITMIME SMTPUTF8' if mail.needs_utf8 else ''}"
        return f"RCPT TO:<{job.mail.recipient}>" if stage is Stage.recipient else "DATA"

    def _write(self, data: bytes) -> None:
        self.to_send += data
        self._written += len(data)

    def _forget(self, job: Job) -> None:
        """Await nothing more about a message whose fate is decided."""
        self._awaited = deque(pair for pair in self._awaited if pair[1] is not job)


def stuffed(content: bytes) -> bytes:
    """Double leading dots and add the final one (RFC 5321 section 4.5.2); content has CRLF line ends."""
    body = content.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")
