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
from queue import SimpleQueue

from restock.channels.email.smtp_server import OpenError, Patience, SmtpServer, dial, hang_up
from restock.channels.email.smtp_talk import Fate, Job, Lost, Offers, Taken, Talk, Unfit, Unsent

_LONGEST_IDLE_SECONDS = 30.0
_MOST_LOSSES = 3  # connections lost one after the other until the server counts as away
_JOBS_A_LINE = 4  # fewer are not worth another connection
_REFUSED_SECONDS = 60.0  # for so long no more connections are asked for after the server refused one
_READ_BYTES = 4_096  # replies are short
_DIAL_LOOK_SECONDS = 0.01
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(eq=False, slots=True)
class _Line:
    """One open connection. `known_good`: it has answered in this batch, or was opened in it."""

    socket: socket.socket
    offers: Offers
    talk: Talk = field(init=False)
    opened_at: float = field(default_factory=time.monotonic)
    moved_at: float = field(default_factory=time.monotonic)
    message_count: int = 0
    known_good: bool = True
    is_full: bool = False  # there is more to send than the socket takes


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
        self.server, self._hello_name, self._sender = server, hello_name, sender
        self._patience, self._context = patience or Patience(), context
        self._selector: selectors.BaseSelector | None = None  # made when it is first needed, kept between batches
        self._lines: set[_Line] = set()
        self._idle: dict[_Line, None] = {}  # those of them on which nothing is under way, in order
        self._fates: deque[Fate] = deque()
        self._work = _Work(iter(()))
        self._wanted = 1
        self._losses = 0
        self._lost_at = self._more_after = self._look_at = self._now = 0.0  # monotonic
        self._dialling = 0
        self._dialled: SimpleQueue[tuple[socket.socket, Offers] | None] = SimpleQueue()

    def deliver(self, jobs: Iterator[Job], count: int) -> Iterator[Fate]:
        """Hand over some `count` messages and yield the fate of each, in any order.

        `jobs` is read as there is room. Left early, what is under way is broken off and nothing more is handed over.
        """
        self._work, self._losses = _Work(jobs), 0
        self._wanted = min(self.server.connections, max(1, count // _JOBS_A_LINE))
        selector = self._selector = self._selector or selectors.DefaultSelector()
        self._look_over()
        try:
            while self._step(selector):
                while self._fates:
                    yield self._fates.popleft()
            yield from self._fates
        finally:
            self._fates.clear()
            self._work = _Work(iter(()))
            for line in self._lines - self._idle.keys():
                self._drop(line)

    def close(self) -> None:
        """Say goodbye on every connection; the pool may be used again."""
        while self._dialling:
            self._admit(self._dialled.get())
        for line in list(self._lines):
            self._drop(line)
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    def _look_over(self) -> None:
        """Let go of connections that have been idle for long, and trust none of the others before it answers."""
        self._now = time.monotonic()
        self._look_at = 0.0
        for line in list(self._lines):
            if self._now - line.moved_at > _LONGEST_IDLE_SECONDS:
                self._drop(line)
            else:
                line.known_good, line.moved_at = False, self._now

    def _step(self, selector: selectors.BaseSelector) -> bool:
        """Move everything on that can move; False when all is done. What it costs does not depend on who is silent."""
        while self._dialling and not self._dialled.empty():
            self._admit(self._dialled.get())
        while self._idle and self._may_start() and self._work.is_left():
            self._start(self._idle.popitem()[0])
        is_left = self._work.is_left()
        if is_left:
            self._open_lines()
        if not self._is_busy():
            if self._dialling and is_left and not self._fates:
                self._admit(self._dialled.get())  # there is nothing else to do
            return self._work.is_left() or bool(self._fates)
        if self._now >= self._look_at:
            self._end_silent_lines()
            return True
        wait = max(0.0, self._look_at - self._now)
        events = selector.select(min(wait, _DIAL_LOOK_SECONDS) if self._dialling else wait)
        self._now = time.monotonic()
        for key, mask in events:
            self._move(key.data, mask)
        return True

    def _start(self, line: _Line) -> None:
        if line.message_count >= self.server.messages:
            return self._drop(line)
        line.talk.begin()
        if line.talk.idle:
            self._idle[line] = None  # what was left was for other servers
            return None
        line.moved_at = self._now
        return self._flush(line)

    def _is_busy(self) -> bool:
        return len(self._lines) > len(self._idle)

    def _may_start(self) -> bool:
        """After a loss one message at a time is tried, until the server has taken one: each may be in doubt."""
        return not self._losses or (self._losses < _MOST_LOSSES and not self._is_busy())

    def _open_lines(self) -> None:
        """Have one connection at least, found out about at once, and beside it as many as are worth it."""
        reason: str | None = None
        if self._losses >= _MOST_LOSSES:
            reason = None if self._is_busy() else "connection_lost"
        elif not self._lines and not self._dialling:
            reason = self._open_first()
        elif self._lines and not self._losses and self._now >= self._more_after:
            for _ in range(self._wanted - len(self._lines) - self._dialling):
                self._dialling += 1
                threading.Thread(target=self._dial_beside, name="smtp-dial", daemon=True).start()
        while reason and (job := self._work.take()) is not None:
            self._fates.append(Unsent(job, reason))

    def _open_first(self) -> str | None:
        try:
            found = dial(self.server, self._hello_name, self._patience, self._context)
        except OpenError as error:
            return error.reason
        self._now = time.monotonic()
        self._dialling += 1
        self._admit(found)
        return None

    def _dial_beside(self) -> None:
        try:
            self._dialled.put(dial(self.server, self._hello_name, self._patience, self._context))
        except OpenError:
            self._dialled.put(None)

    def _admit(self, found: tuple[socket.socket, Offers] | None) -> None:
        """Take a connection that was opened; None: the server wants no more of them."""
        self._dialling -= 1
        if found is None:
            self._more_after = time.monotonic() + _REFUSED_SECONDS
            return
        line = _Line(*found)
        line.socket.setblocking(False)
        line.talk = Talk(self._sender, line.offers, lambda: self._next_job(line))
        self._lines.add(line)
        self._idle[line] = None
        if self._selector is not None:
            self._selector.register(line.socket, selectors.EVENT_READ, line)

    def _next_job(self, line: _Line) -> Job | None:
        while line.message_count < self.server.messages and (job := self._work.take()) is not None:
            if job.mail.needs_utf8 and not line.offers.utf8:
                self._fates.append(Unfit(job))
                continue
            line.message_count += 1
            return job
        return None

    def _move(self, line: _Line, mask: int) -> None:
        talk = line.talk
        if mask & selectors.EVENT_READ:
            try:
                self._listen(line)
            except _WOULD_BLOCK:
                pass
            except OSError:
                return self._lose(line)
            if talk.closed:
                return self._lose(line)
        if talk.to_send:
            self._flush(line)
        elif talk.idle:
            self._idle[line] = None
        return None

    def _listen(self, line: _Line) -> None:
        """Hear what has come; raise OSError when the other side has hung up, or is good for nothing any more."""
        data = line.socket.recv(_READ_BYTES)
        while data:
            line.known_good, line.moved_at = True, self._now
            for said in line.talk.hear(data):
                self._losses = 0 if isinstance(said, Taken) or said.code != 421 else self._losses
                self._fates.append(said)
            if not (isinstance(line.socket, ssl.SSLSocket) and line.socket.pending()):
                return
            data = line.socket.recv(_READ_BYTES)
        raise ConnectionResetError

    def _flush(self, line: _Line) -> None:
        """Send what waits to be sent, and be told when there is room for the rest."""
        talk = line.talk
        try:
            while talk.to_send:
                talk.mark_sent(line.socket.send(talk.to_send))
                line.moved_at = self._now
        except _WOULD_BLOCK:
            pass
        except OSError:
            return self._lose(line)
        is_full = bool(talk.to_send)
        if is_full is not line.is_full and self._selector is not None:
            line.is_full = is_full
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_full else 0)
            self._selector.modify(line.socket, events, line)
        return None

    def _end_silent_lines(self) -> None:
        """Lose those that have been silent for too long, and note when to look again: not before the next could be."""
        patience = self._patience.read_seconds
        busy = self._lines - self._idle.keys()
        for line in [line for line in busy if self._now - line.moved_at >= patience]:
            busy.discard(line)
            self._lose(line)
        self._look_at = min((line.moved_at for line in busy), default=self._now) + patience

    def _lose(self, line: _Line) -> None:
        """Give up a connection. What was announced goes over another one, unless that itself may have broken it."""
        was_told = line.talk.closed  # with a reply that decided somebody's fate already
        doubtful, untouched = line.talk.break_off()
        self._drop(line)
        if line.known_good and line.opened_at > self._lost_at:  # those that fall together fall once
            self._losses, self._lost_at = self._losses + 1, time.monotonic()
        if doubtful is not None:
            self._fates.append(Lost(doubtful, in_doubt=True))
        elif line.known_good and untouched and not was_told:
            self._fates.append(Lost(untouched.pop(0), in_doubt=False))
        for job in untouched:
            self._work.put_back(job)

    def _drop(self, line: _Line) -> None:
        if self._selector is not None:
            with suppress(KeyError):
                self._selector.unregister(line.socket)
        self._lines.discard(line)
        self._idle.pop(line, None)
        hang_up(line.socket, politely=line.talk.idle and not line.talk.closed)
