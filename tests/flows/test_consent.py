"""A tick in a form, written into the shop's customer list over real HTTP, and a no that comes back from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from restock.config import Settings
from tests.flows.life import DOMAIN, Life
from tests.subscriptions.conftest import PRODUCT, VARIANT

ADA, BEA = "ada@example.com", "bea@example.com"


@pytest.fixture
def life(make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int) -> Iterator[Life]:
    found = Life.begin(
        make_settings,
        free_port,
        database_url=clean_database,
        redis_url=redis_url,
        smtp_url="smtp://127.0.0.1:9",  # nobody is written to here
    )
    yield found
    found.close()


def _tick(life: Life, email: str) -> None:
    body: dict[str, Any] = {
        "intent": {"shopify_variant_id": VARIANT, "shopify_product_id": PRODUCT, "channel": "email"},
        "customer": {"email": email, "accepts_marketing": True},
    }
    status, answer = life._send(f"{life.shopify.url}/{DOMAIN}/apps/restock/intents", body, {})
    assert status == 201, answer


def _write(life: Life) -> None:
    life.services.marketing.take_new()
    life.services.marketing.run()


def test_a_yes_reaches_shopify_and_a_no_there_is_heard_here(life: Life) -> None:
    assert life.open_the_app()[0] == 200
    shop = life.shopify.world.shops[DOMAIN]
    _tick(life, ADA)
    _write(life)
    assert shop.customers == {}, "the shop has not granted write_customers"

    life.taken(life.shopify.deeds.change_scopes(DOMAIN, shop.scopes | {"read_customers", "write_customers"}))
    life.settle()
    _write(life)
    (customer,) = shop.customers.values()
    assert customer.email == ADA
    assert (customer.email_consent.state, customer.email_consent.level) == ("SUBSCRIBED", "SINGLE_OPT_IN")
    assert life.topics() >= {"CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE", "CUSTOMERS_MARKETING_CONSENT_UPDATE"}

    no = {
        "customer_id": customer.id,
        "email_address": ADA,
        "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2026-11-02T12:00:00Z"},
    }
    life.taken(life.shopify.deeds.send(DOMAIN, "customers_email_marketing_consent/update", no))
    life.settle()
    assert life.value("SELECT marketing FROM contacts") == "refused"
    assert life.value("SELECT state FROM subscriptions") == "active"

    customer.email, customer.email_consent.state = BEA, "UNSUBSCRIBED"
    _tick(life, BEA)
    _write(life)
    assert customer.email_consent.state == "UNSUBSCRIBED", "their no stays theirs"
    assert life.value("SELECT count(*) FROM marketing_writes WHERE reason = 'shopify_unsubscribed'") == 1
