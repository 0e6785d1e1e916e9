"""What is said on one connection to a mail server, and what its answers mean (RFC 5321, 2920). No sockets, no clock.

The words of the next message travel with the text of the one before, so that a message costs one round trip instead of
four. What matters most is to know, when the connection breaks, which message may have been taken: only the one whose
final dot was sent and not yet answered.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from restock.channels.email.message import Mail
from restock.channels.email.replies import Stage

_LONGEST_LINE = 8192


@dataclass(eq=False, slots=True)  # not frozen, nor is the next: one of each is made for every message
class Job:
    """One message to be handed over."""

    delivery_id: int
    mail: Mail = field(repr=False)
    return_path: str = ""  # where it comes back to; "": the sender's own


@dataclass(slots=True)
class Taken:
    """A message the server has taken. `said` has what it said to that first, and maybe more."""

    job: Job
    said: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A message the server said no to, at which command and how."""

    job: Job
    stage: Stage
    code: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A message whose connection broke. `in_doubt`: after its whole text was sent, so that it may have been taken."""

    job: Job
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message no connection was found for; `reason` is a stable word."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A message this server cannot take: its address needs SMTPUTF8."""

    job: Job


Fate = Taken | Refused | Lost | Unsent | Unfit


class Offers(NamedTuple):
    """What the server announced in its greeting."""

    pipelining: bool = False
    size: bool = False
    utf8: bool = False


class _Aside(StrEnum):
    """What is asked for the conversation's own sake."""

    reset = "reset"
    discard = "discard"  # the empty text given where a text was allowed without a recipient


# What comes when all goes well: one message is taken, and the text of the next may follow.
_ALL_WELL = re.compile(rb"(?:250 [^\r\n]*\r?\n){3}354 [^\r\n]*\r?\n")
_COMMANDS = (Stage.sender, Stage.recipient, Stage.data)


class Talk:
    """One conversation. `next_job` is asked whenever there is room for another message; None: none for now."""

    def __init__(self, sender: str, offers: Offers, next_job: Callable[[], Job | None]) -> None:
        self.to_send = bytearray()
        self.closed = False  # the server hangs up, or makes no sense: nothing more is to be sent
        self._mail_from = f"MAIL FROM:<{sender}>"
        self._offers = offers
        self._next_job = next_job
        self._awaited: deque[tuple[Stage | _Aside, Job | None]] = deque()
        self._has_decided = False  # about a message, whichever way
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
        if (
            not (self._line or self._texts or self.closed)
            and _ALL_WELL.fullmatch(data)
            and (taken := self._go_on(data))
        ):
            return [taken]
        said: list[Taken | Refused] = []
        *lines, self._line = (self._line + data).split(b"\n")
        self.closed = self.closed or len(self._line) > _LONGEST_LINE
        for line in lines:
            reply = self._reply(line)
            if reply is not None and not self.closed:
                said += self._follow(*reply)
        return said

    def _go_on(self, said: bytes) -> Taken | None:
        """Take four good answers at once: to a text, and to the commands of the next message; None: not so awaited."""
        if len(self._awaited) != 1 + len(_COMMANDS):
            return None
        stage, taken = self._awaited[0]
        following = self._awaited[-1][1]
        if stage is not Stage.content or taken is None or following is None:
            return None
        self._awaited.clear()
        self._has_decided = True
        self._send_text(following)
        return Taken(taken, said)

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
            if stage is Stage.sender and self._has_decided:  # enough on this connection: it says nothing of this one
                self._awaited.appendleft((stage, job))
                return []
            self._forget(job)
            return [Refused(job, stage, code, text)]
        if stage is Stage.content:
            if self.idle:
                self._announce_next()
            self._has_decided = True
            return [Taken(job, text) if code == 250 else Refused(job, stage, code, text)]
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
        self._has_decided = True
        return [refusal]

    def _send_text(self, job: Job) -> None:
        content = job.mail.content
        if job.mail.is_dotless and content.endswith(b"\r\n"):
            self.to_send += content
            self._write(b".\r\n")
            self._written += len(content)
        else:
            self._write(stuffed(content))
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
        if not self._offers.pipelining:
            return self._say(Stage.sender, job)
        commands = f"{self._sender_of(job)}\r\nRCPT TO:<{job.mail.recipient}>\r\nDATA\r\n"
        self._write(commands.encode("utf-8" if job.mail.needs_utf8 else "ascii"))
        self._awaited += ((Stage.sender, job), (Stage.recipient, job), (Stage.data, job))
        return None

    def _say(self, stage: Stage, job: Job) -> None:
        """Say one command of an announcement."""
        command = "DATA" if stage is Stage.data else f"RCPT TO:<{job.mail.recipient}>"
        command = self._sender_of(job) if stage is Stage.sender else command
        self._write(f"{command}\r\n".encode("utf-8" if job.mail.needs_utf8 else "ascii"))
        self._awaited.append((stage, job))

    def _sender_of(self, job: Job) -> str:
        size = f" SIZE={len(job.mail.content)}" if self._offers.size else ""
        mail_from = f"MAIL FROM:<{job.return_path}>" if job.return_path else self._mail_from
        return f"{mail_from}{size}{' BODY=8BITMIME SMTPUTF8' if job.mail.needs_utf8 else ''}"

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
