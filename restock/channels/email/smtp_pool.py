"""Several connections to one mail server, talked on at once by one thread and kept between batches.

A connection that breaks costs nobody a message: what was only announced goes over another one. Must never log an
address or a text.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from restock.channels.email.smtp_server import OpenError, Patience, SmtpServer, dial, hang_up
from restock.channels.email.smtp_talk import Job, Offers, Refused, Taken, Talk

_MOST_MESSAGES = 100  # on one connection: more is refused by some servers
_LONGEST_IDLE_SECONDS = 30.0
_MOST_LOSSES = 3  # connections lost one after the other until the server counts as away
_JOBS_A_LINE = 4  # fewer are not worth another connection
_REFUSED_SECONDS = 60.0  # for so long no more connections are asked for after the server refused one
_READ_BYTES = 65_536
_DIAL_LOOK_SECONDS = 0.01
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


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


@dataclass(eq=False)
class _Line:
    """One open connection. `known_good`: it has answered in this batch, or was opened in it."""

    socket: socket.socket
    offers: Offers
    talk: Talk = field(init=False)
    opened_at: float = field(default_factory=time.monotonic)
    moved_at: float = field(default_factory=time.monotonic)
    message_count: int = 0
    known_good: bool = True


class _Work:
    """The messages of one batch that nobody has announced yet."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._back: deque[Job] = deque()

    def take(self) -> Job | None:
        return self._back.popleft() if self._back else next(self._jobs, None)

    def put_back(self, job: Job) -> None:
        self._back.append(job)

    def is_left(self) -> bool:
        if not self._back and (job := next(self._jobs, None)) is not None:
            self._back.append(job)
        return bool(self._back)


