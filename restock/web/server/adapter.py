"""A WSGI application behind granian's RSGI interface: hot routes on the loop, the others in threads.

The loop's thread is the only one that answers. It must never wait: whatever might, runs in a thread of the pool.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, suppress
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # part of its documented interface
from werkzeug.exceptions import RequestTimeout

from restock.errors import UnavailableError
from restock.web.server.bodies import PATIENCE_SECONDS, BodyReader, Incoming, LateError, RefusedBody
from restock.web.server.environ import Scope, wsgi_environ
from restock.web.server.inline import inline_routes, mark_inline
from restock.web.server.later import awaited

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Answer = tuple[int, list[tuple[str, str]], bytes]
Attach = Callable[[asyncio.AbstractEventLoop, Executor], None]

THREADS = 8  # for everything but the hot routes
_OBJECTS_BETWEEN_LOOKS = 10_000  # some megabytes
_SEND_SECONDS = 60.0  # how long a reader of a streamed answer may take for one piece of it

_HANG_UP = ("Connection", "close")  # the rest of the body would pass for a request


class Stream(Protocol):
    """An answer sent in pieces."""

    async def send_bytes(self, data: bytes) -> None: ...


class Exchange(Incoming, Protocol):
    """What RSGI gives for a request's body and its answer."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Stream: ...


class Adapter:
    """Serve a Flask application. `attach` is told the loop and the threads when the server begins.

    A body of more than `largest_body` bytes is not read to its end; the application sees by its length, or by what
    there is of it, that it is too large. Whose body has not come in `patience_seconds` is told 408.
    """

    def __init__(
        self,
        app: Flask,
        largest_body: int,
        attach: Attach | None = None,
        threads: int = THREADS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._app, self._attach = app, attach
        self._bodies = BodyReader(largest_body, patience_seconds)
        self._inline = inline_routes(app)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="web")

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; granian calls it once in each worker process."""
        self._loop = loop
        gc.collect()
        gc.freeze()  # what is loaded by now never ends: the collector need not look at it again and again
        gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, 10, 10)
        self._bodies.attach(loop)
        if self._attach is not None:
            self._attach(loop, self._threads)
        _let_the_loop_go_first(loop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """End: nothing new begins, what is running comes to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        environ = wsgi_environ(scope)
        if (room := self._bodies.take_room(environ)) is None:
            error = UnavailableError("Please send this again in a few seconds.", retry_after_seconds=5)
            await self._refuse(environ, exchange, error)
            return
        try:
            environ["wsgi.input"] = BytesIO(await self._bodies.read(environ, exchange))
            if (answer := await self._answer(environ, exchange)) is not None:
                exchange.response_bytes(*answer)
        except LateError:
            await self._refuse(environ, exchange, RequestTimeout())
        except ProtocolClosed:  # the caller has gone before everything was said
            pass
        finally:
            self._bodies.give_back(room)

    async def _refuse(self, environ: WSGIEnvironment, exchange: Exchange, error: Exception) -> None:
        """Answer as the application does whoever asks for a body that will not come; hang up, for it may still come."""
        environ["wsgi.input"] = RefusedBody(error)
        answer = await self._loop.run_in_executor(self._threads, self._run, environ, exchange)
        if answer is not None:
            status, headers, body = answer
            exchange.response_bytes(status, [*headers, _HANG_UP], body)

    async def _answer(self, environ: WSGIEnvironment, exchange: Exchange) -> Answer | None:
        may_run = self._inline.get(environ["PATH_INFO"])
        if may_run is not None and environ["REQUEST_METHOD"] == "POST" and may_run(environ):
            return await self._run_inline(environ)
        return await self._loop.run_in_executor(self._threads, self._run, environ, exchange)

    async def _run_inline(self, environ: WSGIEnvironment) -> Answer:
        mark_inline(environ)
        start = _Start()
        body = self._app(environ, start)
        if (later := awaited(environ)) is not None:
            whole = await later.body(self._app)
        else:
            whole = b"".join(_closing(body))
        return start.status, start.headers, whole

    def _run(self, environ: WSGIEnvironment, exchange: Exchange) -> Answer | None:
        """Run a request in a thread; return the answer where its length is known, else send it piece by piece."""
        start = _Start()
        pieces = _closing(self._app(environ, start))
        first = next(pieces, b"")
        if environ["REQUEST_METHOD"] == "HEAD" or start.says_length():
            return start.status, start.headers, b"".join([first, *pieces])
        with closing(pieces), suppress(ProtocolClosed):  # the caller has gone
            stream = exchange.response_stream(start.status, start.headers)
            for piece in chain([first], pieces):
                asyncio.run_coroutine_threadsafe(_send(stream, piece), self._loop).result(_SEND_SECONDS)
        return None


def _let_the_loop_go_first(loop: asyncio.AbstractEventLoop) -> None:
    """Have the server's own threads, begun between now and the loop's first round, wait until the loop's pauses.

    Each takes a few microseconds to read or write a request. Woken in between, they took the core away twice a request:
    an eighth of the time. A policy is inherited; SCHED_BATCH interrupts nobody (sched(7), Linux).
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            loop.call_soon(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))


class _Start:
    """The application's `start_response`, and what it was called with."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, line: str, headers: list[tuple[str, str]], _failure: Any = None) -> Callable[[bytes], object]:
        self.status, self.headers = int(line[:3]), headers
        return _refuse_to_write

    def says_length(self) -> bool:
        return any(name.lower() == "content-length" for name, _ in self.headers)


def _refuse_to_write(_piece: bytes) -> None:
    raise RuntimeError("return the body: PEP 3333's write() is not served here")


def _closing(body: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Yield the pieces of a body, and close it however that ends."""
    try:
        yield from body
    finally:
        if (close := getattr(body, "close", None)) is not None:
            close()


async def _send(stream: Stream, piece: bytes) -> None:
    await stream.send_bytes(piece)
