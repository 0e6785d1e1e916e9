"""Every question the app can ask, put to the playground's shop, which answers by Shopify's own schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from restock.playground.shopify.state import Customer
from restock.playground.store import LOCATIONS, PRODUCTS, SHOP_DOMAIN, SHOP_NAME
from restock.shopify.admin_api import HttpAdminApi
from restock.shopify.admin_api.transport import Transport
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminSurpriseError,
    AdminThrottledError,
    AdminUnauthorizedError,
    AdminUnavailableError,
)
from restock.shopify.port import AdminApi
from restock.shopify.values import Access, MarketingState
from tests.playground.shopify.conftest import Shopify

LARGE = PRODUCTS[0].variants[2]
UNKNOWN = 2**62 + 1


@pytest.fixture
def api(shopify: Shopify, request: pytest.FixtureRequest) -> Iterator[AdminApi]:
    """Patient, as the machine may be busy; hasty only where the playground is to hang."""
    seconds = 1.0 if "trouble" in request.fixturenames else 20.0
    opened = HttpAdminApi(Transport("2026-10", shopify.server.url + "/{shop}", whole_seconds=seconds))
    yield opened
    opened.close()


@pytest.fixture
def access(shopify: Shopify) -> Access:
    return Access(SHOP_DOMAIN, shopify.exchange()[1]["access_token"])


def test_goods_and_stock_are_told_and_unknown_ids_left_out(api: AdminApi, access: Access) -> None:
    stock = api.stock(access, [LARGE.id, UNKNOWN])
    assert list(stock) == [LARGE.id]
    told = stock[LARGE.id]
    assert (told.status, told.has_online_page, told.available_for_sale) == ("active", True, True)
    assert (told.inventory_quantity, told.inventory_item_id) == (6, LARGE.inventory_item_id)
    goods = api.goods(access, [LARGE.id, UNKNOWN])
    assert (goods[LARGE.id].title, goods[LARGE.id].price_cents) == ("Large", 3400)
    assert goods[LARGE.id].variant_count == 3
    assert api.market(access, [LARGE.id], "DE")[LARGE.id].published
    levels = api.levels(access, [LARGE.id])[LARGE.id]
    assert [level.available for level in levels] == [4, 2]
    assert [place.name for place in api.locations(access)] == [place.name for place in LOCATIONS]
    assert api.shop(access).name == SHOP_NAME


def test_topics_are_subscribed_and_ended(api: AdminApi, access: Access) -> None:
    made = api.subscribe(access, "orders/create", "https://restock.example.com/webhooks/shopify")
    assert made in api.topic_subscriptions(access)
    for _ in range(2):
        api.unsubscribe(access, made.id)
    assert made not in api.topic_subscriptions(access)


def test_a_customer_is_added_once_and_their_yes_is_written_down(api: AdminApi, access: Access) -> None:
    assert api.customer(access, email="ada.new@example.com") is None
    added = api.add_customer(access, email="ada.new@example.com")
    assert api.add_customer(access, email="ada.new@example.com").customer_id == added.customer_id
    api.consent_to_email(access, added.customer_id, "2026-11-20T10:00:00Z", confirmed=True)
    found = api.customer(access, email="ada.new@example.com")
    assert found is not None
    assert found.email_marketing is MarketingState.subscribed


def test_customers_are_found_by_their_tag(shopify: Shopify, api: AdminApi, access: Access) -> None:
    with shopify.server.world.changing(SHOP_DOMAIN) as shop:
        for number in range(300):
            shop.customers[number + 1] = Customer(number + 1, tags=["Ada's friends", "odd"] if number % 2 else ["even"])
    assert api.tagged_customers(access, "ADA'S FRIENDS") == set(range(2, 301, 2))
    assert api.tagged_customers(access, "friends") == set()


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        ("outage", AdminUnavailableError),
        ("not_json", AdminUnavailableError),
        ("truncated", AdminUnavailableError),
        ("internal_error", AdminUnavailableError),
        ("hang", AdminUnavailableError),
        ("reset", AdminUnavailableError),
        ("empty", AdminSurpriseError),
        ("wrong_shape", AdminSurpriseError),
        ("unauthorized", AdminUnauthorizedError),
        ("payment_required", AdminForbiddenError),
        ("forbidden", AdminForbiddenError),
        ("not_found", AdminForbiddenError),
        ("locked", AdminForbiddenError),
        ("too_many", AdminThrottledError),
        ("throttled", AdminThrottledError),
    ],
)
def test_every_trouble_of_the_playground_is_told_apart(
    shopify: Shopify, api: AdminApi, access: Access, trouble: str, fault: type[AdminError]
) -> None:
    shopify.control.trouble(trouble)
    with pytest.raises(fault):
        api.stock(access, [LARGE.id])
