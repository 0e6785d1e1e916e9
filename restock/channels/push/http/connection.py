"""One connection to a push service: opened without waiting, used for one request after the other.

It never waits itself: its engine calls it when the socket is ready, and when its time is over.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from restock.channels.push.http.response import Answer, GarbledError, ResponseReader
from restock.channels.push.http.sites import Address, Origin

_READ_SIZE = 16_384


class Failure(StrEnum):
    """Why there is no answer."""

    nowhere = "nowhere"  # nobody has that name
    unreachable = "unreachable"  # the request never left whole: it cannot have been taken
    timeout = "timeout"  # it left, and no answer came in time
    lost = "lost"  # it left, and the connection broke
    garbled = "garbled"  # it left, and what came back is no HTTP


class Stage(Enum):
    """Where a connection stands."""

    naming = auto()  # its addresses are being looked up
    connecting = auto()
    shaking = auto()  # TLS
    open = auto()  # can take its first request
    busy = auto()  # a request is on its way, or its answer
    idle = auto()
    closed = auto()


@dataclass(slots=True)
class Call:
    """One request: `key` is the caller's own number for it, `data` all its bytes."""

    key: int
    data: bytes = field(repr=False)
    is_repeat: bool = False


Result = Answer | Failure


class Connection:
    """See the module. `wants_write`: it must be woken when the socket takes bytes again."""

    __slots__ = (
        "_left",
        "_reader",
        "_tls",
        "address",
        "addresses",
        "call",
        "deadline",
        "events",
        "open_until",
        "origin",
        "served_count",
        "since",
        "sock",
        "stage",
        "wants_write",
    )

    def __init__(self, origin: Origin, call: Call, tls: ssl.SSLContext, open_until: float) -> None:
        self.origin = origin
        self.call: Call | None = call
        self.stage = Stage.naming
        self.addresses: list[Address] = []
        self.address: Address | None = None
        self.sock: socket.socket | None = None
        self.open_until = open_until  # all addresses together
        self.deadline = open_until
        self.since = 0.0  # idle since
        self.served_count = 0
        self.wants_write = False
        self.events = 0  # what its engine is woken for
        self._left = memoryview(b"")
        self._reader = ResponseReader()
        self._tls = tls

    @property
    def is_stale(self) -> bool:
        """It broke before a byte of the answer to what was not its first request: most likely closed as idle."""
        return self.served_count > 0 and not self._reader.has_begun

    @property
    def has_sent_all(self) -> bool:
        return self.stage is Stage.busy and not self._left

    def connect(self, now: float) -> bool:
        """Begin to connect to the next address; False when there is none left."""
        while self.addresses and now < self.open_until:
            self.drop()
            self.deadline = now + (self.open_until - now) / len(self.addresses)
            self.address = family, where = self.addresses.pop(0)
            try:
                self.sock = socket.socket(family, socket.SOCK_STREAM)
                self.sock.setblocking(False)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                code = self.sock.connect_ex(where)
            except OSError:
                continue
            if code in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                self.stage, self.wants_write = Stage.connecting, True
                return True
        return False

    def ready(self) -> Result | None:
        """Go on, now that the socket is ready; return what has become of its request once that is known.

        Raises OSError while it is not open yet: another address may do.
        """
        match self.stage:
            case Stage.connecting:
                self._connected()
            case Stage.shaking:
                self._shake()
            case Stage.busy:
                return self._exchange()
            case Stage.idle:
                self._listen()
            case _:
                pass
        return None

    def begin(self, call: Call, deadline: float) -> Result | None:
        """Send a request over the open connection; usually all of it leaves at once."""
        self.call, self.deadline, self.stage = call, deadline, Stage.busy
        self._reader = ResponseReader()
        self._left = memoryview(call.data)
        return self._write()

    def give_up(self, why: Failure) -> Result:
        """Say what is known when its time is over, or the peer has gone."""
        if not self.has_sent_all:
            return Failure.unreachable
        return self._reader.ended() or why

    def rest(self, now: float) -> None:
        """Wait for the next request."""
        self.served_count += 1
        self.call, self.stage, self.since, self.wants_write = None, Stage.idle, now, False

    def drop(self) -> None:
        """Close the socket."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def close(self) -> None:
        """End it for good."""
        self.drop()
        self.stage, self.call = Stage.closed, None

    def _connected(self) -> None:
        assert self.sock is not None
        if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "cannot connect")
        self.wants_write = False
        if self.origin.scheme != "https":
            self.stage = Stage.open
            return
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.origin.host, do_handshake_on_connect=False)
        self.stage = Stage.shaking
        self.deadline = self.open_until
        self._shake()

    def _shake(self) -> None:
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.wants_write = False
        except ssl.SSLWantWriteError:
            self.wants_write = True
        else:
            self.stage, self.wants_write = Stage.open, False

    def _exchange(self) -> Result | None:
        if self._left and (result := self._write()) is not None:
            return result
        return self._read()

    def _write(self) -> Result | None:
        assert self.sock is not None
        try:
            while self._left:
                self._left = self._left[self.sock.send(self._left) :]
            self.wants_write = False
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.wants_write = True
        except ssl.SSLWantReadError:
            self.wants_write = False
        except OSError:
            return self._read_last()
        return None

    def _read(self) -> Result | None:
        assert self.sock is not None
        try:
            while data := self.sock.recv(_READ_SIZE):
                if (answer := self._reader.feed(data)) is not None:
                    return self._whole(answer)
                if self.origin.scheme != "https":
                    return None
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except GarbledError:
            return Failure.garbled
        except OSError:
            pass
        return self.give_up(Failure.lost)

    def _whole(self, answer: Answer) -> Answer:
        """A service may answer before it has read everything; what is left unsent then spoils the connection."""
        return answer if not self._left else Answer(answer.status, answer.retry_after, answer.body)

    def _read_last(self) -> Result:
        """The peer takes no more: it may have said why before it went."""
        result = self._read()
        return result if isinstance(result, Answer) else self.give_up(Failure.lost)

    def _listen(self) -> None:
        """Nothing is expected of an idle connection: whatever comes ends it."""
        assert self.sock is not None
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass
        self.stage = Stage.closed
