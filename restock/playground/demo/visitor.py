"""Everything the demo does, over public HTTP: shoppers' posts, the merchant's stock, the page's own questions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from restock.playground.shopify.sender import WebhookAnswer
from restock.playground.store import LOCATIONS, SHOP_DOMAIN, VARIANTS

TIMEOUT_SECONDS = 10.0
STOCKED_SECONDS = 60.0  # on a slow machine the workers come up well after the web
_ARRIVALS = ((0, 2), (1, 3), (3, 1), (2, 1), (4, 1))  # who comes in when, by their place among the sample; units wanted


class VisitError(Exception):
    """An answer was not the one expected; the message names the request and the status."""


@dataclass(frozen=True, slots=True)
class Person:
    """One shopper of the story. `address` is how the outbox names them."""

    name: str
    channel: str
    quantity: int
    customer: Mapping[str, Any]

    @property
    def address(self) -> str:
        """Give the e-mail address, the number in E.164, or the last part of the push endpoint."""
        if self.channel == "sms":
            return f"+{self.customer['phone']}"
        if self.channel == "push":
            return str(self.customer["push"]["endpoint"]).rpartition("/")[2]
        return str(self.customer["email"])


class Visitor:
    """Talk to one instance."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False)

    def close(self) -> None:
        """Close the connections; the next question opens others."""
        self._pool.clear()

    def open_store(self) -> None:
        """Visit the page, which stocks the shelves; wait until they are."""
        self._request("GET", "/playground")
        deadline = time.monotonic() + STOCKED_SECONDS
        while len(self._request("GET", "/playground/state")["variants"]) < len(VARIANTS):
            if time.monotonic() > deadline:
                raise VisitError("the products did not reach the catalog")
            time.sleep(0.1)

    def people(self) -> list[Person]:
        """Meet five sample shoppers on three channels; the first wants 2 units, the second 3."""
        found = self._request("POST", "/playground/shoppers", {"count": len(_ARRIVALS)})["shoppers"]
        return [
            Person(found[place]["customer"]["name"], found[place]["channel"], quantity, found[place]["customer"])
            for place, quantity in _ARRIVALS
        ]

    def join(self, person: Person, variant_id: int) -> float:
        """Leave one person's intent; return the milliseconds to the 201."""
        product, _ = VARIANTS[variant_id]
        intent = {
            "shopify_variant_id": variant_id,
            "shopify_product_id": product.id,
            "channel": person.channel,
            "quantity": person.quantity,
            "source": "api",
        }
        started = time.perf_counter()
        body = {"intent": intent, "customer": dict(person.customer)}
        self._request("POST", "/api/v1/intents.json", body, {"X-Shopify-Shop-Domain": SHOP_DOMAIN}, expected=201)
        return (time.perf_counter() - started) * 1000

    def restock(self, variant_id: int, available: int) -> WebhookAnswer:
        """Say at the store's Shopify how many units the first location has now; it sends a signed webhook."""
        stock = {"variant_id": variant_id, "location_id": LOCATIONS[0].id, "available": available}
        told = self._request("POST", "/playground/stock", stock)
        if told["status"] != 200:
            raise VisitError(f"the webhook was answered {told['status']}")
        return WebhookAnswer(told["topic"], told["webhook_id"], told["status"], told["milliseconds"])

    def admin_calls(self) -> int | None:
        """Count the questions that the shop's Admin API was asked; None while the store has given no access."""
        shopify = self._request("GET", "/playground/state")["shopify"]
        return int(shopify["admin_calls"]) if shopify and shopify["access"] == "granted" else None

    def received(self, after: int) -> list[dict[str, Any]]:
        """List the messages that arrived after one, oldest first."""
        messages: list[dict[str, Any]] = self._request("GET", f"/playground/outbox?after={after}")["messages"]
        return messages

    def waiting(self, variant_id: int) -> list[dict[str, Any]]:
        """List the places of a variant's queue, in order, each with its reason."""
        places: list[dict[str, Any]] = self._request("GET", f"/playground/state?variant={variant_id}")["queue"][
            "waiting"
        ]
        return places

    def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        expected: int = 200,
    ) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(
                method, self._url + path, body=raw, headers={"Content-Type": "application/json", **(headers or {})}
            )
        except urllib3.exceptions.HTTPError:
            raise VisitError(f"{method} {path} got no answer") from None
        if answer.status != expected:
            raise VisitError(
                f"{method} {path} was answered {answer.status}: {answer.data[:300].decode(errors='replace')}"
            )
        return json.loads(answer.data) if "json" in answer.headers.get("Content-Type", "") else None
