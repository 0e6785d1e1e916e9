"""The providers of a fault run. They stand outside every process that is killed and remember each message they took.

Each can be in a bad mood for a while: silent, breaking connections after taking a message, throttling, failing.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from restock.local.sockets import free_port
from restock.playground.fake_http import Answer, Request, Trouble
from restock.playground.fake_push import FakePush, PushMessage
from restock.playground.fake_twilio import FakeTwilio, TextMessage

ACCOUNT_SID = "AC" + "7" * 32
AUTH_TOKEN = "a-twilio-token-for-tests"
_KEPT_REQUESTS = 100


class Mood(StrEnum):
    """What a provider does instead of its work."""

    fine = "fine"
    silent = "silent"  # takes nothing and never answers
    mute = "mute"  # takes the message and never answers
    reset_before = "reset before accept"
    reset_after = "reset after accept"
    throttling = "429"  # with Retry-After; a mail server says 421
    failing = "5xx"  # a mail server says 451


MOODS = tuple(mood for mood in Mood if mood is not Mood.fine)


class Accepted(NamedTuple):
    """One message a provider took. The same `identity` shows a person one message, however often it was taken."""

    channel: str
    recipient: str
    identity: str
    at: float


@dataclass
class Record:
    """Everything every provider took, in order; also appended to a file for whoever looks into a failure."""

    path: Path
    taken: list[Accepted] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)  # taken, and nobody was told so
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, channel: str, recipient: str, identity: str) -> None:
        with self._lock:
            self.taken.append(Accepted(channel, recipient, identity, time.monotonic()))
            with self.path.open("a") as file:
                file.write(f"{channel}\t{recipient}\t{identity}\n")

    def of(self, channel: str) -> list[Accepted]:
        with self._lock:
            return [one for one in self.taken if one.channel == channel]


@dataclass
class Temper:
    """The mood of one provider, until a moment; `share` of the requests meet it."""

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    mood: Mood = Mood.fine
    until: float = 0.0
    share: float = 1.0

    def take(self, mood: Mood, seconds: float, share: float = 1.0) -> None:
        self.mood, self.share, self.until = mood, share, time.monotonic() + seconds

    def calm_down(self) -> None:
        self.mood = Mood.fine

    def now(self) -> Mood:
        """Say how the next request is met."""
        if self.mood is Mood.fine or time.monotonic() > self.until or self.rng.random() > self.share:
            return Mood.fine
        return self.mood


class MailWitness:
    """An SMTP server. `delay_seconds` before each answer; `trouble_seconds` is how long a silence lasts."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.temper = Temper()
        self.delay_seconds = 0.0
        self.port = free_port()
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=60)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        mood = self.temper.now()
        if mood is Mood.throttling:
            return "421 4.7.0 too many at once"
        if mood is Mood.reset_before:
            _break(server)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        session.mood = mood  # type: ignore[attr-defined]
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        mood = getattr(session, "mood", Mood.fine)
        if mood is Mood.failing:
            return "451 4.3.0 try again"
        if mood is Mood.silent:
            await asyncio.sleep(30)
            return "451 4.3.0 too late"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.record.add("email", envelope.rcpt_tos[0], str(message_from_bytes(content)["Message-ID"]))
        if mood in (Mood.mute, Mood.reset_after):
            self.record.unanswered["email"] += 1
            if mood is Mood.mute:
                await asyncio.sleep(30)
            _break(server)
        await asyncio.sleep(self.delay_seconds)
        return "250 taken"


def _break(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


_TROUBLES = {
    Mood.silent: Trouble(hang=True),
    Mood.mute: Trouble(hang=True, after_accept=True),
    Mood.reset_before: Trouble(reset=True),
    Mood.reset_after: Trouble(reset=True, after_accept=True),
    Mood.throttling: Trouble(status=429, retry_after="1"),
    Mood.failing: Trouble(status=503),
}


def _trouble(temper: Temper, record: Record, channel: str, *, takes: bool) -> Trouble | None:
    """Choose what goes wrong with a request; `takes`: it would have left a message here."""
    trouble = _TROUBLES.get(temper.now())
    if trouble is not None and trouble.after_accept and takes:
        record.unanswered[channel] += 1
    return trouble


class SmsWitness(FakeTwilio):
    """A Twilio whose every request may meet its mood, the questions about what it has too."""

    def __init__(self, record: Record, report: tuple[str, ...] = ("delivered",)) -> None:
        super().__init__(ACCOUNT_SID, AUTH_TOKEN, on_message=self._note, report=report)
        self.record = record
        self.temper = Temper()

    def _note(self, message: TextMessage) -> None:
        self.record.add("sms", message.to, message.sid)

    def trouble_for(self, request: Request) -> Trouble | None:
        return _trouble(self.temper, self.record, "sms", takes=request.method == "POST")

    def answer(self, request: Request) -> Answer | None:
        del self.requests[:-_KEPT_REQUESTS]
        return super().answer(request)


class PushWitness(FakePush):
    """A push service whose every request may meet its mood."""

    def __init__(self, record: Record) -> None:
        super().__init__(on_message=self._note)
        self.record = record
        self.temper = Temper()

    def _note(self, message: PushMessage) -> None:
        self.record.add("push", f"{self.url}/push/{message.subscription_id}", message.topic)

    def trouble_for(self, request: Request) -> Trouble | None:
        return _trouble(self.temper, self.record, "push", takes=request.method == "POST")

    def answer(self, request: Request) -> Answer | None:
        del self.requests[:-_KEPT_REQUESTS]
        return super().answer(request)


@dataclass
class Witnesses:
    """The three providers and what they took."""

    record: Record
    mail: MailWitness
    sms: SmsWitness
    push: PushWitness

    @classmethod
    def open(cls, folder: Path) -> Witnesses:
        record = Record(folder / "accepted.tsv")
        found = cls(record, MailWitness(record), SmsWitness(record), PushWitness(record))
        found.mail.start()
        found.sms.start()
        found.push.start()
        return found

    def tempers(self) -> dict[str, Temper]:
        return {"email": self.mail.temper, "sms": self.sms.temper, "push": self.push.temper}

    def calm_down(self) -> None:
        for temper in self.tempers().values():
            temper.calm_down()

    def close(self) -> None:
        self.mail.stop()
        self.sms.close()
        self.push.close()


def until(condition: Callable[[], bool], seconds: float = 90.0, every: float = 0.03) -> bool:
    """Wait until a condition holds; False when it does not within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return condition()
