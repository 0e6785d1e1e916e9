"""The words of the window to Shopify: what the Admin API is asked and what it answers. Standard library only.

Ids are Shopify's numbers, not gids. Money is in hundredths of the currency whatever its own decimals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Access:
    """The right to ask about one shop. The token is never shown."""

    domain: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VariantStock:
    """Whether one variant can be bought, by Shopify's present word.

    `status` is active, draft, archived or unlisted. `has_online_page` False: not on the online store.
    `inventory_quantity` may be negative, None when Shopify does not say.
    """

    variant_id: int
    product_id: int
    inventory_item_id: int
    status: str
    has_online_page: bool
    available_for_sale: bool
    continues_selling: bool
    tracked: bool
    inventory_quantity: int | None
    sellable_online_quantity: int


@dataclass(frozen=True, slots=True)
class VariantGoods:
    """What a message may say of one variant and its product."""

    variant_id: int
    product_id: int
    inventory_item_id: int
    title: str
    sku: str | None
    price_cents: int | None
    image_url: str | None
    inventory_policy: str  # deny, continue
    tracked: bool
    product_title: str
    handle: str
    vendor: str | None
    status: str
    online_store_url: str | None
    product_image_url: str | None
    variant_count: int
    product_updated_at: datetime
    variant_updated_at: datetime


@dataclass(frozen=True, slots=True)
class LocationStock:
    """How many units of one item one location has available; None: it does not stock the item."""

    inventory_item_id: int
    location_id: int
    available: int | None


@dataclass(frozen=True, slots=True)
class Location:
    """One place where stock is kept."""

    location_id: int
    name: str
    is_active: bool
    fulfills_online_orders: bool


@dataclass(frozen=True, slots=True)
class MarketView:
    """How one variant looks to shoppers of one country."""

    variant_id: int
    published: bool
    price_cents: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class ShopProfile:
    """What a shop says of itself, and what it allows us."""

    name: str
    currency: str
    country: str | None
    time_zone: str
    primary_url: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TopicSubscription:
    """One webhook subscription made through the Admin API. `topic` as in webhook headers: orders/create."""

    id: str
    topic: str
    uri: str


class MarketingState(StrEnum):
    """What Shopify knows of a customer's will to get marketing."""

    subscribed = "subscribed"
    unsubscribed = "unsubscribed"
    not_subscribed = "not_subscribed"
    pending = "pending"
    redacted = "redacted"
    invalid = "invalid"


@dataclass(frozen=True, slots=True)
class ShopCustomer:
    """One customer of the shop, as far as consent goes. None: Shopify says nothing of it."""

    customer_id: int
    email_marketing: MarketingState | None
    sms_marketing: MarketingState | None
