"""What merchants, shoppers and Shopify do in the fake's shops: each deed changes the memory and sends its webhooks.

A deed returns the webhooks it put on their way, in no order. Every id must be the shop's own, or UnknownThingError.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from restock.playground.shopify import payloads
from restock.playground.shopify.payloads import Body
from restock.playground.shopify.sender import Delivery, WebhookSender
from restock.playground.shopify.state import Customer, Order, Shop, UnknownThingError, Variant, World
from restock.playground.shopify.tokens import TokenDesk

HOOK_PATH = "/webhooks/shopify"
FIRST_ORDER = 1001
COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
# What the app's own file subscribes to; other topics go out where a shop subscribed through the API.
APP_TOPICS = frozenset(
    {
        *("inventory_levels/update", "inventory_levels/connect", "inventory_levels/disconnect"),
        *("inventory_items/update", "variants/in_stock", "variants/out_of_stock", "products/update", "products/delete"),
        *("products/create", "app/uninstalled", "app/scopes_update", "app_subscriptions/update", "shop/update"),
        *COMPLIANCE_TOPICS,
    }
)


class CannotError(Exception):
    """The deed cannot be done; the message says why."""


@dataclass(frozen=True)
class Cart:
    """What a shopper buys: one variant, and how they can be reached."""

    variant_id: int
    quantity: int = 1
    email: str | None = None
    phone: str | None = None


@dataclass
class Deeds:
    """The deeds. `app_url` is where the app's webhooks go."""

    world: World
    sender: WebhookSender
    desk: TokenDesk
    app_url: str

    def announce(self, domain: str) -> list[Delivery]:
        """Tell of every product and level, as if all had just been saved."""
        with self.world.looked_at(domain) as shop:
            now = datetime.now(UTC)
            found = [("products/update", payloads.product_body(shop, product)) for product in shop.products.values()]
            for item in shop.items.values():
                found += [("inventory_levels/update", payloads.level_body(item, place, now)) for place in item.levels]
            return self._send(shop, found)

    def set_level(self, domain: str, variant_id: int, location_id: int, available: int | None) -> list[Delivery]:
        """Say how many units a location has of a variant's item; None: it no longer stocks it."""
        with self.world.changing(domain) as shop:
            variant, place = shop.variant(variant_id), shop.location(location_id)
            item = shop.item_of(variant)
            was_stocked = item.levels.get(place.id) is not None
            was_for_sale = {one.id: shop.is_for_sale(one) for one in shop.sharers_of(item.id)}
            item.levels[place.id] = available
            now = datetime.now(UTC)
            if available is None:
                news = [("inventory_levels/disconnect", payloads.disconnected_body(item, place.id))]
            else:
                topic = "inventory_levels/update" if was_stocked else "inventory_levels/connect"
                news = [(topic, payloads.level_body(item, place.id, now))]
            return self._send(shop, [*news, *_edges(shop, was_for_sale)])

    def change_product(self, domain: str, product_id: int, changes: Mapping[str, object]) -> list[Delivery]:
        """Change fields of a product: status, is_published, hidden_in, title and so on."""
        with self.world.changing(domain) as shop:
            _assign(shop.product(product_id), changes)
            return self._send(shop, [("products/update", payloads.product_body(shop, shop.products[product_id]))])

    def delete_product(self, domain: str, product_id: int) -> list[Delivery]:
        """Delete a product with its variants."""
        with self.world.changing(domain) as shop:
            shop.product(product_id)
            for variant in shop.variants_of(product_id):
                del shop.variants[variant.id]
            del shop.products[product_id]
            return self._send(shop, [("products/delete", payloads.deleted_product_body(product_id))])

    def change_variant(self, domain: str, variant_id: int, changes: Mapping[str, object]) -> list[Delivery]:
        """Change fields of a variant (policy, price_cents, title …) or of its item (tracked, sku)."""
        with self.world.changing(domain) as shop:
            variant = shop.variant(variant_id)
            item = shop.item_of(variant)
            was_for_sale = {one.id: shop.is_for_sale(one) for one in shop.sharers_of(item.id)}
            of_item = {name: value for name, value in changes.items() if name in ("tracked", "sku")}
            _assign(item, of_item)
            _assign(variant, {name: value for name, value in changes.items() if name not in of_item})
            product = shop.product(variant.product_id)
            product.updated_at = variant.updated_at
            news = [("products/update", payloads.product_body(shop, product))]
            if of_item:
                news.append(("inventory_items/update", payloads.item_body(item, variant.updated_at)))
            return self._send(shop, [*news, *_edges(shop, was_for_sale)])

    def buy(self, domain: str, cart: Cart) -> tuple[Order, list[Delivery]]:
        """Place a paid order; the fullest location sends it. Raises CannotError where stock does not suffice."""
        with self.world.changing(domain) as shop:
            variant = shop.variant(cart.variant_id)
            levels = shop.item_of(variant).levels
            place = max(levels, key=lambda one: levels[one] or 0, default=None)
            held = (levels[place] or 0) if place is not None else 0
            if shop.item_of(variant).tracked and variant.policy == "deny" and held < cart.quantity:
                raise CannotError("No location has so many units.")
            order = self._order(shop, cart)
            fallen = [] if place is None else self.set_level(domain, variant.id, place, held - cart.quantity)
            news = [
                ("orders/create", payloads.order_body(shop, order, paid=False)),
                ("orders/paid", payloads.order_body(shop, order, paid=True)),
            ]
            return order, [*fallen, *self._send(shop, news)]

    def change_shop(self, domain: str, changes: Mapping[str, object]) -> list[Delivery]:
        """Change what the shop says of itself: name, currency, country, time_zone."""
        with self.world.changing(domain) as shop:
            _assign(shop, changes)
            return self._send(shop, [("shop/update", payloads.shop_body(shop))])

    def change_scopes(self, domain: str, scopes: Iterable[str]) -> list[Delivery]:
        """Let the merchant grant other scopes; tokens handed out from now on have them, and those in use too."""
        with self.world.changing(domain) as shop:
            before, shop.scopes = shop.scopes, frozenset(scopes)
            for pair in shop.tokens:
                pair.scopes = shop.scopes
            return self._send(shop, [("app/scopes_update", payloads.scopes_body(shop, before, datetime.now(UTC)))])

    def uninstall(self, domain: str) -> list[Delivery]:
        """Remove the app: its tokens and subscriptions are over at once."""
        with self.world.changing(domain) as shop:
            sent = self._send(shop, [("app/uninstalled", payloads.shop_body(shop))])
            shop.is_installed = False
            shop.tokens.clear()
            shop.subscriptions.clear()
            return sent

    def install(self, domain: str) -> None:
        """Let the merchant install the app again; the app hears of it when it is opened with an ID token."""
        with self.world.changing(domain) as shop:
            shop.is_installed = True

    def comply(self, domain: str, topic: str, email: str | None, phone: str | None) -> list[Delivery]:
        """Send one of COMPLIANCE_TOPICS, about the customer with an address."""
        if topic not in COMPLIANCE_TOPICS:
            raise CannotError(f"The topic must be one of {', '.join(COMPLIANCE_TOPICS)}.")
        with self.world.looked_at(domain) as shop:
            return self._send(
                shop, [(topic, payloads.compliance_body(shop, topic, email, phone, self.world.next_id()))]
            )

    def send(self, domain: str, topic: str, body: Mapping[str, object]) -> list[Delivery]:
        """Send any webhook as it is given."""
        with self.world.looked_at(domain) as shop:
            return self._sent(shop, topic, self.app_url + HOOK_PATH, dict(body), str(uuid.uuid4()))

    def _order(self, shop: Shop, cart: Cart) -> Order:
        customer = self._customer(shop, cart)
        order = Order(
            id=self.world.next_id(),
            line_id=self.world.next_id(),
            number=FIRST_ORDER + len(shop.orders),
            variant_id=cart.variant_id,
            quantity=cart.quantity,
            email=cart.email,
            phone=cart.phone,
            customer_id=customer.id if customer else None,
            ordered_at=datetime.now(UTC),
        )
        shop.orders[order.id] = order
        return replace(order)

    def _customer(self, shop: Shop, cart: Cart) -> Customer | None:
        if not cart.email and not cart.phone:
            return None
        customer = shop.customer_with(cart.email, cart.phone)
        if customer is None:
            customer = Customer(self.world.next_id(), cart.email, cart.phone)
            shop.customers[customer.id] = customer
        return customer

    def _send(self, shop: Shop, news: Iterable[tuple[str, Body]]) -> list[Delivery]:
        """Send the webhooks of one deed: one event id for all."""
        event_id = str(uuid.uuid4())
        sent: list[Delivery] = []
        for topic, body in news:
            for uri in self._addresses(shop, topic):
                sent += self._sent(shop, topic, uri, body, event_id)
        return sent

    def _sent(self, shop: Shop, topic: str, uri: str, body: Body, event_id: str) -> list[Delivery]:
        delivery = self.sender.send(shop.domain, topic, uri, body, event_id)
        return [delivery] if delivery else []

    def _addresses(self, shop: Shop, topic: str) -> list[str]:
        if not shop.is_installed and topic not in COMPLIANCE_TOPICS:
            return []
        wanted = topic.replace("/", "_").upper()
        found = {one.uri for one in shop.subscriptions.values() if one.topic == wanted}
        if topic in APP_TOPICS or (not found and shop.sends_orders and topic.startswith("orders/")):
            found.add(self.app_url + HOOK_PATH)
        return sorted(self.app_url + uri if uri.startswith("/") else uri for uri in found)


def _edges(shop: Shop, was_for_sale: Mapping[int, bool]) -> list[tuple[str, Body]]:
    """Tell of variants that came into stock or went out of it."""

    def news(variant: Variant) -> tuple[str, Body]:
        return ("variants/in_stock" if shop.is_for_sale(variant) else "variants/out_of_stock"), payloads.variant_body(
            shop, variant
        )

    changed = [shop.variants[one] for one, was in was_for_sale.items() if shop.is_for_sale(shop.variants[one]) != was]
    return [news(variant) for variant in changed]


def _assign(thing: object, changes: Mapping[str, object]) -> None:
    for name, value in changes.items():
        if not hasattr(thing, name) or name in ("id", "domain"):
            raise UnknownThingError(f"no {name} to change here")
        setattr(thing, name, set(value) if name == "hidden_in" and isinstance(value, list) else value)
    if hasattr(thing, "updated_at"):
        thing.updated_at = datetime.now(UTC)
