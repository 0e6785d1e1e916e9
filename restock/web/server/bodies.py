"""Reads the body of a request: no further than what is too large anyhow, not for ever, and not too many large ones.

Who begins a body and never ends it holds a connection and memory, and there is only so much of both.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from restock.web.server.inline import said_length

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATIENCE_SECONDS = 30.0  # what granian gives the headers, too
SMALL = 64 * 1024  # an intent, and nearly every webhook
MOST_OF_LARGE = 64 * 1024 * 1024  # bytes of larger ones at the same time; with those, the memory is bounded
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class LateError(Exception):
    """A body has not come whole in time."""


class RefusedBody:
    """The body of a request that is refused: whoever reads it gets the error that is answered."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _size: int = -1) -> bytes:
        raise self._error

    readline = read


class Incoming(Protocol):
    """A body that comes: at once, or in pieces."""

    def __aiter__(self) -> Any: ...
    async def __call__(self) -> bytes: ...


class BodyReader:
    """Reads bodies on one loop.

    Who is late is looked for a few times in `patience_seconds`: a timer of its own for each request costs as much as a
    twentieth of answering it.
    """

    def __init__(
        self, largest: int, patience_seconds: float = PATIENCE_SECONDS, most_of_large: int = MOST_OF_LARGE
    ) -> None:
        self._largest, self._patience_seconds = largest, patience_seconds
        self._room = most_of_large
        self._since: dict[asyncio.Task[Any], float] = {}  # the longest waiting first
        self._late: set[asyncio.Task[Any]] = set()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for who is late on this loop, from now on."""
        self._loop = loop
        self._look()

    def take_room(self, environ: WSGIEnvironment) -> int | None:
        """Take room for a large body until `give_back`; return how much (0: it is small), None when there is none."""
        size = self._announced(environ)
        if size <= SMALL:
            return 0
        if size > self._room:
            return None
        self._room -= size
        return size

    def give_back(self, room: int) -> None:
        """Give back what was taken, when the request is answered."""
        self._room += room

    async def read(self, environ: WSGIEnvironment, incoming: Incoming) -> bytes:
        """Read a body; cut off where it is larger than `largest`, empty where it says so itself.

        Raises LateError when it has not come whole in time.
        """
        if self._announced(environ) == 0:
            return b""
        task = asyncio.current_task()
        assert task is not None
        self._since[task] = self._loop.time()
        try:
            return await (self._pieces(incoming) if said_length(environ) is None else incoming())
        except asyncio.CancelledError:
            if task in self._late:
                raise LateError from None
            raise
        finally:
            del self._since[task]
            self._late.discard(task)

    def _announced(self, environ: WSGIEnvironment) -> int:
        """Say how many bytes may come and are to be read; as many as may when that is not said."""
        length = said_length(environ)
        if length is not None:
            return length if length <= self._largest else 0
        if "HTTP_TRANSFER_ENCODING" in environ:
            return self._largest
        # RFC 9112 section 6.3: HTTP/1 that says nothing of a body has none. HTTP/2 need not say.
        may_come = environ["SERVER_PROTOCOL"] == "HTTP/2" and environ["REQUEST_METHOD"] not in _WITHOUT_BODY
        return self._largest if may_come else 0

    async def _pieces(self, incoming: Incoming) -> bytes:
        pieces, size = [], 0
        async for piece in incoming:
            pieces.append(piece)
            size += len(piece)
            if size > self._largest:
                break
        return b"".join(pieces)

    def _look(self) -> None:
        latest = self._loop.time() - self._patience_seconds
        for task, since in self._since.items():
            if since > latest:
                break
            self._late.add(task)
            task.cancel()
        self._loop.call_later(self._patience_seconds / 10, self._look)
