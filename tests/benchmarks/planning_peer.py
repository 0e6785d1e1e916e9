"""A mail server of the benchmark: takes every message at once, and remembers when those it is asked about came."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_RECIPIENT = re.compile(rb"RCPT TO:<([^>]*)>", re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass
class MailPeer:
    """`port` listens on 127.0.0.1. `taken_at`: recipients of `watched` domain, on `time.monotonic`'s clock."""

    watched: bytes
    port: int = 0
    taken_count: int = 0
    taken_at: dict[str, float] = field(default_factory=dict)

    def took(self, recipient: bytes) -> None:
        self.taken_count += 1
        if recipient.endswith(self.watched):
            self.taken_at.setdefault(recipient.decode(), time.monotonic())


class _Conversation(asyncio.Protocol):
    """One connection; commands may come in one go (RFC 2920)."""

    def __init__(self, peer: MailPeer) -> None:
        self._peer = peer
        self._waiting = b""
        self._recipient = b""
        self._in_text = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 peer\r\n")

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        answers: list[bytes] = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _next(self) -> bytes | None:
        """Read one command or one text; None when it is not complete yet."""
        if self._in_text:
            _, found, rest = self._waiting.partition(_END)
            if not found:
                return None
            self._waiting, self._in_text = rest, False
            self._peer.took(self._recipient)
            return b"250 taken\r\n"
        line, found, rest = self._waiting.partition(b"\r\n")
        if not found:
            return None
        self._waiting = rest
        return self._answer(line)

    def _answer(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"EHLO":
                return b"250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n"
            case b"RCPT":
                found = _RECIPIENT.match(line)
                self._recipient = found[1] if found else b""
            case b"DATA":
                self._in_text = True
                self._waiting = b"\r\n" + self._waiting  # a text may be empty: its end begins with a line's end
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 ok\r\n"


@contextmanager
def open_mail_peer(watched: str) -> Iterator[MailPeer]:
    """Serve in a thread until the block ends."""
    peer, loop = MailPeer(watched.encode()), asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _Conversation(peer), "127.0.0.1", 0))
    peer.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="mail peer", daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        server.close()
        loop.close()
