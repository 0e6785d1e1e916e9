"""What the fake Shopify remembers: shops and everything they hold. Plain words; whoever changes them holds the lock.

Ids are Shopify's numbers. Nothing here sends or answers anything.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

Key = TypeVar("Key", int, str)
Thing = TypeVar("Thing")
FIRST_ID = 9_007_199_254_741_001  # beyond 2^53, as Shopify's ids may be
DEFAULT_SCOPES = frozenset({"read_products", "read_inventory", "write_app_proxy"})


class UnknownThingError(Exception):
    """The fake has no such shop, variant or location; the message names it."""


@dataclass
class Location:
    """A place that holds stock."""

    id: int
    name: str
    is_active: bool = True
    fulfills_online_orders: bool = True


@dataclass
class Item:
    """An inventory item; several variants may share it. `levels` is by location; None: not stocked there."""

    id: int
    sku: str = ""
    tracked: bool = True
    levels: dict[int, int | None] = field(default_factory=dict)


@dataclass
class Product:
    """One product. `is_published`: it has a page on the online store; `hidden_in` are countries that do not see it."""

    id: int
    title: str
    handle: str
    vendor: str = "Restock"
    text: str = ""
    option: str = "Title"
    status: str = "active"  # active, draft, archived, unlisted
    is_published: bool = True
    picture: str | None = None  # below the store's address
    hidden_in: set[str] = field(default_factory=set)
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Variant:
    """One variant. `policy` is deny or continue; `country_prices` in cents, of the shop's own currency."""

    id: int
    product_id: int
    item_id: int
    title: str
    price_cents: int = 1000
    policy: str = "deny"
    picture: str | None = None
    country_prices: dict[str, int] = field(default_factory=dict)
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Consent:
    """One customer's word on marketing, in Shopify's capitals."""

    state: str = "NOT_SUBSCRIBED"
    level: str | None = None
    updated_at: str | None = None


@dataclass
class Customer:
    """One customer of a shop."""

    id: int
    email: str | None = None
    phone: str | None = None
    email_consent: Consent = field(default_factory=Consent)
    sms_consent: Consent = field(default_factory=Consent)
    tags: list[str] = field(default_factory=list)


@dataclass
class TopicSubscription:
    """A webhook subscription made through the Admin API; `topic` as in the schema: ORDERS_CREATE."""

    id: int
    topic: str
    uri: str


@dataclass
class Order:
    """One order of one variant."""

    id: int
    line_id: int
    number: int
    variant_id: int
    quantity: int
    email: str | None
    phone: str | None
    customer_id: int | None
    ordered_at: datetime


@dataclass
class Pair:
    """An access token, and the refresh token that came with it (None: the access token never ends)."""

    access_token: str
    refresh_token: str | None
    scopes: frozenset[str]
    expires_at: float | None
    refresh_expires_at: float | None = None
    replaces: str | None = None  # the refresh token that was given for this pair


