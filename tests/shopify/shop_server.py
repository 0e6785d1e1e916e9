"""A shop's Admin API as a test wants it: a real HTTP server that answers with whatever it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = BaseHTTPRequestHandler


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    token: str | None
    body: dict[str, Any]


@dataclass
class ShopServer:
    """Where it listens, what it was asked, and what it answers."""

    url: str
    answer: Callable[[Handler, Asked], None]
    asked: list[Asked] = field(default_factory=list)

    def says(self, value: object, **known: Any) -> None:
        """Answer every question with this JSON."""
        self.answer = lambda handler, _: send(handler, json.dumps(value).encode(), **known)

    def sends(self, body: bytes, **known: Any) -> None:
        """Answer every question with these bytes."""
        self.answer = lambda handler, _: send(handler, body, **known)


def send(handler: Handler, body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
    """Answer with a status, a length that may be wrong, and headers."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in {"Content_Type": "application/json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    if length is not None:
        handler.close_connection = True


@contextmanager
def shop_server() -> Iterator[ShopServer]:
    """Listen on a free port of this machine."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(self.path, self.headers.get("X-Shopify-Access-Token"), body)
            shop.asked.append(asked)
            try:
                shop.answer(self, asked)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 (a followed redirect would come as a GET)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # with the library's 5, callers that come together wait a second for another try

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that leaves in the middle is what some tests are about

    server = Server(("127.0.0.1", 0), Door)
    shop = ShopServer(f"http://127.0.0.1:{server.server_port}", lambda handler, _: send(handler, b"{}"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
