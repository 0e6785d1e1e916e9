"""What each field of the schema answers, from the fake's memory: one row of a table per field.

A field without a row is the attribute of the same name. It reads and writes one shop, whose lock the caller holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from restock.playground.shopify.payloads import money
from restock.playground.shopify.state import Customer, Item, Location, Product, Shop, TopicSubscription, Variant, World

Args = Mapping[str, Any]
FALLBACK_PAGE = 50
_TAG = re.compile(r"tag:'((?:[^'\\]|\\.)*)'", re.DOTALL)


@dataclass(frozen=True)
class Ask:
    """One request: whose shop it is about, and what the token allows."""

    world: World
    shop: Shop
    scopes: frozenset[str]

    def may(self, *scopes: str) -> bool:
        """Say whether one of the scopes is granted; the right to write is a right to read."""
        return any(scope in self.scopes or scope.replace("read_", "write_", 1) in self.scopes for scope in scopes)


Row = Callable[[Ask, Any, Args], object]

TYPE_NAMES: Mapping[type, str] = {
    Variant: "ProductVariant",
    Product: "Product",
    Item: "InventoryItem",
    Location: "Location",
    Customer: "Customer",
    TopicSubscription: "WebhookSubscription",
}


def gid(kind: str, number: object) -> str:
    return f"gid://shopify/{kind}/{number}"


def number_of(text: str, kind: str | None = None) -> int | None:
    """Read the number of a GraphQL id; None when it is another kind's, or no id."""
    head, _, number = text.rpartition("/")
    is_right = head.startswith("gid://shopify/") and (kind is None or head == f"gid://shopify/{kind}")
    return int(number) if is_right and number.isdecimal() and len(number) <= 19 else None


def page(things: Sequence[object], args: Args) -> dict[str, object]:
    """Cut one page out of a list; a cursor is a place in it."""
    start = int(args.get("after") or 0)
    end = start + int(args.get("first") or FALLBACK_PAGE)
    cut = list(things[start:end])
    last = str(start + len(cut)) if cut else None
    return {"nodes": cut, "pageInfo": {"hasNextPage": end < len(things), "endCursor": last}}


def _nodes(ask: Ask, _: object, args: Args) -> list[object]:
    return [_node(ask, text) for text in args["ids"]]


def _node(ask: Ask, text: str) -> object:
    shop, number = ask.shop, number_of(text)
    kind = text.removeprefix("gid://shopify/").partition("/")[0]
    if number is None:
        raise GraphQLError(f"Invalid global id '{text[:80]}'")
    tables: Mapping[str, Mapping[int, object]] = {
        "ProductVariant": shop.variants,
        "Product": shop.products,
        "InventoryItem": shop.items,
        "Location": shop.locations,
        "Customer": shop.customers,
    }
    return tables.get(kind, {}).get(number)


def _customer_by_identifier(ask: Ask, _: object, args: Args) -> Customer | None:
    by = args["identifier"]
    return ask.shop.customer_with(by.get("emailAddress"), by.get("phoneNumber"))


def _customers(ask: Ask, _: object, args: Args) -> dict[str, object]:
    """List customers, or those with a tag: the one search that is understood here."""
    everybody = list(ask.shop.customers.values())
    if (search := args.get("query")) is None:
        return page(everybody, args)
    found = _TAG.fullmatch(search)
    if found is None:
        raise GraphQLError("This shop understands no search but tag:'…'")
    tag = re.sub(r"\\(.)", r"\1", found[1]).casefold()
    return page([one for one in everybody if tag in (own.casefold() for own in one.tags)], args)


def _levels(ask: Ask, item: Item, args: Args) -> dict[str, object]:
    stocked = [(place, count) for place, count in sorted(item.levels.items()) if count is not None]
    rows = [
        {
            "id": f"gid://shopify/InventoryLevel/{place}?inventory_item_id={item.id}",
            "location": ask.shop.location(place),
            "quantities": [{"name": "available", "quantity": count}],
        }
        for place, count in stocked
    ]
    return page(rows, args)


def _contextual_price(ask: Ask, variant: Variant, args: Args) -> dict[str, object]:
    cents = variant.country_prices.get(args["context"]["country"], variant.price_cents)
    return {"price": {"amount": money(cents), "currencyCode": ask.shop.currency}}