@dataclass
class Shop:
    """One shop. `store_url`: where its pages are (None: at its domain). `lagging`: quantities shown as they were."""

    id: int
    domain: str
    name: str
    currency: str = "EUR"
    country: str = "DE"
    time_zone: str = "Europe/Berlin"
    store_url: str | None = None
    is_installed: bool = True
    sends_orders: bool = False  # without a subscription of its own
    scopes: frozenset[str] = DEFAULT_SCOPES
    locations: dict[int, Location] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    variants: dict[int, Variant] = field(default_factory=dict)
    customers: dict[int, Customer] = field(default_factory=dict)
    subscriptions: dict[int, TopicSubscription] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    tokens: list[Pair] = field(default_factory=list)
    lagging: dict[int, int] | None = None

    @property
    def url(self) -> str:
        return self.store_url or f"https://{self.domain}"

    def variant(self, variant_id: int) -> Variant:
        """Find a variant; raises UnknownThingError."""
        return _found(self.variants, variant_id, "variant")

    def item(self, item_id: int) -> Item:
        """Find an inventory item; raises UnknownThingError."""
        return _found(self.items, item_id, "inventory item")

    def product(self, product_id: int) -> Product:
        """Find a product; raises UnknownThingError."""
        return _found(self.products, product_id, "product")

    def location(self, location_id: int) -> Location:
        """Find a location; raises UnknownThingError."""
        return _found(self.locations, location_id, "location")

    def item_of(self, variant: Variant) -> Item:
        return self.item(variant.item_id)

    def variants_of(self, product_id: int) -> list[Variant]:
        return [variant for variant in self.variants.values() if variant.product_id == product_id]

    def sharers_of(self, item_id: int) -> list[Variant]:
        """List the variants that have an inventory item."""
        return [variant for variant in self.variants.values() if variant.item_id == item_id]

    def inventory_quantity(self, variant: Variant) -> int:
        """Add up every location, as `inventoryQuantity` does."""
        return sum(count or 0 for count in self.item_of(variant).levels.values())

    def online_quantity(self, variant: Variant) -> int:
        """Add up the locations that fulfil online orders; while quantities lag, as they were when that began."""
        if self.lagging is not None:
            return self.lagging.get(variant.id, 0)
        return self._online_quantity_now(variant)

    def is_for_sale(self, variant: Variant) -> bool:
        """Say what `availableForSale` says: stock, or none needed; it ignores publication."""
        is_endless = variant.policy == "continue" or not self.item_of(variant).tracked
        return is_endless or self._online_quantity_now(variant) > 0

    def let_quantities_lag(self, *, on: bool) -> None:
        """Freeze the online quantities as they are now, or let them be true again."""
        self.lagging = {v.id: self._online_quantity_now(v) for v in self.variants.values()} if on else None

    def customer_with(self, email: str | None, phone: str | None) -> Customer | None:
        """Find a customer by an address."""
        wanted = (email or "").lower()
        for customer in self.customers.values():
            if (email and (customer.email or "").lower() == wanted) or (phone and customer.phone == phone):
                return customer
        return None

    def _online_quantity_now(self, variant: Variant) -> int:
        return sum(
            count or 0
            for location_id, count in self.item_of(variant).levels.items()
            if (place := self.locations[location_id]).is_active and place.fulfills_online_orders
        )


class World:
    """Every shop of one fake Shopify. `changed` is called after each change, with the lock held."""

    def __init__(self, shops: Iterable[Shop] = ()) -> None:
        self.shops = {shop.domain: shop for shop in shops}
        self.changed: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._ids = itertools.count(max([FIRST_ID, *(_largest_id(shop) + 1 for shop in self.shops.values())]))

    def next_id(self) -> int:
        """Give an id that nothing has."""
        return next(self._ids)

    @contextmanager
    def looked_at(self, domain: str) -> Iterator[Shop]:
        """Hold the lock while a shop is read; raises UnknownThingError."""
        with self._lock:
            yield _found(self.shops, domain, "shop")

    @contextmanager
    def changing(self, domain: str) -> Iterator[Shop]:
        """Hold the lock while a shop is changed, then keep the change; raises UnknownThingError."""
        with self.looked_at(domain) as shop:
            yield shop
            self.changed()

    def add(self, shop: Shop) -> Shop:
        """Open a shop, in the place of one with the same domain."""
        with self._lock:
            self.shops[shop.domain] = shop
            self.changed()
            return shop


def _found(things: Mapping[Key, Thing], key: Key, what: str) -> Thing:
    if key not in things:
        raise UnknownThingError(f"no {what} {key} here")
    return things[key]


def _largest_id(shop: Shop) -> int:
    tables: tuple[Mapping[int, object], ...] = (shop.items, shop.variants, shop.customers, shop.subscriptions)
    lines = [order.line_id for order in shop.orders.values()]
    return max([shop.id, *lines, *itertools.chain.from_iterable(tables)])
