"""A token endpoint as Shopify documents it, just large enough: pairs that rotate, and every way not to answer.

The refresh token before the last works until its replacement is used once, or an access token of its pair is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BAD_ANSWERS: dict[str, tuple[int, object]] = {
    "hang": (200, {}),
    "down": (503, {"error": "down"}),
    "page": (200, "<html>Sorry</html>"),
    "throttled": (429, {"error": "slow down"}),
    "wrong_client": (400, {"error": "invalid_client"}),
    "empty": (200, {"access_token": "", "scope": ""}),
}


@dataclass
class FakeTokens:
    """What the endpoint knows: pairs in the order they were given, and which of them is good."""

    expires_in: int = 3600
    scope: str = "read_products,read_inventory"
    mode: str = "good"  # or trickle, or one of BAD_ANSWERS
    delay: float = 0.0
    go_on: threading.Event | None = None  # every answer waits until it is set
    at_once: threading.Barrier | None = None  # every answer waits until so many were asked for
    asked: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    id_tokens: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: dict[str, Any]) -> tuple[int, object]:
        with self._lock:
            self.asked.append(body)
        time.sleep(self.delay)
        if self.go_on is not None:
            self.go_on.wait(60)
        if self.at_once is not None:
            self.at_once.wait(60)
        if self.mode == "hang":
            self._released.wait(60)
        if self.mode in BAD_ANSWERS:
            return BAD_ANSWERS[self.mode]
        with self._lock:
            return self._grant(body)

    def use(self, access: str) -> bool:
        """Say whether an access token is the present one; using it ends the refresh tokens before its own."""
        with self._lock:
            if not self.pairs or access != self.pairs[-1][0]:
                return False
            self.dead |= {refresh for _, refresh in self.pairs[:-1]}
            return True

    def _grant(self, body: dict[str, Any]) -> tuple[int, object]:
        if body["grant_type"] == "refresh_token":
            known = [refresh for _, refresh in self.pairs]
            old = body["refresh_token"]
            if old not in known[-2:] or old in self.dead:
                return 400, {"error": "invalid_grant", "error_description": f"{old} is over"}
            self.dead |= set(known[: known.index(old)])
        elif body["subject_token"] not in self.id_tokens:
            return 400, {"error": "invalid_subject_token"}
        number = len(self.pairs) + 1
        self.pairs.append((f"shpat_access_{number}", f"shprt_refresh_{number}"))
        access, refresh = self.pairs[-1]
        return 200, {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": self.expires_in,
            "refresh_token_expires_in": 90 * 86_400,
            "scope": self.scope,
        }


@contextmanager
def token_server(fake: FakeTokens) -> Iterator[str]:
    """Serve it; yields where shops are, as SHOPIFY_ADMIN_URL says it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.addresses.append(self.path)
            status, said = fake.answer(body)
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After", "600")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                if fake.mode == "trickle":
                    for letter in text:
                        self.wfile.write(letter.encode())
                        self.wfile.flush()
                        time.sleep(0.6)
                else:
                    self.wfile.write(text.encode())
            except OSError:
                pass  # the caller has gone

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # with the library's 5, callers that come together wait a second for another try

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{shop}}"
    finally:
        fake._released.set()
        server.shutdown()
        server.server_close()
