"""What can be asked of a shop's Admin API: one method per question, one HTTP request per call unless it says so.

Every method may raise any AdminError (restock.shopify.errors), and ValueError for more ids than it takes. An id that
Shopify does not know is absent from the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Protocol

from restock.shopify.values import (
    Access,
    Location,
    LocationStock,
    MarketView,
    ShopCustomer,
    ShopProfile,
    TopicSubscription,
    VariantGoods,
    VariantStock,
)

MOST_STOCK_IDS = 250  # Shopify's limit for an array; 3 points an id
MOST_GOODS_IDS = 80
MOST_LEVEL_IDS = 25
MOST_MARKET_IDS = 80
MOST_TAGGED = 100_000


class AdminApi(Protocol):
    """The questions. Safe across threads."""

    def close(self) -> None:
        """Close what is open; the next question opens it again."""
        ...

    def stock(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantStock]:
        """Ask whether variants can be bought; at most MOST_STOCK_IDS."""
        ...

    def goods(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantGoods]:
        """Ask what messages may say of variants; at most MOST_GOODS_IDS."""
        ...

    def levels(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, Sequence[LocationStock]]:
        """Ask where variants are stocked; at most MOST_LEVEL_IDS. More requests where a variant is at many places."""
        ...

    def locations(self, access: Access) -> Sequence[Location]:
        """Ask for every location of the shop, in pages. Needs read_locations."""
        ...

    def market(self, access: Access, variant_ids: Collection[int], country: str) -> Mapping[int, MarketView]:
        """Ask how variants look to shoppers of a country (ISO 3166, two letters); at most MOST_MARKET_IDS.

        Needs read_publications.
        """
        ...

    def shop(self, access: Access) -> ShopProfile:
        """Ask what the shop is and what it allows us."""
        ...

    def topic_subscriptions(self, access: Access) -> Sequence[TopicSubscription]:
        """Ask for the webhook subscriptions made through the API (those of the app's file are not among them)."""
        ...

    def subscribe(self, access: Access, topic: str, uri: str) -> TopicSubscription:
        """Subscribe to a topic such as orders/create."""
        ...

    def unsubscribe(self, access: Access, subscription_id: str) -> None:
        """End a subscription; one that is gone already is no error."""
        ...

    def customer(self, access: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer | None:
        """Find a customer by exactly one address; None when the shop has none."""
        ...

    def tagged_customers(self, access: Access, tag: str) -> Set[int]:
        """Ask for the customers that have a tag, whatever its capitals, in pages. Needs read_customers.

        Shopify's search learns of a new tag some seconds late. Raises AdminSurpriseError beyond MOST_TAGGED.
        """
        ...

    def add_customer(self, access: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer:
        """Make sure that a customer with this address exists (customerSet), changing nothing else of it."""
        ...

    def consent_to_email(self, access: Access, customer_id: int, said_at: str, *, confirmed: bool) -> None:
        """Write down that a customer said yes to e-mail marketing at an ISO 8601 time."""
        ...

    def consent_to_sms(self, access: Access, customer_id: int, said_at: str, *, confirmed: bool) -> None:
        """Write down that a customer said yes to SMS marketing at an ISO 8601 time."""
        ...
