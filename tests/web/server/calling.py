"""Calls an `Adapter` as granian does: an event loop in a thread, and made-up exchanges."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from restock.web.server.adapter import Adapter

LONG = 60.0


@dataclass
class FakeHeaders:
    """The headers of a request, in order, names in lower case."""

    pairs: Sequence[tuple[str, str]]

    def items(self) -> list[tuple[str, str]]:
        return list(self.pairs)


@dataclass
class FakeScope:
    """A request before its body."""

    method: str
    path: str
    headers: Any
    query_string: str = ""
    proto: str = "http"
    http_version: str = "1.1"
    server: str = "127.0.0.1:8000"
    client: str = "192.0.2.7:50000"
    scheme: str = "http"
    authority: str | None = None


@dataclass
class FakeStream:
    """Keeps the pieces that are sent; the reader is gone after so many."""

    pieces: list[bytes] = field(default_factory=list)
    most: int = 1_000

    async def send_bytes(self, data: bytes) -> None:
        if len(self.pieces) == self.most:
            raise ProtocolClosed
        self.pieces.append(data)


@dataclass
class Exchange:
    """One request's body in pieces, and its answer."""

    pieces: Sequence[bytes] = ()
    reads_most: int = 1_000
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    read: int = 0
    answers: int = 0
    stream: FakeStream | None = None
    ends: Literal["whole", "never", "leaves"] = "whole"

    async def __call__(self) -> bytes:
        self.read = len(self.pieces)
        await self._end()
        return b"".join(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            yield piece
        await self._end()

    async def _end(self) -> None:
        if self.ends == "never":
            await asyncio.Event().wait()
        elif self.ends == "leaves":
            raise ProtocolClosed

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers += 1
        self.status, self.headers, self.body = status, dict(headers), body

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> FakeStream:
        self.answers += 1
        self.status, self.headers = status, dict(headers)
        self.stream = FakeStream(most=self.reads_most)
        return self.stream

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class LoopClient:
    """An adapter on a running loop."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop", daemon=True)
        self._thread.start()
        self.on_loop(adapter.__rsgi_init__, self.loop)

    def on_loop(self, function: Any, *arguments: Any) -> Any:
        """Call a function in the loop's thread."""

        async def call() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(LONG)

    def begin(
        self, method: str, path: str, pieces: Sequence[bytes] = (), headers: Mapping[str, str] | None = None
    ) -> Future[Exchange]:
        """Send one request; the future gives its exchange once it is answered."""
        exchange = Exchange(pieces)
        scope = FakeScope(method, path, FakeHeaders([(k.lower(), v) for k, v in (headers or {}).items()]))
        return asyncio.run_coroutine_threadsafe(self._call(scope, exchange), self.loop)

    def call(self, scope: FakeScope, exchange: Exchange) -> Exchange:
        """Send a request of one's own making."""
        return asyncio.run_coroutine_threadsafe(self._call(scope, exchange), self.loop).result(LONG)

    def begin_post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Future[Exchange]:
        known = {"Host": "shop.test", "Content-Type": "application/json", "Content-Length": str(len(body))}
        return self.begin("POST", path, [body], known | dict(headers or {}))

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Exchange:
        """Post and wait for the answer."""
        return self.begin_post(path, body, headers).result(LONG)

    def close(self) -> None:
        self.on_loop(self.adapter.__rsgi_del__, self.loop)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LONG)
        self.loop.close()

    async def _call(self, scope: FakeScope, exchange: Exchange) -> Exchange:
        await self.adapter.__rsgi__(scope, exchange)
        return exchange
