"""A fake Shopify in this process, and a door for its webhooks that answers as a test says."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from restock.playground.fake_http import Answer, FakePeer, Request
from restock.playground.shopify.control.client import ShopifyControl
from restock.playground.shopify.goods import playground_shop
from restock.playground.shopify.server import App, FakeShopify
from restock.playground.shopify.tokens import EXCHANGE, ID_TOKEN, OFFLINE_TOKEN
from restock.playground.store import SHOP_DOMAIN

KEY, SECRET = "the-app", "a-client-secret-for-tests-only-0001"


class Door(FakePeer):
    """Take webhooks and proxied requests; `statuses` are answered in turn, then 200."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: deque[int] = deque()
        self.reply = Answer(200, {"ok": True})

    def respond(self, request: Request) -> Answer:
        return Answer(self.statuses.popleft()) if self.statuses else self.reply

    def heard(self, topic: str | None = None) -> list[Request]:
        """List what came, of one topic or all."""
        return [one for one in list(self.requests) if topic in (None, one.headers.get("x-shopify-topic"))]

    def wait_for(self, count: int, topic: str | None = None) -> list[Request]:
        """Wait until so many came."""
        deadline = time.monotonic() + 60
        while len(self.heard(topic)) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        found = self.heard(topic)
        assert len(found) >= count
        return found


@dataclass
class Clock:
    """Seconds that pass when told to."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Shopify:
    """The fake as the app sees it."""

    server: FakeShopify
    door: Door
    clock: Clock

    @property
    def control(self) -> ShopifyControl:
        return ShopifyControl(self.server.url)

    def post(self, path: str, body: object, **headers: str) -> urllib3.BaseHTTPResponse:
        url = f"{self.server.url}/{SHOP_DOMAIN}{path}"
        return urllib3.request("POST", url, json=body, headers=headers, timeout=60, retries=False)

    def token(self, **asked: object) -> tuple[int, dict[str, Any]]:
        """Ask the token endpoint."""
        body = {"client_id": KEY, "client_secret": SECRET} | asked
        answer = self.post("/admin/oauth/access_token", body)
        return answer.status, answer.json()

    def exchange(self, **changes: object) -> tuple[int, dict[str, Any]]:
        """Exchange a fresh ID token."""
        asked: dict[str, object] = {
            "grant_type": EXCHANGE,
            "subject_token": self.control.id_token(SHOP_DOMAIN),
            "subject_token_type": ID_TOKEN,
            "requested_token_type": OFFLINE_TOKEN,
            "expiring": 1,
        }
        return self.token(**asked | changes)

    def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        """Ask for the next pair."""
        return self.token(grant_type="refresh_token", refresh_token=token)

    def ask(self, query: str, token: str | None = None, **variables: object) -> dict[str, Any]:
        """Put one GraphQL question; expects HTTP 200."""
        token = token or self.exchange()[1]["access_token"]
        answer = self.graphql(token, json.dumps({"query": query, "variables": variables}))
        assert answer.status == 200, answer.data
        found: dict[str, Any] = answer.json()
        return found

    def graphql(self, token: str, body: str = '{"query": "{ shop { name } }"}') -> urllib3.BaseHTTPResponse:
        url = f"{self.server.url}/{SHOP_DOMAIN}/admin/api/2026-10/graphql.json"
        headers = {"X-Shopify-Access-Token": token, "Content-Type": "application/json"}
        return urllib3.request("POST", url, body=body, headers=headers, timeout=60, retries=False)


@pytest.fixture
def make_shopify() -> Iterator[Callable[..., Shopify]]:
    """Start fakes with options of their own; each has a door."""
    started: list[FakePeer] = []

    def make(**options: Any) -> Shopify:
        door, clock = Door(), Clock()
        given: dict[str, Any] = {"shops": [playground_shop()], "retry_seconds": (0.02,) * 8, "clock": clock} | options
        server = FakeShopify(App(door.url, KEY, SECRET), **given)
        for peer in (door, server):
            peer.start()
            started.append(peer)
        return Shopify(server, door, clock)

    yield make
    for peer in started:
        peer.close()


@pytest.fixture
def shopify(make_shopify: Callable[..., Shopify]) -> Shopify:
    """A fake Shopify with the playground's shop."""
    return make_shopify()