class SmtpPool:
    """Deliver messages over as many connections as the work is worth; not for several threads."""

    def __init__(
        self,
        server: SmtpServer,
        hello_name: str,
        sender: str,
        *,
        patience: Patience | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._hello_name, self._sender = server, hello_name, sender
        self._patience, self._context = patience or Patience(), context
        self._lines: list[_Line] = []
        self._fates: deque[Fate] = deque()
        self._work = _Work(iter(()))
        self._wanted = 1
        self._losses = 0
        self._lost_at = self._more_after = 0.0  # monotonic
        self._dialling = 0
        self._dialled: SimpleQueue[tuple[socket.socket, Offers] | None] = SimpleQueue()

    def deliver(self, jobs: Iterator[Job], count: int) -> Iterator[Fate]:
        """Hand over some `count` messages and yield the fate of each, in any order.

        `jobs` is read as there is room. Left early, what is under way is broken off and nothing more is handed over.
        """
        self._work, self._losses = _Work(jobs), 0
        self._wanted = min(self._server.connections, max(1, count // _JOBS_A_LINE))
        with selectors.DefaultSelector() as selector:
            self._look_over(selector)
            try:
                while self._step(selector):
                    while self._fates:
                        yield self._fates.popleft()
                yield from self._fates
            finally:
                self._fates.clear()
                self._work = _Work(iter(()))
                for line in [line for line in self._lines if not line.talk.idle]:
                    self._drop(line, None)

    def close(self) -> None:
        """Say goodbye on every connection; the pool may be used again."""
        while self._dialling:
            self._admit(None, self._dialled.get())
        for line in list(self._lines):
            self._drop(line, None)

    def _look_over(self, selector: selectors.BaseSelector) -> None:
        """Let go of connections that have been idle for long, and trust none of the others before it answers."""
        now = time.monotonic()
        for line in list(self._lines):
            if now - line.moved_at > _LONGEST_IDLE_SECONDS:
                self._drop(line, None)
            else:
                line.known_good, line.moved_at = False, now
                selector.register(line.socket, selectors.EVENT_READ, line)

    def _step(self, selector: selectors.BaseSelector) -> bool:
        """Move everything on that can move; False when all is done."""
        while self._dialling:
            try:
                self._admit(selector, self._dialled.get_nowait())
            except Empty:
                break
        self._start_idle_lines(selector)
        if self._work.is_left():
            self._open_lines(selector)
        busy = [line for line in self._lines if not line.talk.idle]
        if not busy:
            return self._work.is_left() or bool(self._fates)
        for key, _ in selector.select(self._longest_wait(busy)):
            self._move(selector, key.data)
        self._end_silent_lines(selector, busy)
        return True

    def _longest_wait(self, busy: list[_Line]) -> float:
        silent_at = min(line.moved_at for line in busy) + self._patience.read_seconds
        wait = max(0.0, silent_at - time.monotonic())
        return min(wait, _DIAL_LOOK_SECONDS) if self._dialling else wait

    def _start_idle_lines(self, selector: selectors.BaseSelector) -> None:
        for line in [line for line in self._lines if line.talk.idle]:
            if line.message_count >= _MOST_MESSAGES:
                self._drop(line, selector)
                continue
            line.talk.begin()
            if not line.talk.idle:
                line.moved_at = time.monotonic()
                self._flush(selector, line)

    def _open_lines(self, selector: selectors.BaseSelector) -> None:
        """Have one connection at least, found out about at once, and beside it as many as are worth it."""
        if not self._lines and not self._dialling:
            reason = "connection_lost" if self._losses >= _MOST_LOSSES else self._open_first(selector)
            while reason and (job := self._work.take()) is not None:
                self._fates.append(Unsent(job, reason))
        elif self._lines and time.monotonic() >= self._more_after:
            for _ in range(self._wanted - len(self._lines) - self._dialling):
                self._dialling += 1
                threading.Thread(target=self._dial_beside, name="smtp-dial", daemon=True).start()

    def _open_first(self, selector: selectors.BaseSelector) -> str | None:
        try:
            found = dial(self._server, self._hello_name, self._patience, self._context)
        except OpenError as error:
            return error.reason
        self._dialling += 1
        self._admit(selector, found)
        self._start_idle_lines(selector)
        return None

    def _dial_beside(self) -> None:
        try:
            self._dialled.put(dial(self._server, self._hello_name, self._patience, self._context))
        except OpenError:
            self._dialled.put(None)

    def _admit(self, selector: selectors.BaseSelector | None, found: tuple[socket.socket, Offers] | None) -> None:
        """Take a connection that was opened; None: the server wants no more of them."""
        self._dialling -= 1
        if found is None:
            self._more_after = time.monotonic() + _REFUSED_SECONDS
            return
        line = _Line(*found)
        line.socket.setblocking(False)
        line.talk = Talk(self._sender, line.offers, lambda: self._next_job(line))
        self._lines.append(line)
        if selector is not None:
            selector.register(line.socket, selectors.EVENT_READ, line)

    def _next_job(self, line: _Line) -> Job | None:
        while line.message_count < _MOST_MESSAGES and (job := self._work.take()) is not None:
            if job.mail.needs_utf8 and not line.offers.utf8:
                self._fates.append(Unfit(job))
                continue
            line.message_count += 1
            return job
        return None

    def _move(self, selector: selectors.BaseSelector, line: _Line) -> None:
        try:
            self._listen(line)
        except _WOULD_BLOCK:
            pass
        except OSError:
            return self._lose(selector, line)
        if line.talk.closed:
            return self._lose(selector, line)
        return self._flush(selector, line)

    def _listen(self, line: _Line) -> None:
        """Hear what has come; raise OSError when the other side has hung up, or is good for nothing any more."""
        data = line.socket.recv(_READ_BYTES)
        while data:
            line.known_good, line.moved_at = True, time.monotonic()
            for said in line.talk.hear(data):
                self._losses = 0 if isinstance(said, Taken) else self._losses
                self._fates.append(said)
            if not (isinstance(line.socket, ssl.SSLSocket) and line.socket.pending()):
                return
            data = line.socket.recv(_READ_BYTES)
        raise ConnectionResetError

    def _flush(self, selector: selectors.BaseSelector, line: _Line) -> None:
        """Send what waits to be sent, and be told when there is room for the rest."""
        talk = line.talk
        try:
            while talk.to_send:
                talk.mark_sent(line.socket.send(talk.to_send))
                line.moved_at = time.monotonic()
        except _WOULD_BLOCK:
            pass
        except OSError:
            return self._lose(selector, line)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if talk.to_send else 0)
        if selector.get_key(line.socket).events != events:
            selector.modify(line.socket, events, line)
        return None

    def _end_silent_lines(self, selector: selectors.BaseSelector, busy: list[_Line]) -> None:
        now = time.monotonic()
        for line in busy:
            if line in self._lines and not line.talk.idle and now - line.moved_at >= self._patience.read_seconds:
                self._lose(selector, line)

    def _lose(self, selector: selectors.BaseSelector, line: _Line) -> None:
        """Give up a connection. What was announced goes over another one, unless that itself may have broken it."""
        was_told = line.talk.closed  # with a reply that decided somebody's fate already
        doubtful, untouched = line.talk.break_off()
        self._drop(line, selector)
        if line.known_good and line.opened_at > self._lost_at:  # those that fall together fall once
            self._losses, self._lost_at = self._losses + 1, time.monotonic()
        if doubtful is not None:
            self._fates.append(Lost(doubtful, in_doubt=True))
        elif line.known_good and untouched and not was_told:
            self._fates.append(Lost(untouched.pop(0), in_doubt=False))
        for job in untouched:
            self._work.put_back(job)

    def _drop(self, line: _Line, selector: selectors.BaseSelector | None) -> None:
        if selector is not None:
            with suppress(KeyError):
                selector.unregister(line.socket)
        self._lines.remove(line)
        hang_up(line.socket, politely=line.talk.idle and not line.talk.closed)
