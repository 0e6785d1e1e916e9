"""Talks to the control API of a fake Shopify, here or in another process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import urllib3

TIMEOUT = urllib3.Timeout(connect=2.0, read=15.0)
Json = dict[str, Any]


class ShopifyAwayError(Exception):
    """The fake Shopify does not answer."""


class ControlRefusedError(Exception):
    """The fake Shopify said no; the message is its own."""


@dataclass(frozen=True)
class ShopifyControl:
    """One fake Shopify, at an address without a trailing slash.

    Every method raises ShopifyAwayError or ControlRefusedError. A deed returns the webhooks it sent, each with
    `topic, webhook_id, status, milliseconds`; the last two are None for one that is late.
    """

    url: str
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=False))

    def close(self) -> None:
        """Close the connections; the next question opens others."""
        self._pool.clear()

    def overview(self) -> Json:
        """Ask for faults, counts and the shops."""
        return self._ask("GET", "/control")

    def shop(self, domain: str) -> Json:
        """Ask for everything of a shop but its tokens."""
        return self._ask("GET", f"/control/shops/{domain}")

    def add_shop(self, domain: str, *, seed: bool = False, **facts: object) -> Json:
        """Open a shop; `seed`: with the playground's goods."""
        return self._ask("POST", "/control/shops", {"domain": domain, "seed": seed, **facts})

    def faults(self, **faults: object) -> Json:
        """Change copies, delay_seconds, is_lost, is_shuffled, throttled or outage."""
        return self._ask("POST", "/control/faults", faults)

    def trouble(self, name: str, times: int = 1, seconds: float = 0.0, where: str | None = None) -> None:
        """Let the next requests meet trouble (restock.playground.shopify.troubles.NAMES)."""
        self._ask("POST", "/control/troubles", {"name": name, "times": times, "seconds": seconds, "where": where})

    def bucket(self, **changes: object) -> None:
        """Change holds and restores of every shop's points, or empty them."""
        self._ask("POST", "/control/bucket", changes)

    def open(self, domain: str, store_url: str) -> Json:
        """Say where a shop's pages and pictures are."""
        return self.deed(domain, "open", store_url=store_url)

    def announce(self, domain: str) -> list[Json]:
        """Let every product and level be told."""
        return self.webhooks(domain, "announce")

    def set_level(self, domain: str, variant_id: int, location_id: int, available: int | None) -> list[Json]:
        """Say how many units a location has; None: it does not stock the variant."""
        return self.webhooks(domain, "levels", variant_id=variant_id, location_id=location_id, available=available)

    def buy(self, domain: str, variant_id: int, quantity: int = 1, **customer: object) -> Json:
        """Place an order; `customer` has email or phone. Returns `order` and `webhooks`."""
        return self.deed(domain, "orders", variant_id=variant_id, quantity=quantity, **customer)

    def lag(self, domain: str, *, on: bool) -> None:
        """Let the online quantities lag behind, or be true again."""
        self.deed(domain, "lag", on=on)

    def id_token(self, domain: str, **claims: object) -> str:
        """Mint an ID token as the admin gives it to an embedded app."""
        return str(self.deed(domain, "id-token", **claims)["id_token"])

    def uninstall(self, domain: str) -> list[Json]:
        """Remove the app from a shop."""
        return self.webhooks(domain, "uninstall")

    def install(self, domain: str) -> None:
        """Let a shop have the app again."""
        self.deed(domain, "install")

    def webhooks(self, domain: str, name: str, /, **body: object) -> list[Json]:
        """Do a deed and return its webhooks."""
        return list(self.deed(domain, name, **body)["webhooks"])

    def deed(self, domain: str, name: str, /, **body: object) -> Json:
        """Do any deed of the control API in a shop."""
        return self._ask("POST", f"/control/shops/{domain}/{name}", body)

    def _ask(self, method: str, path: str, body: object = None) -> Json:
        raw = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, self.url + path, body=raw, headers={"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError:
            raise ShopifyAwayError("The store's Shopify does not answer: start the whole program.") from None
        told: Json = json.loads(answer.data or b"null") or {}
        if answer.status != 200:
            raise ControlRefusedError(str(told.get("error", f"It was answered {answer.status}.")))
        return told
