"""The ground the fake providers stand on: a small HTTP server on 127.0.0.1 that fails on demand.

For the playground and the tests. Must never listen on another address.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong with one request.

    `after_accept` does the work first, so that the message exists although the caller never hears so. Otherwise the
    request is answered with `status` (and `code`, a Twilio error), or not at all when `hang` or `reset`.
    """

    status: int = 500
    code: int | None = None
    retry_after: str | None = None
    delay_seconds: float = 0.0
    hang: bool = False
    reset: bool = False
    after_accept: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the fake says: a JSON body, bytes as they are, or none. `missing_count` promised bytes never come."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    missing_count: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class FakePeer:
    """Serve one fake provider from a thread; a subclass answers requests in `respond`.

    `troubles` is consumed from the left, one per request; a subclass may add its own rule in `trouble_for`.
    """

    largest_body = LARGEST_BODY

    def __init__(self, port: int = 0) -> None:
        self.troubles: deque[Trouble] = deque()
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.peer = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def host(self) -> str:
        """The address as `host:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and drop every connection; safe to call twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drop_connections()

    def respond(self, request: Request) -> Answer:
        """Do what the real provider would do."""
        return Answer(404, {"message": f"no {request.method} {request.path} here"})

    def trouble_for(self, request: Request) -> Trouble | None:
        """Choose what goes wrong with this request; None for nothing."""
        del request
        return self.troubles.popleft() if self.troubles else None

    def trouble_body(self, trouble: Trouble) -> object:
        """Make the body of an error in the provider's own form."""
        return {"status": trouble.status}

    def answer(self, request: Request) -> Answer | None:
        """Answer one request, or None when the connection is to break."""
        self.requests.append(request)
        trouble = self.trouble_for(request)
        if trouble is None:
            return self.respond(request)
        if trouble.after_accept:
            self.respond(request)
        if trouble.hang:
            self._stopping.wait(60)
            return None
        self._stopping.wait(trouble.delay_seconds)
        if trouble.reset:
            return None
        headers = {"Retry-After": trouble.retry_after} if trouble.retry_after else {}
        return Answer(trouble.status, self.trouble_body(trouble), headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    peer: FakePeer

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > self.server.peer.largest_body:
            self.close_connection = True
            self._write(Answer(413, {"message": "too large"}))
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.peer.answer(Request(self.command, path, query, headers, self.rfile.read(length)))
        if answer is None:
            self._break()
        else:
            self._write(answer)

    def _break(self) -> None:
        """Close with a reset, as a provider that fell over would."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _write(self, answer: Answer) -> None:
        body = _encoded(answer.body)
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + answer.missing_count))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
        self.close_connection = self.close_connection or answer.missing_count > 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the standard library's name)
        """Stay silent: a request line may hold a push endpoint."""


def _encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"" if body is None else json.dumps(body).encode()
