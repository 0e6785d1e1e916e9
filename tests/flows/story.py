"""One instance of Restock in this process, with real doors, tables and channels: what happens is told step by step."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.bootstrap import Services
from restock.channels.values import ChannelName
from restock.config import Settings
from tests.application import open_app

SHOP = "north-pine.myshopify.com"
PRODUCT, VARIANT, ITEM = 632910392, 808950810, 39072856
LOCATION = 655441491


@dataclass
class Story:
    """What shoppers and Shopify do, and what Restock then has to do."""

    settings: Settings
    client: FlaskClient
    services: Services

    @classmethod
    def begin(cls, settings: Settings) -> Story:
        """Open the instance, add the shop and tell it of one product, sold out."""
        app = open_app(settings)
        services: Services = app.extensions["restock"]
        services.shops.add(SHOP)
        services.shops.change_settings(SHOP, {"name": "North & Pine", "currency": "EUR", "send_hours.sms": "any"})
        story = cls(settings, app.test_client(), services)
        story.webhook("products/create", product_body())
        story.stock(0)
        story.settle()
        return story

    def intent(self, channel: str, customer: dict[str, Any], quantity: int = 1) -> TestResponse:
        """Post one shopper's intent."""
        body = {
            "intent": {
                "shopify_variant_id": VARIANT,
                "shopify_product_id": PRODUCT,
                "channel": channel,
                "quantity": quantity,
                "source": "api",
            },
            "customer": customer,
            "product": {"title": "Enamel mug", "variant_title": "Large", "variant_count": 2},
        }
        return self.client.post("/api/v1/intents.json", json=body, headers={"X-Shopify-Shop-Domain": SHOP})

    def webhook(self, topic: str, body: dict[str, Any], webhook_id: str | None = None) -> TestResponse:
        """Send one webhook, signed as Shopify signs."""
        raw = json.dumps(body).encode()
        secret = self.settings.shopify_api_secret
        assert secret is not None
        digest = hmac.digest(secret.get_secret_value().encode(), raw, hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": SHOP,
            "X-Shopify-Webhook-Id": webhook_id or str(uuid.uuid4()),
            "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
        }
        return self.client.post("/webhooks/shopify", data=raw, headers=headers)

    def stock(self, available: int, minute: int | None = None) -> TestResponse:
        """Tell of a new stock level; a later call is a later word."""
        self._minute = minute if minute is not None else getattr(self, "_minute", 0) + 1
        body = {
            "inventory_item_id": ITEM,
            "location_id": LOCATION,
            "available": available,
            "updated_at": f"2026-11-20T10:{self._minute:02d}:00Z",
        }
        return self.webhook("inventory_levels/update", body)

    def settle(self) -> None:
        """Do everything that is due, as the workers would."""
        services = self.services
        while services.inbox.apply_due():
            pass
        services.restocks.check_due()
        while services.restocks.plan_due():
            pass
        services.deliveries.open_confirmations()
        for channel in ChannelName:
            services.deliveries.drain(channel, seconds=10)

    def end(self) -> None:
        """Give back what the instance holds."""
        self.services.close()


def product_body() -> dict[str, Any]:
    """Write a product as products/create brings it."""
    variant = {
        "id": VARIANT,
        "product_id": PRODUCT,
        "title": "Large",
        "price": "24.00",
        "sku": "MUG-L",
        "inventory_policy": "deny",
        "inventory_management": "shopify",
        "inventory_item_id": ITEM,
        "inventory_quantity": 0,
        "updated_at": "2026-11-20T09:00:00Z",
        "admin_graphql_api_id": f"gid://shopify/ProductVariant/{VARIANT}",
    }
    small = variant | {"id": VARIANT + 1, "title": "Small", "inventory_item_id": ITEM + 1}
    small["admin_graphql_api_id"] = f"gid://shopify/ProductVariant/{VARIANT + 1}"
    return {
        "id": PRODUCT,
        "admin_graphql_api_id": f"gid://shopify/Product/{PRODUCT}",
        "title": "Enamel mug",
        "handle": "enamel-mug",
        "vendor": "North & Pine",
        "status": "active",
        "published_at": "2026-11-01T08:00:00Z",
        "updated_at": "2026-11-20T09:00:00Z",
        "image": {"src": "https://cdn.shopify.com/s/files/mug.png"},
        "variants": [variant, small],
    }