def _online_store_url(ask: Ask, product: Product, _: Args) -> str | None:
    """Give a page on the shop's domain, or the playground's page, which shows every product."""
    if not product.is_published or product.status not in ("active", "unlisted"):
        return None
    shop = ask.shop
    return f"{shop.store_url}/playground" if shop.store_url else f"{shop.url}/products/{product.handle}"


def _preview(ask: Ask, picture: str | None) -> dict[str, object] | None:
    if picture is None:
        return None
    return {"__typename": "MediaImage", "preview": {"image": {"url": f"{ask.shop.url}{picture}"}}}


def _media(ask: Ask, variant: Variant, args: Args) -> dict[str, object]:
    found = _preview(ask, variant.picture)
    return page([found] if found else [], args)


def _email_of(_: Ask, customer: Customer, __: Args) -> dict[str, object] | None:
    return {"marketingState": customer.email_consent.state} if customer.email else None


def _phone_of(_: Ask, customer: Customer, __: Args) -> dict[str, object] | None:
    if customer.phone is None:
        return None
    state = customer.sms_consent.state
    return {"smsMarketingConsent": {"state": "NEVER_SUBSCRIBED" if state == "NOT_SUBSCRIBED" else state}}


def _shop(ask: Ask, _: object, __: Args) -> dict[str, object]:
    shop = ask.shop
    return {
        "id": gid("Shop", shop.id),
        "name": shop.name,
        "currencyCode": shop.currency,
        "ianaTimezone": shop.time_zone,
        "primaryDomain": {"id": gid("Domain", shop.id), "url": shop.url},
        "shopAddress": {"id": gid("ShopAddress", shop.id), "countryCodeV2": shop.country},
    }


def _installation(ask: Ask, _: object, __: Args) -> dict[str, object]:
    scopes = [{"handle": scope} for scope in sorted(ask.scopes)]
    return {"id": gid("AppInstallation", ask.shop.id), "accessScopes": scopes}


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


QUERIES: Mapping[tuple[str, str], Row] = {
    ("QueryRoot", "nodes"): _nodes,
    ("QueryRoot", "shop"): _shop,
    ("QueryRoot", "currentAppInstallation"): _installation,
    ("QueryRoot", "locations"): lambda ask, _, args: page(list(ask.shop.locations.values()), args),
    ("QueryRoot", "customerByIdentifier"): _customer_by_identifier,
    ("QueryRoot", "customers"): _customers,
    ("QueryRoot", "webhookSubscriptions"): lambda ask, _, args: page(list(ask.shop.subscriptions.values()), args),
    ("ProductVariant", "price"): lambda _, variant, __: money(variant.price_cents),
    ("ProductVariant", "sku"): lambda ask, variant, _: ask.shop.item_of(variant).sku or None,
    ("ProductVariant", "availableForSale"): lambda ask, variant, _: ask.shop.is_for_sale(variant),
    ("ProductVariant", "inventoryPolicy"): lambda _, variant, __: variant.policy.upper(),
    ("ProductVariant", "inventoryQuantity"): lambda ask, variant, _: ask.shop.inventory_quantity(variant),
    ("ProductVariant", "sellableOnlineQuantity"): lambda ask, variant, _: ask.shop.online_quantity(variant),
    ("ProductVariant", "inventoryItem"): lambda ask, variant, _: ask.shop.item_of(variant),
    ("ProductVariant", "product"): lambda ask, variant, _: ask.shop.product(variant.product_id),
    ("ProductVariant", "contextualPricing"): _contextual_price,
    ("ProductVariant", "media"): _media,
    ("ProductVariant", "updatedAt"): lambda _, variant, __: _moment(variant.updated_at),
    ("Product", "status"): lambda _, product, __: product.status.upper(),
    ("Product", "onlineStoreUrl"): _online_store_url,
    ("Product", "updatedAt"): lambda _, product, __: _moment(product.updated_at),
    ("Product", "variantsCount"): lambda ask, product, _: {"count": len(ask.shop.variants_of(product.id))},
    ("Product", "featuredMedia"): lambda ask, product, _: _preview(ask, product.picture),
    ("Product", "publishedInContext"): lambda _, product, args: (
        product.is_published and args["context"]["country"] not in product.hidden_in
    ),
    ("InventoryItem", "inventoryLevels"): _levels,
    ("Location", "isActive"): lambda _, place, __: place.is_active,
    ("Location", "fulfillsOnlineOrders"): lambda _, place, __: place.fulfills_online_orders,
    ("Customer", "defaultEmailAddress"): _email_of,
    ("Customer", "defaultPhoneNumber"): _phone_of,
}
