"""A Twilio that takes everything, fast: 201 and a resource to each POST, after so many milliseconds.

Run with `-m`, a port and the milliseconds; `GET /count` says how many it took, `GET /times` when (seconds, one a line).
It looks at nothing but the length, so that what is measured is the sender.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

_RESOURCE = {
    "account_sid": "AC" + "0a" * 16,
    "api_version": "2010-04-01",
    "body": "x" * 150,
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "date_sent": None,
    "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
    "direction": "outbound-api",
    "error_code": None,
    "error_message": None,
    "from": "+15005550006",
    "messaging_service_sid": None,
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": None,
    "sid": "SM" + "ab" * 16,
    "status": "queued",
    "subresource_uris": {"media": "/Media.json"},
    "to": "+14155550000",
    "uri": "/Messages.json",
}


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_TAKEN = _answer("201 Created", json.dumps(_RESOURCE).encode())


class Peer(asyncio.Protocol):
    """One connection."""

    times: list[float] = []  # noqa: RUF012 (one list for all connections)
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
            self.transport.write(_answer("200 OK", str(len(Peer.times)).encode()))
        elif head.startswith(b"GET /times"):
            self.transport.write(_answer("200 OK", "\n".join(f"{at:.6f}" for at in Peer.times).encode()))
        else:
            Peer.times.append(time.monotonic())
            asyncio.get_running_loop().call_later(Peer.delay_seconds, self.transport.write, _TAKEN)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    Peer.delay_seconds = float(sys.argv[2]) / 1000
    asyncio.run(_serve(int(sys.argv[1])))
