"""The storefront's door on a real database: one app with this blueprint alone, and one shop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.channels.values import ChannelName
from restock.config import Settings
from restock.database import Database
from restock.links import Vault
from restock.shops.service import ShopService
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.web.errors import register_error_handlers
from restock.web.storefront import storefront_blueprint
from tests.application import bare_app
from tests.opened import kept

SHOP = "kettle.myshopify.com"


class CountingWaker:
    """Notes how often somebody was to be woken."""

    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1


@dataclass(frozen=True)
class StorefrontServices:
    """What the storefront's door needs, real but for the waker."""

    settings: Settings
    database: Database
    shops: ShopService
    subscriptions: SubscriptionService
    waker: CountingWaker
    vault: Vault
    vapid_public_key: str | None = "BPublicKey"
    channels_on: frozenset[ChannelName] = frozenset(ChannelName)


@dataclass(frozen=True)
class Storefront:
    """The app under test, with a short way to post."""

    app: Flask
    client: FlaskClient
    services: StorefrontServices
    shop: Shop

    def post(self, body: Any, shop: str | None = SHOP, **options: Any) -> TestResponse:
        headers = {"Content-Type": "application/json"} | ({"X-Shopify-Shop-Domain": shop} if shop else {})
        headers |= options.pop("headers", {})
        key = "data" if isinstance(body, bytes | str) else "json"
        return self.client.post("/api/v1/intents.json", headers=headers, **{key: body}, **options)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, empty when it has none."""
        cursor = self.services.database.hot().execute(query, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def within_one_minute() -> None:
    """Keep a test that counts posts out of the turn of a minute, where counting begins anew."""
    if (left := 60 - time.time() % 60) < 5:
        time.sleep(left)


@pytest.fixture
def make_storefront(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> Callable[..., Storefront]:
    def make(own: Database | None = None, **overrides: object) -> Storefront:
        known: dict[str, object] = {"intent_limit_client": 1_000_000, "intent_limit_address": 1_000_000}
        known |= {"database_url": clean_database, "redis_url": redis_url}
        settings = make_settings(**(known | overrides))
        app = bare_app("storefront")
        database = own or kept(clean_database)
        vault = Vault(settings.secret_keys)
        shops = ShopService(database, vault)
        services = StorefrontServices(settings, database, shops, SubscriptionService(database), CountingWaker(), vault)
        register_error_handlers(app)
        app.register_blueprint(storefront_blueprint(services))  # type: ignore[arg-type]
        return Storefront(app, app.test_client(), services, shops.add(SHOP))

    return make


@pytest.fixture
def storefront(make_storefront: Callable[..., Storefront]) -> Storefront:
    return make_storefront()


def post_body(**changes: Any) -> dict[str, Any]:
    """A faultless post by e-mail; `intent__x`, `customer__x` and `product__x` change one field, None leaves it out."""
    body: dict[str, Any] = {
        "intent": {"shopify_variant_id": 111, "shopify_product_id": 222, "channel": "email"},
        "customer": {"email": "ada@example.com"},
    }
    for key, value in changes.items():
        part, _, field = key.partition("__")
        fields = body.setdefault(part, {})
        if value is None:
            fields.pop(field, None)
        else:
            fields[field] = value
    return body
