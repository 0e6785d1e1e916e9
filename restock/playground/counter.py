"""Behind the counter of the demo store: seeding, stock by webhooks, who waits, what arrived. Development only.

Everything it changes goes the way Shopify and shoppers go; what it shows comes from the reports and the outbox.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from restock.config import Settings
from restock.errors import Fault, NotFoundError, ValidationError
from restock.links import Links
from restock.playground.outbox import OutboxMessage, OutboxReader
from restock.playground.shoppers import Crowd, Shopper
from restock.playground.store import (
    LOCATIONS,
    PRODUCTS,
    SHOP_DOMAIN,
    VARIANTS,
    level_body,
    opening_webhooks,
    product_body,
    settings_of_the_shop,
)
from restock.playground.webhooks import WebhookAnswer, WebhookSender
from restock.reports.rules import seconds_between
from restock.reports.service import ReportService
from restock.reports.values import MessageOrigin, Place
from restock.shops.service import ShopService
from restock.shops.values import PRESETS, Shop

OUTBOX_FOLDER = "outbox"  # below RESTOCK_DATA_DIR
LARGEST_STOCK = 999
MOST_SHOPPERS = 10
MOST_RESTOCKS = 50
PLANNING_SECONDS = 3.0  # a wave planned so soon after stock was raised was planned because of it
SEED_AGAIN_SECONDS = 20.0  # webhooks take a moment to be applied
_CLICK = re.compile(r"/c/([A-Za-z0-9_.-]{8,128})")


@dataclass
class _Seeding:
    """When this process last told the store's products, so that two visitors do not both do it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done_at: float = float("-inf")


@dataclass
class _Restocks:
    """When this process last raised each variant's stock: an event may see several restocks, a wave none."""

    levels: dict[tuple[int, int], int] = field(default_factory=dict)
    raised_at: dict[int, list[datetime]] = field(default_factory=dict)

    def note(self, variant_id: int, location_id: int, available: int, at: datetime) -> None:
        if available > self.levels.get((variant_id, location_id), 0):
            self.raised_at[variant_id] = [*self.raised_at.get(variant_id, []), at][-MOST_RESTOCKS:]
        self.levels[variant_id, location_id] = available

    def last_before(self, variant_id: int, moment: datetime) -> datetime | None:
        return max((at for at in self.raised_at.get(variant_id, ()) if at <= moment), default=None)


@dataclass(frozen=True)
class Counter:
    """What the playground's page can do and ask."""

    base_url: str
    settle_seconds: float
    shops: ShopService
    reports: ReportService
    links: Links
    sender: WebhookSender
    crowd: Crowd
    outbox: OutboxReader
    _seeding: _Seeding = field(default_factory=_Seeding)
    _restocks: _Restocks = field(default_factory=_Restocks)

    def open(self) -> Shop:
        """Find the demo shop, made and stocked where it is not yet; raises UnavailableError when the door is closed."""
        with self._seeding.lock:
            shop = self._shop_with_settings()
            if time.monotonic() - self._seeding.done_at > SEED_AGAIN_SECONDS:
                known = {stock.variant_id for stock in self.reports.shelf(shop)}
                for topic, body in self._missing_webhooks(known):
                    self.sender.send(topic, body)
                    self._seeding.done_at = time.monotonic()
            return shop

    def state(self, variant_id: int) -> dict[str, Any]:
        """Show stock and waiting people of every variant, and one variant's queue with reasons."""
        shop = self._shop()
        return {
            "policy": _preset_name(shop),
            "settle_seconds": self.settle_seconds,
            "variants": {
                str(stock.variant_id): {
                    "sellable": stock.sellable,
                    "units": stock.units,
                    "levels": {str(location): count for location, count in stock.levels.items()},
                    "waiting_count": stock.waiting_count,
                    "waiting_units": stock.waiting_units,
                }
                for stock in self.reports.shelf(shop)
                if stock.variant_id in VARIANTS
            },
            "queue": self._queue(shop, variant_id),
        }

    def set_stock(self, variant_id: int, location_id: int, available: int) -> WebhookAnswer:
        """Tell by a signed webhook how many units a location has; raises ValidationError with every fault."""
        faults = list(_stock_faults(variant_id, location_id, available))
        if faults:
            raise ValidationError("The stock cannot be set so.", faults=faults)
        _, variant = VARIANTS[variant_id]
        now = datetime.now(UTC)
        self._restocks.note(variant_id, location_id, available, now)
        body = level_body(variant, location_id, available, now)
        return self.sender.send("inventory_levels/update", body)

    def set_policy(self, name: str) -> None:
        """Choose how a restock is shared out, by the name of a preset."""
        self.shops.change_settings(SHOP_DOMAIN, {"policy": name})

    def shoppers(self, count: int) -> list[Shopper]:
        """Make sample shoppers; raises ValidationError above MOST_SHOPPERS."""
        if not 1 <= count <= MOST_SHOPPERS:
            fault = Fault("count", "OUT_OF_RANGE", f"must be between 1 and {MOST_SHOPPERS}")
            raise ValidationError("So many shoppers do not fit through the door.", faults=[fault])
        return self.crowd.next(count)

    def messages(self, after: int) -> list[dict[str, Any]]:
        """List the messages that arrived after one, oldest first, with their latency from the restock."""
        found = self.outbox.after(after)
        deliveries = {message.id: delivery for message in found if (delivery := self._delivery_of(message))}
        origins = self.reports.origins(self._shop(), list(deliveries.values())) if deliveries else {}
        return [
            _shown(message) | self._timing(message, origins.get(deliveries.get(message.id, 0))) for message in found
        ]

    def email_page(self, message_id: int) -> str:
        """Give one e-mail as HTML; raises NotFoundError."""
        message = self.outbox.find(message_id)
        if message is None or message.channel != "email" or not message.content["html"]:
            raise NotFoundError("This message is no longer in the outbox.")
        return str(message.content["html"])

    def _shop(self) -> Shop:
        shop = self.shops.find(SHOP_DOMAIN)
        if shop is None:
            raise NotFoundError("The playground has not been opened yet: visit /playground.")
        return shop

    def _shop_with_settings(self) -> Shop:
        wanted = settings_of_the_shop(self.base_url)
        shop = self.shops.find(SHOP_DOMAIN)
        if shop is not None and shop.settings.product_url_template == wanted["product_url_template"]:
            return shop
        if shop is not None:  # the address has changed since: pictures and links move with it, the policy stays
            wanted.pop("policy")
            self._seeding.done_at = float("-inf")
            for product in PRODUCTS:
                self.sender.send("products/update", product_body(product, self.base_url, datetime.now(UTC)))
        self.shops.add(SHOP_DOMAIN)
        return self.shops.change_settings(SHOP_DOMAIN, wanted)

    def _missing_webhooks(self, known: set[int]) -> Iterator[tuple[str, dict[str, object]]]:
        if not VARIANTS.keys() <= known:
            yield from opening_webhooks(self.base_url, datetime.now(UTC))

    def _queue(self, shop: Shop, variant_id: int) -> dict[str, Any]:
        answer = self.reports.waitlist(shop, variant_id, limit=50)
        return {
            "variant_id": str(variant_id),
            "now": asdict(answer.now),
            "waiting": [_place(place) for place in answer.waiting],
            "left": [_place(place) for place in answer.left],
        }

    def _delivery_of(self, message: OutboxMessage) -> int | None:
        found = _CLICK.search(_text_of(message))
        return self.links.read_click(found[1]) if found else None

    def _timing(self, message: OutboxMessage, origin: MessageOrigin | None) -> dict[str, Any]:
        if origin is None:
            return {"variant_id": None, "latency_seconds": None}
        arrived = datetime.fromisoformat(message.received_at)
        return {
            "variant_id": str(origin.variant_id),
            "latency_seconds": seconds_between(self._restock_behind(origin), arrived),
        }

    def _restock_behind(self, origin: MessageOrigin) -> datetime | None:
        """Find the moment a message's restock was sent; None where a turn came for another reason, a place given up."""
        raised_at = self._restocks.last_before(origin.variant_id, origin.turn_came_at)
        reach = timedelta(seconds=self.settle_seconds + PLANNING_SECONDS)
        if raised_at is not None and origin.turn_came_at - raised_at <= reach:
            return raised_at
        return origin.turn_came_at if origin.wave_number == 1 else None


