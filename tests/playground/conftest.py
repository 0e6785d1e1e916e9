"""A served playground: the real application on a real port, its webhooks applied when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from restock.bootstrap import Services
from restock.config import Settings
from restock.playground.shopify.goods import playground_shop
from restock.playground.shopify.server import App, FakeShopify
from tests.application import open_app

APP_SECRET = "a-client-secret-for-tests-only-0001"


@dataclass(frozen=True)
class Store:
    """The application and its services, and the Shopify its store is at."""

    app: Flask
    services: Services
    shopify: FakeShopify

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def apply_webhooks(self) -> None:
        """Do what the worker would: give every received webhook its effects."""
        while self.services.inbox.apply_due():
            pass


@pytest.fixture
def store(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int
) -> Iterator[Store]:
    """The playground listening on a port of its own, with a Shopify of its own."""
    at = App(f"http://127.0.0.1:{free_port}", "restock-test-key", APP_SECRET)
    shopify = FakeShopify(at, shops=[playground_shop()])
    shopify.start()
    settings = make_settings(
        shopify_api_secret=APP_SECRET,
        shopify_admin_url=shopify.admin_url,
        playground_shopify_url=shopify.url,
        database_url=clean_database,
        redis_url=redis_url,
        port=free_port,
        settle_seconds=0,
        smtp_url="smtp://127.0.0.1:1",  # providers are configured, but nothing is sent in these tests
        twilio_account_sid=f"AC{'0' * 32}",
        twilio_auth_token="secret",
        twilio_from="+15005550006",
    )
    app = open_app(settings)
    services: Services = app.extensions["restock"]
    server = make_server("127.0.0.1", free_port, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Store(app, services, shopify)
    shopify.close()
    server.shutdown()
    thread.join()
    server.server_close()
    services.close()
