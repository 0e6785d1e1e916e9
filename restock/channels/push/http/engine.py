"""Keep many requests under way in one thread, over connections that are kept.

The caller starts requests while there is room and polls for what has become of them. No redirect is followed, no proxy
of the environment is used, every wait ends. Nothing here knows what is sent; it must never log where to.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from restock.channels.push.http.connection import Call, Connection, Failure, Result, Stage
from restock.channels.push.http.response import Answer
from restock.channels.push.http.sites import AddressBook, Origin, Resolve

_READ = selectors.EVENT_READ
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
_LOOK_AT_CLOCK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long. `connections` is for each origin; all together have twice that."""

    connections: int = 128
    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    idle_seconds: float = 30.0


class Engine:
    """See the module; for one thread."""

    def __init__(
        self,
        limits: Limits,
        *,
        resolve: Resolve = socket.getaddrinfo,
        tls: ssl.SSLContext | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._timer = timer
        self._tls = tls or ssl.create_default_context()
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        for end in (self._alarm, self._bell):
            end.setblocking(False)
        self._selector.register(self._alarm, _READ, None)
        self._book = AddressBook(self._ring, resolve)
        self._busy: dict[Connection, None] = {}
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._open_count: defaultdict[Origin, int] = defaultdict(int)
        self._finished: list[tuple[int, Result]] = []
        self._looked_at = 0.0

    @property
    def busy_count(self) -> int:
        """How many requests are under way, or finished and not fetched yet."""
        return len(self._busy) + len(self._finished)

    def room(self, origin: Origin) -> int:
        """Say how many more requests to this origin can be started now."""
        free = len(self._idle[origin]) + self._limits.connections - self._open_count[origin]
        return max(0, min(free, self._limits.connections * 2 - len(self._busy)))

    def start(self, origin: Origin, key: int, data: bytes) -> None:
        """Send a request; its end is told by `poll`, under its key."""
        self._start(origin, Call(key, data), self._timer())

    def poll(self, seconds: float) -> list[tuple[int, Result]]:
        """Wait up to so long until something has ended, and return all that has."""
        self._turn(0 if self._finished or not seconds else min(seconds, self._patience()))
        finished, self._finished = self._finished, []
        return finished

    def tidy(self) -> None:
        """Close connections that were idle for long, or that their peer has closed meanwhile."""
        self._turn(0)
        oldest = self._timer() - self._limits.idle_seconds
        for connections in list(self._idle.values()):
            for connection in [one for one in connections if one.since < oldest]:
                self._drop(connection)
        self._idle = defaultdict(list, {origin: kept for origin, kept in self._idle.items() if kept})
        self._open_count = defaultdict(int, {origin: count for origin, count in self._open_count.items() if count})
        self._book.tidy(oldest + self._limits.idle_seconds)

    def abort(self) -> None:
        """Drop what is under way; nobody is told."""
        for connection in list(self._busy):
            self._drop(connection)
        self._finished.clear()

    def close(self) -> None:
        """Close everything; the engine cannot be used again."""
        self.abort()
        for connections in list(self._idle.values()):
            for connection in list(connections):
                self._drop(connection)
        self._book.close()
        self._selector.close()
        self._alarm.close()
        self._bell.close()

    def _start(self, origin: Origin, call: Call, now: float) -> None:
        idle = self._idle[origin]
        if not idle:
            return self._open(origin, call, now)
        connection = idle.pop()
        self._busy[connection] = None
        self._settle(connection, connection.begin(call, now + self._limits.read_seconds))
        return None

    def _open(self, origin: Origin, call: Call, now: float) -> None:
        connection = Connection(origin, call, self._tls, now + self._limits.connect_seconds)
        self._busy[connection] = None
        self._open_count[origin] += 1
        self._find(connection, now)

    def _find(self, connection: Connection, now: float) -> None:
        """Begin to connect once it is known where to."""
        addresses = self._book.look(connection.origin, now)
        if addresses is not None and self._book.is_nowhere(connection.origin):
            self._end(connection, Failure.nowhere)
        elif addresses is not None:
            connection.addresses = list(addresses)
            self._connect(connection, now)

    def _connect(self, connection: Connection, now: float) -> None:
        self._unwatch(connection)
        if connection.connect(now):
            self._watch(connection)
        else:
            if connection.address is not None:
                self._book.forget(connection.origin)
            self._end(connection, Failure.unreachable)

    def _turn(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            connection = key.data
            if connection is None:
                self._hear()
            elif connection.stage is not Stage.closed:
                self._ready(connection)
        now = self._timer()
        if now - self._looked_at >= _LOOK_AT_CLOCK_SECONDS:
            self._looked_at = now
            for connection in [one for one in self._busy if one.deadline <= now]:
                self._is_late(connection, now)

    def _ready(self, connection: Connection) -> None:
        try:
            result = connection.ready()
        except OSError:  # not open yet (ssl.SSLError is one): another address may be
            return self._connect(connection, self._timer())
        if connection.stage is Stage.closed:
            return self._drop(connection)
        if connection.stage is Stage.open:
            result = self._opened(connection)
        return self._settle(connection, result)

    def _opened(self, connection: Connection) -> Result | None:
        """Send what it was opened for."""
        if connection.address is not None:
            self._book.prefer(connection.origin, connection.address)
        assert connection.call is not None
        return connection.begin(connection.call, self._timer() + self._limits.read_seconds)

    def _settle(self, connection: Connection, result: Result | None) -> None:
        if result is None:
            self._watch(connection)
        elif isinstance(result, Answer) and result.keeps:
            self._finished.append((connection.call.key if connection.call else 0, result))
            del self._busy[connection]
            connection.rest(self._timer())
            self._watch(connection)
            self._idle[connection.origin].append(connection)
        else:
            self._end(connection, result)

    def _end(self, connection: Connection, result: Result) -> None:
        call, origin, is_stale = connection.call, connection.origin, connection.is_stale
        self._drop(connection)
        assert call is not None
        # A kept connection that was closed at this very moment. The topic makes a repeat replace what it repeats.
        if is_stale and not call.is_repeat and result in (Failure.lost, Failure.unreachable):
            call.is_repeat = True
            return self._open(origin, call, self._timer())
        return self._finished.append((call.key, result))

    def _is_late(self, connection: Connection, now: float) -> None:
        if connection.stage is Stage.connecting:
            self._connect(connection, now)
        else:
            self._end(connection, connection.give_up(Failure.timeout))

    def _drop(self, connection: Connection) -> None:
        self._unwatch(connection)
        self._busy.pop(connection, None)
        with contextlib.suppress(ValueError):
            self._idle[connection.origin].remove(connection)
        self._open_count[connection.origin] -= 1
        connection.close()

    def _watch(self, connection: Connection) -> None:
        """Be woken for what it waits for now. By its number: TLS puts another socket in the place of the first."""
        events = _BOTH if connection.wants_write else _READ
        if connection.sock is None or connection.events == events:
            return
        change = self._selector.modify if connection.events else self._selector.register
        change(connection.sock.fileno(), events, connection)
        connection.events = events

    def _unwatch(self, connection: Connection) -> None:
        if connection.sock is not None and connection.events:
            self._selector.unregister(connection.sock.fileno())
            connection.events = 0

    def _hear(self) -> None:
        """A name was looked up."""
        with contextlib.suppress(BlockingIOError):
            self._alarm.recv(4096)
        now = self._timer()
        for connection in [one for one in self._busy if one.stage is Stage.naming]:
            self._find(connection, now)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"\0")

    def _patience(self) -> float:
        """Say how long nothing can be late."""
        now = self._timer()
        nearest = min((one.deadline for one in self._busy), default=now + 1)
        return max(0.0, nearest - now) + 0.001
