"""What the fake sends: genuine, complete, and as badly as it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restock.playground.shopify import payloads
from restock.playground.shopify.control.client import ControlRefusedError
from restock.playground.shopify.goods import playground_shop
from restock.playground.shopify.payloads import Body
from restock.playground.shopify.sender import RETRY_SECONDS
from restock.playground.shopify.state import Order
from restock.playground.store import LOCATIONS, SHOP_DOMAIN, VARIANTS
from restock.shopify.documents import SUBSCRIBE
from restock.shopify.signatures import WebhookSignature
from tests.playground.shopify.conftest import SECRET, Shopify

SMALL, LARGE = 45_120_000_101, 45_120_000_103
HARBOUR = LOCATIONS[0].id
SAMPLES = Path(__file__).parents[2] / "contracts" / "webhooks"


def topics(shopify: Shopify) -> list[str]:
    return sorted(one.headers["x-shopify-topic"] for one in shopify.door.heard())


def test_a_change_of_stock_is_told_with_everything_shopify_tells(shopify: Shopify) -> None:
    answers = shopify.control.set_level(SHOP_DOMAIN, SMALL, HARBOUR, 3)
    assert {answer["topic"] for answer in answers} == {"inventory_levels/update", "variants/in_stock"}
    assert {answer["status"] for answer in answers} == {200}
    first, second = shopify.door.heard()
    assert WebhookSignature([SECRET.encode()]).is_genuine(first.body, first.headers["x-shopify-hmac-sha256"])
    assert first.headers["x-shopify-shop-domain"] == SHOP_DOMAIN
    assert first.headers["x-shopify-triggered-at"].endswith("000Z")
    assert first.headers["x-shopify-event-id"] == second.headers["x-shopify-event-id"]
    assert first.headers["x-shopify-webhook-id"] != second.headers["x-shopify-webhook-id"]
    (level,) = shopify.door.heard("inventory_levels/update")
    assert json.loads(level.body)["available"] == 3


def test_a_location_that_stops_or_starts_to_stock_is_told_by_other_topics(shopify: Shopify) -> None:
    shopify.control.set_level(SHOP_DOMAIN, SMALL, HARBOUR, None)
    shopify.control.set_level(SHOP_DOMAIN, SMALL, HARBOUR, 0)
    assert topics(shopify) == ["inventory_levels/connect", "inventory_levels/disconnect"]


def test_copies_share_their_webhook_id(shopify: Shopify) -> None:
    shopify.control.faults(copies=3, is_shuffled=True)
    shopify.control.deed(SHOP_DOMAIN, "shop", name="Renamed")
    heard = shopify.door.wait_for(3, "shop/update")
    assert len({one.headers["x-shopify-webhook-id"] for one in heard}) == 1


def test_webhooks_overtake_each_other_on_demand(shopify: Shopify) -> None:
    shopify.control.faults(is_shuffled=True)
    sent = [f"Renamed {number}" for number in range(12)]
    deliveries = [one for name in sent for one in shopify.server.deeds.change_shop(SHOP_DOMAIN, {"name": name})]
    assert len(deliveries) == len(sent)
    told = [json.loads(one.body)["name"] for one in shopify.door.wait_for(len(sent), "shop/update")]
    assert sorted(told) == sorted(sent)
    assert told != sent


def test_a_lost_webhook_is_never_sent_and_counted(shopify: Shopify) -> None:
    shopify.control.faults(is_lost=True)
    assert shopify.control.set_level(SHOP_DOMAIN, SMALL, HARBOUR, 3) == []
    assert shopify.control.overview()["webhooks"]["lost_count"] == 2
    assert shopify.door.heard() == []


def test_a_late_webhook_is_not_waited_for(shopify: Shopify) -> None:
    shopify.control.faults(delay_seconds=0.2)
    answers = shopify.control.deed(SHOP_DOMAIN, "shop", name="Renamed")["webhooks"]
    assert [answer["status"] for answer in answers] == [None]
    shopify.door.wait_for(1)


def test_what_is_not_taken_comes_again_with_the_same_body_and_id(shopify: Shopify) -> None:
    assert len(RETRY_SECONDS) == 8
    shopify.door.statuses.extend([500, 302])
    shopify.control.deed(SHOP_DOMAIN, "shop", name="Renamed")
    heard = shopify.door.wait_for(3)
    assert len({(one.headers["x-shopify-webhook-id"], one.body) for one in heard}) == 1


def test_after_eight_retries_it_gives_up(shopify: Shopify) -> None:
    shopify.door.statuses.extend([500] * 20)
    shopify.control.deed(SHOP_DOMAIN, "shop", name="Renamed")
    shopify.door.wait_for(9)
    assert shopify.server.sender.is_idle()
    assert shopify.control.overview()["webhooks"] == {"sent_count": 9, "taken_count": 0, "lost_count": 0}


def test_buying_takes_stock_and_tells_who_bought(shopify: Shopify) -> None:
    bought = shopify.control.buy(SHOP_DOMAIN, LARGE, 2, email="ada@example.com")
    assert bought["order"]["number"] == 1001
    assert topics(shopify) == ["inventory_levels/update", "orders/create", "orders/paid"]
    (paid,) = shopify.door.heard("orders/paid")
    order = json.loads(paid.body)
    assert (order["email"], order["financial_status"], order["total_price"]) == ("ada@example.com", "paid", "68.00")
    assert [(line["variant_id"], line["quantity"]) for line in order["line_items"]] == [(LARGE, 2)]
    assert shopify.control.shop(SHOP_DOMAIN)["levels"][str(LARGE)][str(HARBOUR)] == 2


def test_nobody_buys_what_is_not_there(shopify: Shopify) -> None:
    with pytest.raises(ControlRefusedError, match="so many units"):
        shopify.control.buy(SHOP_DOMAIN, SMALL)
    assert shopify.door.heard() == []


def test_orders_are_told_where_a_shop_subscribed(shopify: Shopify) -> None:
    with shopify.server.world.changing(SHOP_DOMAIN) as shop:
        shop.sends_orders = False
    shopify.control.buy(SHOP_DOMAIN, LARGE)
    assert shopify.door.heard("orders/create") == []
    shopify.ask(SUBSCRIBE.text, topic="ORDERS_CREATE", subscription={"uri": f"{shopify.door.url}/elsewhere"})
    with shopify.server.world.changing(SHOP_DOMAIN) as shop:
        shop.sends_orders = True  # makes no second one
    shopify.control.buy(SHOP_DOMAIN, LARGE)
    (told,) = shopify.door.heard("orders/create")
    assert told.path == "/elsewhere"


def test_the_merchant_leaves_changes_scopes_and_asks_for_privacy(shopify: Shopify) -> None:
    control = shopify.control
    control.deed(SHOP_DOMAIN, "scopes", scopes=["read_products"])
    control.deed(SHOP_DOMAIN, "products", product_id=VARIANTS[SMALL][0].id, deleted=True)
    control.uninstall(SHOP_DOMAIN)
    assert control.deed(SHOP_DOMAIN, "shop", name="Renamed")["webhooks"] == []
    control.deed(SHOP_DOMAIN, "compliance", topic="customers/redact", email="ada@example.com")
    control.deed(SHOP_DOMAIN, "compliance", topic="shop/redact")
    assert topics(shopify) == [
        *("app/scopes_update", "app/uninstalled", "customers/redact", "products/delete", "shop/redact")
    ]


def _order(**changes: object) -> Body:
    shop = playground_shop()
    facts: dict[str, Any] = {
        "id": 1,
        "line_id": 2,
        "number": 1001,
        "variant_id": LARGE,
        "quantity": 1,
        "customer_id": 5,
    }
    order = Order(**facts, email="ada@example.com", phone=None, ordered_at=shop.products[8_412_300_010].updated_at)
    return payloads.order_body(shop, order, paid=True)


def _bodies() -> dict[str, Body]:
    shop = playground_shop()
    variant, product = shop.variants[LARGE], shop.products[8_412_300_010]
    item, now = shop.item_of(variant), product.updated_at
    return {
        "products.update": payloads.product_body(shop, product),
        "products.delete": payloads.deleted_product_body(product.id),
        "variants.in_stock": payloads.variant_body(shop, variant),
        "inventory_levels.update": payloads.level_body(item, HARBOUR, now),
        "inventory_levels.connect": payloads.level_body(item, HARBOUR, now),
        "inventory_levels.disconnect": payloads.disconnected_body(item, HARBOUR),
        "inventory_items.update": payloads.item_body(item, now),
        "orders.paid": _order(),
        "app.uninstalled": payloads.shop_body(shop),
        "app.scopes_update": payloads.scopes_body(shop, frozenset(), now),
        "customers.data_request": payloads.compliance_body(shop, "customers/data_request", "a@example.com", None, 1),
        "customers.redact": payloads.compliance_body(shop, "customers/redact", "a@example.com", None, 1),
        "shop.redact": payloads.compliance_body(shop, "shop/redact", None, None, 1),
    }


@pytest.mark.parametrize("topic", _bodies())
def test_every_field_it_sends_is_one_of_shopifys_samples(topic: str) -> None:
    """Nothing is made up: a program that reads a field of ours finds it at Shopify too."""
    sample = json.loads((SAMPLES / f"{topic}.json").read_text())
    extra = {"inventory_item_id", "inventory_management"} if topic == "variants.in_stock" else set()
    assert set(_bodies()[topic]) - extra <= set(sample)
