"""The requests that are sent: a mix of shoppers, a mix of webhooks, and a crowd on the same few shoppers.

Every request is well-formed and taken: nothing here is measured by being refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence

from tests.benchmarks.load import MARKER, post

SHOP = "bench.myshopify.com"
SECRET = "a-secret-for-benchmarks"
_NUMBER = MARKER.decode()
P256DH = (
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"  # the curve's base point
)
AUTH = "AAECAwQFBgcICQoLDA0ODw"
_VARIANTS = 64
_FIRST_VARIANT = 40_000_000_000_000
SOLD_OUT = range(_FIRST_VARIANT, _FIRST_VARIANT + _VARIANTS)  # the crowd's variants are not known yet
_REPEATED_SHOPPERS = 400
CROWD, CROWD_VARIANTS, _AT_ONCE = 20, 60, 8

Post = dict[str, dict[str, object]]


def shopper(number: str, variant: int, channel: str = "email", customer_id: str | None = None) -> Post:
    """Build one post as a theme sends it; `number` makes the shopper's address."""
    customer: dict[str, object] = {"accepts_marketing": False, "locale": "en", "country": "in"}
    if channel == "email":
        customer["email"] = f"shopper-{number}@example.com"
    elif channel == "sms":
        customer["phone"] = f"919{number}"
    else:
        keys = {"p256dh": P256DH, "auth": AUTH}
        customer["push"] = json.dumps({"endpoint": f"https://fcm.googleapis.com/fcm/send/{number}", "keys": keys})
    if customer_id is not None:
        customer["id"] = customer_id
    intent: dict[str, object] = {
        "shopify_variant_id": _FIRST_VARIANT + variant,
        "shopify_product_id": 7_000_000_000_000 + variant // 4,
        "channel": channel,
        "quantity": 1 + variant % 3,
        "source": "theme",
    }
    product: dict[str, object] = {"title": "Shirt", "variant_title": "Green / M", "variant_count": 4, "vendor": "Bench"}
    return {"intent": intent, "customer": customer, "product": product}


def intent_request(path: str, body: Post) -> bytes:
    """Write one post with the headers a browser on a storefront sends."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Origin": f"https://{SHOP}",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537",
        "X-Shopify-Shop-Domain": SHOP,
    }
    return post(path, json.dumps(body, separators=(",", ":")).encode(), headers)


def known_shoppers() -> list[Post]:
    """Posts whose answers carry the customer ids that `intent_mix` repeats."""
    return [shopper(f"{500_000_000 + place}", place % _VARIANTS) for place in range(_REPEATED_SHOPPERS)]


def intent_mix(path: str, customer_ids: Sequence[str], variants: int = _VARIANTS) -> Iterator[bytes]:
    """Of eight posts: five new e-mail shoppers, one by SMS, one by push, one known shopper again."""
    channels = ("email", "email", "sms", "email", "email", "push", "email")
    for place, customer_id in enumerate(customer_ids):
        for step, channel in enumerate(channels):
            yield intent_request(path, shopper(_NUMBER, (place * 7 + step * 3) % variants, channel))
        again = shopper(f"{500_000_000 + place}", place % _VARIANTS, customer_id=customer_id)
        yield intent_request(path, again)


def crowd(path: str, customer_ids: Sequence[str]) -> Iterator[bytes]:
    """Post the same things many times in a row: with a known id, without one, and once with another's address."""
    for variant in range(CROWD_VARIANTS):
        for place, customer_id in enumerate(customer_ids):
            named = intent_request(path, shopper(f"crowd-{place}", 1000 + variant, customer_id=customer_id))
            unnamed = intent_request(path, shopper(f"crowd-{place}", 1000 + variant))
            other = shopper(f"crowd-{(place + 1) % len(customer_ids)}", 1000 + variant, customer_id=customer_id)
            yield from [named] * _AT_ONCE
            yield from [unnamed] * _AT_ONCE
            yield intent_request(path, other)


def webhook_mix(path: str) -> Iterator[bytes]:
    """Stock levels of many items; every eighth is a webhook delivered before, the rest are new."""
    for item in range(64):
        webhook_id = f"again-{item}" if item % 8 == 7 else f"new-{_NUMBER}"
        yield webhook_request(path, stock_level(item), webhook_id)


def stock_level(item: int) -> bytes:
    """Write the body of one `inventory_levels/update`."""
    level = {
        "inventory_item_id": 48_000_000_000_000 + item,
        "location_id": 70_000_000_000 + item % 3,
        "available": item % 5,
        "updated_at": "2026-10-05T12:00:00-04:00",
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{70_000_000_000}?inventory_item_id={item}",
    }
    return json.dumps(level).encode()


def webhook_request(path: str, body: bytes, webhook_id: str) -> bytes:
    """Write one webhook with the headers Shopify sends."""
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        "X-Shopify-Topic": "inventory_levels/update",
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Hmac-Sha256": signature,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Event-Id": f"event-{webhook_id}",
        "X-Shopify-Triggered-At": "2026-10-05T16:00:00.123456789Z",
        "X-Shopify-API-Version": "2026-10",
    }
    return post(path, body, headers)
