"""Behind the counter of the demo store: seeding, stock by webhooks, who waits, what arrived. Development only.

Everything it changes goes the way Shopify and shoppers go; what it shows comes from the reports and the outbox.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from restock.config import Settings
from restock.errors import ConflictError, Fault, NotFoundError, UnavailableError, ValidationError
from restock.links import Links
from restock.playground.opening import Opening, opening_at
from restock.playground.outbox import OutboxMessage, OutboxReader
from restock.playground.shopify.control import panel
from restock.playground.shopify.control.client import ControlRefusedError, ShopifyAwayError
from restock.playground.shoppers import Crowd, Shopper
from restock.playground.store import LOCATIONS, SHOP_DOMAIN, VARIANTS
from restock.reports.rules import seconds_between
from restock.reports.service import ReportService
from restock.reports.values import MessageOrigin
from restock.reports.values.standing import Place
from restock.shops.service import ShopService
from restock.shops.service.tokens import TokenService
from restock.shops.values import PRESETS, Shop

OUTBOX_FOLDER = "outbox"  # below RESTOCK_DATA_DIR
LARGEST_STOCK = 999
MOST_SHOPPERS = 10
MOST_RESTOCKS = 50
PLANNING_SECONDS = 3.0  # a wave planned so soon after stock was raised was planned because of it
_UNKNOWN_VARIANT = Fault("variant_id", "UNKNOWN_VARIANT", "must be one of the store's variants")
_CLICK = re.compile(r"/c/([A-Za-z0-9_.-]{8,128})")


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

    settle_seconds: float
    shops: ShopService
    reports: ReportService
    links: Links
    opening: Opening
    crowd: Crowd
    outbox: OutboxReader
    _restocks: _Restocks = field(default_factory=_Restocks)

    def open(self) -> Shop:
        """Find the demo shop, made where it is not yet; raises UnavailableError while its Shopify is away."""
        return self.opening.open(self._known(self.shops.find(SHOP_DOMAIN)))

    def state(self, variant_id: int) -> dict[str, Any]:
        """Show stock and waiting people of every variant, one variant's queue with reasons, and how Shopify does."""
        shop = self._stocked()
        levels, shopify = self._at_shopify(shop)
        return {
            "policy": _preset_name(shop),
            "settle_seconds": self.settle_seconds,
            "variants": {
                str(stock.variant_id): {
                    "sellable": stock.sellable,
                    "units": stock.units,
                    "levels": levels.get(str(stock.variant_id))
                    or {str(location): count for location, count in stock.levels.items()},
                    "waiting_count": stock.waiting_count,
                    "waiting_units": stock.waiting_units,
                }
                for stock in self.reports.shelf(shop)
                if stock.variant_id in VARIANTS
            },
            "queue": self._queue(shop, variant_id),
            "shopify": shopify,
        }

    def set_stock(self, variant_id: int, location_id: int, available: int) -> dict[str, Any]:
        """Say at Shopify how many units a location has; raises ValidationError with every fault.

        Returns the webhook's topic, and status and milliseconds of its answer: None for one that is late or lost.
        """
        faults = list(_stock_faults(variant_id, location_id, available))
        if faults:
            raise ValidationError("The stock cannot be set so.", faults=faults)
        with _understood():
            sent = self.opening.shopify.set_level(SHOP_DOMAIN, variant_id, location_id, available)
        self._restocks.note(variant_id, location_id, available, datetime.now(UTC))
        return sent[0] if sent else {"topic": "inventory_levels/update", "status": None, "milliseconds": None}

    def buy(self, variant_id: int, email: str | None, phone: str | None) -> dict[str, Any]:
        """Buy one unit as whoever has an address, or as a stranger; returns the order's id and number.

        Raises ConflictError where none is left.
        """
        if variant_id not in VARIANTS:
            raise ValidationError("There is nothing to buy.", faults=[_UNKNOWN_VARIANT])
        with _understood():
            done = self.opening.shopify.buy(SHOP_DOMAIN, variant_id, email=email, phone=phone)
        order: dict[str, Any] = done["order"]
        return order

    def set_shopify(self, change: Mapping[str, Any]) -> None:
        """Change how Shopify behaves, by the words of the panel; raises ValidationError for others."""
        wanted: dict[str, object] = {}
        for name, words in (("webhooks", panel.WEBHOOKS), ("api", panel.API)):
            if name in change and change[name] not in words:
                fault = Fault(name, "UNKNOWN_WORD", f"must be one of {', '.join(words)}")
                raise ValidationError("Shopify cannot behave so.", faults=[fault])
            wanted |= words.get(change.get(name, ""), {})
        with _understood():
            if wanted:
                self.opening.shopify.faults(**wanted)
            if "lag" in change:
                self.opening.shopify.lag(SHOP_DOMAIN, on=bool(change["lag"]))
            if change.get("installed") is False:
                self.opening.shopify.uninstall(SHOP_DOMAIN)
            if change.get("installed") is True:
                self.opening.reinstall()

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
        origins = self.reports.origins(self.opening.find(), list(deliveries.values())) if deliveries else {}
        return [
            _shown(message) | self._timing(message, origins.get(deliveries.get(message.id, 0))) for message in found
        ]

    def email_page(self, message_id: int) -> str:
        """Give one e-mail as HTML; raises NotFoundError."""
        message = self.outbox.find(message_id)
        if message is None or message.channel != "email" or not message.content["html"]:
            raise NotFoundError("This message is no longer in the outbox.")
        return str(message.content["html"])

    def _stocked(self) -> Shop:
        """Find the shop; opened again while something is missing, for its Shopify may have come up after the page."""
        shop = self.shops.find(SHOP_DOMAIN)
        known = self._known(shop)
        return shop if shop and VARIANTS.keys() <= known else self.opening.open(known)

    def _known(self, shop: Shop | None) -> set[int]:
        return {stock.variant_id for stock in self.reports.shelf(shop)} if shop else set()

    def _at_shopify(self, shop: Shop) -> tuple[dict[str, dict[str, int]], dict[str, Any] | None]:
        """Ask for the store's own levels, and how Shopify behaves; None while it is away."""
        try:
            there, overview = self.opening.shopify.shop(SHOP_DOMAIN), self.opening.shopify.overview()
        except (ShopifyAwayError, ControlRefusedError):
            return {}, None
        return there["levels"], {
            "webhooks": panel.word_for(panel.WEBHOOKS, overview["faults"]),
            "api": panel.word_for(panel.API, overview["faults"]),
            "lag": there["is_lagging"],
            "installed": there["is_installed"],
            "access": shop.access,
            "sent_count": overview["webhooks"]["sent_count"],
            "lost_count": overview["webhooks"]["lost_count"],
            "admin_calls": overview["admin_calls"],
        }

    def _queue(self, shop: Shop, variant_id: int) -> dict[str, Any]:
        answer = self.reports.waitlist(shop, variant_id, limit=50)
        return {
            "variant_id": str(variant_id),
            "sellable": answer.now.sellable,
            "free_units": answer.now.free_units,
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


def open_counter(
    settings: Settings, shops: ShopService, tokens: TokenService, reports: ReportService, links: Links
) -> Counter:
    """Put the counter together for this instance."""
    push_host = settings.push_extra_hosts[0] if settings.push_extra_hosts else None
    return Counter(
        settle_seconds=settings.settle_seconds,
        shops=shops,
        reports=reports,
        links=links,
        opening=opening_at(settings, shops, tokens),
        crowd=Crowd(push_host),
        outbox=OutboxReader(settings.restock_data_dir / OUTBOX_FOLDER),
    )


@contextmanager
def _understood() -> Iterator[None]:
    """Say what the fake Shopify says, in the program's own errors."""
    try:
        yield
    except ShopifyAwayError as error:
        raise UnavailableError(str(error)) from None
    except ControlRefusedError as error:
        raise ConflictError(str(error)) from None


def _stock_faults(variant_id: int, location_id: int, available: int) -> Iterator[Fault]:
    if variant_id not in VARIANTS:
        yield _UNKNOWN_VARIANT
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
