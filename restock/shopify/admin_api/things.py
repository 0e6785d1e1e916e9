"""What the data of answers holds, question by question: variants, levels, locations, shops, subscriptions, customers.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from restock.shopify.admin_api.reading import Part
from restock.shopify.values import (
    Location,
    LocationStock,
    MarketingState,
    MarketView,
    ShopCustomer,
    ShopProfile,
    TopicSubscription,
    VariantGoods,
    VariantStock,
)

T = TypeVar("T")
TOPIC_GROUPS = (  # the groups of topics whose own name has an underscore, as far as the app may meet them
    "app_subscriptions",
    "company_contacts",
    "company_locations",
    "customers_email_marketing_consent",
    "customers_marketing_consent",
    "draft_orders",
    "fulfillment_orders",
    "inventory_items",
    "inventory_levels",
    "order_transactions",
    "product_feeds",
)
_SMS_STATES = {"NEVER_SUBSCRIBED": "not_subscribed"}  # by another name than everywhere else


def read_nodes(data: Part, kind: str, read: Callable[[Part], T]) -> dict[int, T]:
    """Read the things behind ids, by their number; an id that is unknown, or of another kind of thing, is left out."""
    known = [node for node in data.items("nodes") if node.value not in (None, {})]
    return {node.number(kind): read(node) for node in known}


def read_stock(node: Part) -> VariantStock:
    """Read one variant of STOCK."""
    product, item = node.at("product"), node.at("inventoryItem")
    return VariantStock(
        variant_id=node.number("ProductVariant"),
        product_id=product.number("Product"),
        inventory_item_id=item.number("InventoryItem"),
        status=product.text("status").lower(),
        has_online_page=product.optional_text("onlineStoreUrl") is not None,
        available_for_sale=node.flag("availableForSale"),
        continues_selling=node.text("inventoryPolicy") == "CONTINUE",
        tracked=item.flag("tracked"),
        inventory_quantity=node.optional_whole("inventoryQuantity"),
        sellable_online_quantity=node.whole("sellableOnlineQuantity"),
    )


def read_goods(node: Part) -> VariantGoods:
    """Read one variant of GOODS."""
    product, item = node.at("product"), node.at("inventoryItem")
    images = [_image(medium) for medium in node.at("media").items("nodes")]
    count = product.walk("variantsCount")
    return VariantGoods(
        variant_id=node.number("ProductVariant"),
        product_id=product.number("Product"),
        inventory_item_id=item.number("InventoryItem"),
        title=node.text("title"),
        sku=node.optional_text("sku") or None,
        price_cents=node.cents("price"),
        image_url=images[0] if images else None,
        inventory_policy=node.text("inventoryPolicy").lower(),
        tracked=item.flag("tracked"),
        product_title=product.text("title"),
        handle=product.text("handle"),
        vendor=product.optional_text("vendor") or None,
        status=product.text("status").lower(),
        online_store_url=product.optional_text("onlineStoreUrl"),
        product_image_url=_image(product.walk("featuredMedia")),
        variant_count=count.whole("count") if count else 1,
        product_updated_at=product.moment("updatedAt"),
        variant_updated_at=node.moment("updatedAt"),
    )


def read_levels(node: Part) -> tuple[tuple[LocationStock, ...], bool]:
    """Read one variant of LEVELS, and whether it has more levels than were asked for."""
    item = node.at("inventoryItem")
    page, item_id = item.at("inventoryLevels"), item.number("InventoryItem")
    levels = (
        LocationStock(item_id, level.at("location").number("Location"), _available(level))
        for level in page.items("nodes")
    )
    return tuple(levels), _has_more(page)


def read_locations(data: Part) -> tuple[list[Location], str | None]:
    """Read one page of LOCATIONS, and the cursor of the next."""
    page = data.at("locations")
    found = [
        Location(one.number("Location"), one.text("name"), one.flag("isActive"), one.flag("fulfillsOnlineOrders"))
        for one in page.items("nodes")
    ]
    return found, page.at("pageInfo").text("endCursor") if _has_more(page) else None


def read_market(node: Part) -> MarketView:
    """Read one variant of MARKET."""
    price = node.walk("contextualPricing", "price")
    return MarketView(
        variant_id=node.number("ProductVariant"),
        published=node.at("product").flag("publishedInContext"),
        price_cents=price.cents("amount") if price else None,
        currency=price.text("currencyCode") if price else None,
    )


def read_shop(data: Part) -> ShopProfile:
    """Read SHOP."""
    shop = data.at("shop")
    country = shop.walk("shopAddress", "countryCodeV2")
    return ShopProfile(
        name=shop.text("name"),
        currency=shop.text("currencyCode"),
        country=shop.at("shopAddress").text("countryCodeV2") if country else None,
        time_zone=shop.text("ianaTimezone"),
        primary_url=shop.at("primaryDomain").text("url"),
        scopes=frozenset(scope.text("handle") for scope in data.at("currentAppInstallation").items("accessScopes")),
    )


def read_subscriptions(data: Part) -> list[TopicSubscription]:
    """Read TOPIC_SUBSCRIPTIONS."""
    return [read_subscription(one) for one in data.at("webhookSubscriptions").items("nodes")]


def read_subscription(node: Part) -> TopicSubscription:
    """Read one subscription, its topic spelt as in webhook headers."""
    return TopicSubscription(node.text("id"), topic_of(node.text("topic")), node.text("uri"))


def topic_of(word: str) -> str:
    """Spell a topic of the schema, such as ORDERS_CREATE, as in webhook headers: orders/create."""
    text = word.lower()
    for group in TOPIC_GROUPS:
        if text.startswith(group + "_"):
            return f"{group}/{text.removeprefix(group + '_')}"
    return text.replace("_", "/", 1)


def word_of(topic: str) -> str:
    """Spell a topic of webhook headers as the schema does."""
    return topic.upper().replace("/", "_")


def read_customer(node: Part) -> ShopCustomer:
    """Read the customer of CUSTOMER and ADD_CUSTOMER."""
    return ShopCustomer(
        customer_id=node.number("Customer"),
        email_marketing=_marketing_state(node.walk("defaultEmailAddress", "marketingState")),
        sms_marketing=_marketing_state(node.walk("defaultPhoneNumber", "smsMarketingConsent", "state")),
    )


def search_tag(tag: str) -> str:
    """Write the search for a tag, quoted: whatever it holds, it cannot become another search."""
    escaped = tag.replace("\\", "\\\\").replace("'", "\\'")
    return f"tag:'{escaped}'"


def read_tagged(data: Part, tag: str) -> tuple[set[int], str | None]:
    """Read one page of TAGGED, of whom only those that have the very tag, and the cursor of the next."""
    page, wanted = data.at("customers"), tag.strip().casefold()
    found = {
        one.number("Customer")
        for one in page.items("nodes")
        if any(isinstance(own.value, str) and own.value.strip().casefold() == wanted for own in one.items("tags"))
    }
    return found, page.at("pageInfo").text("endCursor") if _has_more(page) else None


def _marketing_state(part: Part | None) -> MarketingState | None:
    if part is None:
        return None
    word = _SMS_STATES.get(part.value, part.value) if isinstance(part.value, str) else None
    if word is None or word.lower() not in MarketingState.__members__:
        raise part.surprise("a marketing state")
    return MarketingState(word.lower())


def _image(medium: Part | None) -> str | None:
    image = medium.walk("preview", "image") if medium else None
    return image.text("url") if image else None


def _has_more(page: Part) -> bool:
    return page.at("pageInfo").flag("hasNextPage")


def _available(level: Part) -> int | None:
    found: Iterator[int] = (
        one.whole("quantity") for one in level.items("quantities") if one.text("name") == "available"
    )
    return next(found, None)
