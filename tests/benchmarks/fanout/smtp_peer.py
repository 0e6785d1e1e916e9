"""A mail server some milliseconds away: every answer leaves so much later than it would have, on any number of lines.

One process, one thread: `python -m tests.benchmarks.fanout.smtp_peer PORT MILLISECONDS`. It keeps nothing.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

_GREETING = b"220 peer ESMTP\r\n"
_HELLO = b"250-peer\r\n250-PIPELINING\r\n250 SIZE\r\n"
_FINE, _GO_ON, _BYE = b"250 2.0.0 Ok\r\n", b"354 Go on\r\n", b"221 Bye\r\n"
_END = b"\r\n.\r\n"


@dataclass(eq=False)
class Conversation:
    """What was heard on one line and not yet answered."""

    line: socket.socket
    heard: bytes = b""
    in_text: bool = False

    def answer(self, data: bytes) -> bytes:
        """Take what came; return what is to be said to it."""
        self.heard += data
        said = b""
        while True:
            if self.in_text:
                end = self.heard.rfind(_END)
                if end < 0:
                    return said
                self.heard, self.in_text = self.heard[end + len(_END) :], False
                said += _FINE
            command, found, rest = self.heard.partition(b"\r\n")
            if not found:
                return said
            self.heard, word = rest, command[:4].upper()
            self.in_text = word == b"DATA"
            said += {b"EHLO": _HELLO, b"DATA": _GO_ON, b"QUIT": _BYE}.get(word, _FINE)


def serve(port: int, delay_seconds: float) -> None:
    """Answer until the process is ended."""
    selector = selectors.DefaultSelector()
    server = socket.create_server(("127.0.0.1", port), backlog=1024)
    selector.register(server, selectors.EVENT_READ)
    due: deque[tuple[float, socket.socket, bytes]] = deque()  # the delay is always the same: first in, first out
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        for key, _ in selector.select(wait):
            if key.data is None:
                line, _ = server.accept()
                selector.register(line, selectors.EVENT_READ, Conversation(line))
                due.append((time.monotonic() + delay_seconds, line, _GREETING))
                continue
            line, data = key.data.line, b""
            with suppress(OSError):  # whoever hangs up in the midst of an answer ends this line, and no other
                data = line.recv(1 << 16)
            if not data:
                selector.unregister(line)
                line.close()
            elif said := key.data.answer(data):
                due.append((time.monotonic() + delay_seconds, line, said))
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, line, said = due.popleft()
            with suppress(OSError):
                line.send(said)


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) / 1000)
