"""Reads the body of a request: no further than what is too large anyhow, and not for ever.

Who begins a body and never ends it holds a connection, and there are only so many.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from restock.web.server.inline import said_length

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATIENCE_SECONDS = 30.0  # what granian gives the headers, too


class Incoming(Protocol):
    """A body that comes: at once, or in pieces."""

    def __aiter__(self) -> Any: ...
    async def __call__(self) -> bytes: ...


class BodyReader:
    """Reads bodies on one loop.

    Who is late is looked for a few times in `patience_seconds`: a timer of its own for each request costs as much as a
    twentieth of answering it.
    """

    def __init__(self, largest: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._largest, self._patience_seconds = largest, patience_seconds
        self._since: dict[asyncio.Task[Any], float] = {}  # the longest waiting first
        self._late: set[asyncio.Task[Any]] = set()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for who is late on this loop, from now on."""
        self._loop = loop
        self._look()

    async def read(self, environ: WSGIEnvironment, incoming: Incoming) -> bytes:
        """Read a body; cut off where it is larger than `largest`, empty where it says so itself.

        Raises TimeoutError when it has not come whole in time.
        """
        length = said_length(environ)
        if length is not None and not 0 < length <= self._largest:
            return b""
        if length is None and "HTTP_TRANSFER_ENCODING" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/2":
            return b""  # RFC 9112 section 6.3: it says nothing of a body, so there is none
        task = asyncio.current_task()
        assert task is not None
        self._since[task] = self._loop.time()
        try:
            return await (incoming() if length is not None else self._pieces(incoming))
        except asyncio.CancelledError:
            if task in self._late:
                raise TimeoutError from None
            raise
        finally:
            del self._since[task]
            self._late.discard(task)

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
