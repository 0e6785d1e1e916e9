"""A provider over HTTP that takes everything, fast: one answer to each POST, after so many milliseconds.

Each kind has a module that runs with `-m`, a port and the milliseconds; `GET /count` says how many it took,
`GET /times` when (seconds, one a line). It looks at nothing but the length, so that what is measured is the sender.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import urllib3

from tests.benchmarks.fanout.contestant import Peer
from tests.benchmarks.machine import OTHER_CORE

_PATIENCE_SECONDS = 20


def answer(status: str, body: bytes, *more: str, kind: str = "text/plain") -> bytes:
    """Write a whole answer. `more`: further header lines."""
    head = [f"HTTP/1.1 {status}", *more, f"Content-Type: {kind}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


class TakingPeer(asyncio.Protocol):
    """One connection. Each kind has a class of its own, which says what it answers."""

    reply = b""
    times: list[float] = []  # noqa: RUF012 (one list for all connections: a process serves one kind)
    delay_seconds = 0.0

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self._take(head)

    def _take(self, head: bytes) -> None:
        if head.startswith(b"GET /count"):
            self.transport.write(answer("200 OK", str(len(self.times)).encode()))
        elif head.startswith(b"GET /times"):
            self.transport.write(answer("200 OK", "\n".join(f"{at:.6f}" for at in self.times).encode()))
        else:
            self.times.append(time.monotonic())
            if not self.delay_seconds:
                self.transport.write(self.reply)
                return
            asyncio.get_running_loop().call_later(self.delay_seconds, self.transport.write, self.reply)


def serve(kind: type[TakingPeer]) -> None:
    """Serve until the process is ended, as its command line says."""
    port, kind.delay_seconds = int(sys.argv[1]), float(sys.argv[2]) / 1000
    asyncio.run(_serve(kind, port))


async def _serve(kind: type[TakingPeer], port: int) -> None:
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


@contextmanager
def open_http_peer(module: str, port: int, reply_ms: float, settings: Mapping[str, str]) -> Iterator[Peer]:
    """Run a kind's module on the second core until the block ends. `settings`: by which an instance finds it."""
    process = subprocess.Popen([sys.executable, "-m", module, str(port), str(reply_ms)])
    os.sched_setaffinity(process.pid, {OTHER_CORE})
    count_url = f"http://127.0.0.1:{port}/count"
    try:
        _wait_for(count_url)
        yield Peer(settings, process.pid, lambda: int(urllib3.request("GET", count_url).data))
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", url, retries=False)
            return
        if time.monotonic() > until:
            raise TimeoutError("the stand-in does not answer")
        time.sleep(0.05)
