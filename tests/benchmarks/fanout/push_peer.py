"""A push service that takes everything, fast: 201 to each POST, after so many milliseconds.

Run with `-m`, a port and the milliseconds; `GET /count` says how many it took. It looks at nothing but the length, so
that what is measured is the sender.
"""

from __future__ import annotations

import asyncio
import sys

_TAKEN = (
    b"HTTP/1.1 201 Created\r\nLocation: /message/0a1b2c3d4e5f\r\nTTL: 14400\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
)


class Peer(asyncio.Protocol):
    """One connection."""

    taken = 0
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
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"GET "):
            body = str(Peer.taken).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        Peer.taken += 1
        if not Peer.delay_seconds:
            self.transport.write(_TAKEN)
            return
        asyncio.get_running_loop().call_later(Peer.delay_seconds, self.transport.write, _TAKEN)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    Peer.delay_seconds = float(sys.argv[2]) / 1000
    asyncio.run(_serve(int(sys.argv[1])))
