"""The program's own client against the fake, over HTTP: what it asks is answered, what goes wrong is named."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from restock.playground.store import LOCATIONS, SHOP_DOMAIN
from restock.shopify import errors
from restock.shopify.admin_api import HttpAdminApi
from restock.shopify.admin_api.transport import Transport
from restock.shopify.values import Access, MarketingState
from tests.playground.shopify.conftest import Shopify

LARGE = 45_120_000_103


@pytest.fixture
def api(shopify: Shopify) -> Iterator[HttpAdminApi]:
    opened = HttpAdminApi(Transport("2026-10", shopify.server.admin_url))
    yield opened
    opened.close()


@pytest.fixture
def access(shopify: Shopify) -> Access:
    return Access(SHOP_DOMAIN, shopify.exchange()[1]["access_token"])


def test_stock_goods_and_places_are_read_as_the_store_has_them(api: HttpAdminApi, access: Access) -> None:
    (stock,) = api.stock(access, [LARGE, 1]).values()
    assert (stock.sellable_online_quantity, stock.status, stock.has_online_page) == (6, "active", True)
    (goods,) = api.goods(access, [LARGE]).values()
    assert (goods.product_title, goods.title, goods.price_cents) == ("Lookout Beanie", "Large", 3400)
    assert [level.available for level in api.levels(access, [LARGE])[LARGE]] == [4, 2]
    assert [place.name for place in api.locations(access)] == [place.name for place in LOCATIONS]
    assert api.market(access, [LARGE], "FR")[LARGE].price_cents == 3400
    assert api.shop(access).currency == "EUR"


def test_topics_are_subscribed_to_once_and_ended(api: HttpAdminApi, access: Access) -> None:
    made = api.subscribe(access, "orders/create", "https://restock.example.com/webhooks/shopify")
    assert list(api.topic_subscriptions(access)) == [made]
    api.unsubscribe(access, made.id)
    assert list(api.topic_subscriptions(access)) == []


def test_consent_is_written_and_read_back(api: HttpAdminApi, access: Access) -> None:
    assert api.customer(access, email="ada@example.com") is None
    made = api.add_customer(access, email="ada@example.com")
    api.consent_to_email(access, made.customer_id, "2026-11-01T00:00:00Z", confirmed=True)
    found = api.customer(access, email="ada@example.com")
    assert found is not None
    assert (found.email_marketing, found.sms_marketing) == (MarketingState.subscribed, None)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("outage", errors.AdminUnavailableError),
        ("too_many", errors.AdminThrottledError),
        ("throttled", errors.AdminThrottledError),
        ("truncated", errors.AdminUnavailableError),
        ("not_json", errors.AdminUnavailableError),
        ("reset", errors.AdminUnavailableError),
        ("internal_error", errors.AdminUnavailableError),
        ("unauthorized", errors.AdminUnauthorizedError),
        ("payment_required", errors.AdminForbiddenError),
        ("locked", errors.AdminForbiddenError),
        ("wrong_shape", errors.AdminSurpriseError),
        ("empty", errors.AdminSurpriseError),
    ],
)
def test_every_trouble_has_its_own_error(
    shopify: Shopify, api: HttpAdminApi, access: Access, trouble: str, error: type[Exception]
) -> None:
    for _ in range(5):  # however often it asks again
        shopify.server.hurdles.add(trouble)
    with pytest.raises(error):
        api.stock(access, [LARGE])


def test_a_scope_that_was_not_granted_is_forbidden(shopify: Shopify, api: HttpAdminApi, access: Access) -> None:
    shopify.control.deed(SHOP_DOMAIN, "scopes", scopes=["read_products"])
    with pytest.raises(errors.AdminForbiddenError):
        api.customer(access, email="ada@example.com")


@pytest.mark.parametrize(("trouble", "seconds"), [("hang", 0.0), ("slow", 120.0)])
def test_a_shopify_that_hangs_is_left_in_time(shopify: Shopify, access: Access, trouble: str, seconds: float) -> None:
    hasty = HttpAdminApi(Transport("2026-10", shopify.server.admin_url, whole_seconds=0.3))
    shopify.server.hurdles.add(trouble, times=5, seconds=seconds)
    began = time.monotonic()
    with pytest.raises(errors.AdminUnavailableError):
        hasty.stock(access, [LARGE])
    assert time.monotonic() - began < 40
    hasty.close()