def open_counter(settings: Settings, shops: ShopService, reports: ReportService, links: Links) -> Counter:
    """Put the counter together for this instance."""
    secret = settings.shopify_api_secret
    push_host = settings.push_extra_hosts[0] if settings.push_extra_hosts else None
    return Counter(
        base_url=settings.public_url,
        settle_seconds=settings.settle_seconds,
        shops=shops,
        reports=reports,
        links=links,
        sender=WebhookSender(_own_door(settings), secret.get_secret_value() if secret else "", SHOP_DOMAIN),
        crowd=Crowd(push_host),
        outbox=OutboxReader(settings.restock_data_dir / OUTBOX_FOLDER),
    )


def _own_door(settings: Settings) -> str:
    """Give the address this machine reaches itself at: never APP_URL, which may be a tunnel."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://{host}:{settings.port}"


def _stock_faults(variant_id: int, location_id: int, available: int) -> Iterator[Fault]:
    if variant_id not in VARIANTS:
        yield Fault("variant_id", "UNKNOWN_VARIANT", "must be one of the store's variants")
    if location_id not in {location.id for location in LOCATIONS}:
        yield Fault("location_id", "UNKNOWN_LOCATION", "must be one of the store's locations")
    if not 0 <= available <= LARGEST_STOCK:
        yield Fault("available", "OUT_OF_RANGE", f"must be between 0 and {LARGEST_STOCK}")


def _preset_name(shop: Shop) -> str:
    return next((name.value for name, policy in PRESETS.items() if policy == shop.settings.policy), "custom")


def _place(place: Place) -> dict[str, Any]:
    facts = place.facts
    return {
        "id": facts.subscription_id,
        "who": facts.masked_address,
        "channel": facts.channel,
        "quantity": facts.quantity,
        "state": facts.state,
        "position": place.position,
        "has_turn": facts.offer_state == "open",
        "reason": place.reason,
    }


def _text_of(message: OutboxMessage) -> str:
    content = message.content
    return str(content.get("text") or content.get("body") or json.dumps(content.get("payload") or ""))


def _shown(message: OutboxMessage) -> dict[str, Any]:
    """Leave out what the page does not show: an e-mail's HTML has an address of its own."""
    content = {key: value for key, value in message.content.items() if key not in ("html", "headers")}
    has_page = bool(message.content.get("html"))
    return {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "received_at": message.received_at,
        "has_page": has_page,
        **content,
    }
