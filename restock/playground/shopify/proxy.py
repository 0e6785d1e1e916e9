"""The app proxy: a shop's own address, behind which the app answers. Signed on the way in, stripped on both ways.

https://shopify.dev/docs/apps/build/online-store/app-proxies
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

import urllib3

from restock.playground.fake_http import Answer, Request

TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
PREFIX = "/apps/restock"
_FORWARDED = ("accept", "accept-language", "content-type", "user-agent", "origin", "if-none-match")
_STRIPPED = frozenset(
    {
        "accept-patch", "accept-ranges", "connection", "cookie", "date", "delta-base", "im", "p3p", "pragma",
        "preference-applied", "proxy-authenticate", "public-key-pins", "server", "service-worker-allowed", "set-cookie",
        "trailer", "tk", "warning", "x-powered-by", "transfer-encoding", "content-length", "content-encoding",
        "keep-alive",
    }
)  # fmt: skip


@dataclass(frozen=True)
class AppProxy:
    """Forwards to `APP_URL/proxy`. `customer_id` is who is logged in; empty: nobody."""

    app_url: str
    secret: str
    clock: Callable[[], float] = time.time
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=False))

    def close(self) -> None:
        """Close the connections to the app; the next request opens others."""
        self._pool.clear()

    def forward(self, domain: str, path: str, request: Request, customer_id: str = "") -> Answer:
        """Pass one request on; `path` is what stands behind PREFIX."""
        query = signed_query(
            parse_qsl(request.query, keep_blank_values=True), domain, customer_id, self.clock(), self.secret
        )
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        headers |= {"X-Forwarded-Host": domain, "X-Forwarded-For": "127.0.0.1"}
        url = f"{self.app_url}/proxy{path}?{query}"
        try:
            answer = self._pool.request(request.method, url, body=request.body or None, headers=headers)
        except urllib3.exceptions.HTTPError:
            return Answer(
                502, b"<h1>There was an error in the third-party application.</h1>", {"Content-Type": "text/html"}
            )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _STRIPPED}
        return Answer(answer.status, answer.data, kept)


def signed_query(given: Iterable[tuple[str, str]], domain: str, customer_id: str, now: float, secret: str) -> str:
    """Write the query that the app receives: what the shopper's had, what Shopify adds, and the signature over both."""
    added = {"shop": domain, "logged_in_customer_id": customer_id, "path_prefix": PREFIX, "timestamp": str(int(now))}
    pairs = [(name, value) for name, value in given if name not in {*added, "signature"}] + list(added.items())
    return urlencode([*pairs, ("signature", proxy_signature(pairs, secret))])


def proxy_signature(pairs: Iterable[tuple[str, str]], secret: str) -> str:
    """Sign parameters: sorted `key=value` without separators, the values of a repeated key joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    text = "".join(sorted(f"{name}={','.join(found)}" for name, found in values.items()))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
