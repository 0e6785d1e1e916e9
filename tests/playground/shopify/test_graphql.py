"""The fake's Admin API: Shopify's own schema judges, points are counted, scopes and tokens are asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from restock.playground.shopify.troubles import ANSWERS
from restock.playground.store import LOCATIONS, SHOP_DOMAIN, VARIANTS
from restock.shopify import documents
from restock.shopify.documents import DOCUMENTS, Document
from tests.playground.shopify.conftest import Shopify

LARGE = 45_120_000_103
BEANIE = VARIANTS[LARGE][0].id


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


VARIABLES: dict[str, dict[str, Any]] = {
    "RestockStock": {"ids": [gid("ProductVariant", LARGE)]},
    "RestockGoods": {"ids": [gid("ProductVariant", LARGE)]},
    "RestockLevels": {"ids": [gid("ProductVariant", LARGE)], "first": 2},
    "RestockMarket": {"ids": [gid("ProductVariant", LARGE)], "country": "FR"},
    "RestockSubscribe": {"topic": "ORDERS_CREATE", "subscription": {"uri": "/webhooks/shopify"}},
    "RestockUnsubscribe": {"id": gid("WebhookSubscription", 1)},
    "RestockCustomer": {"identifier": {"emailAddress": "ada@example.com"}},
    "RestockTagged": {"search": "tag:'VIP'"},
    "RestockAddCustomer": {"identifier": {"email": "ada@example.com"}, "input": {"email": "ada@example.com"}},
    "RestockConsentToEmail": {
        "input": {"customerId": gid("Customer", 1), "emailMarketingConsent": {"marketingState": "SUBSCRIBED"}}
    },
    "RestockConsentToSms": {
        "input": {"customerId": gid("Customer", 1), "smsMarketingConsent": {"marketingState": "SUBSCRIBED"}}
    },
}


def stock(shopify: Shopify, variant_id: int = LARGE) -> dict[str, Any]:
    answer = shopify.ask(documents.STOCK.text, ids=[gid("ProductVariant", variant_id)])
    node: dict[str, Any] = answer["data"]["nodes"][0]
    return node


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_document_of_ours_is_answered_without_an_error(shopify: Shopify, document: Document) -> None:
    answer = shopify.ask(document.text, **VARIABLES.get(document.name, {}))
    assert "errors" not in answer
    cost = answer["extensions"]["cost"]
    assert 0 <= cost["actualQueryCost"] <= cost["requestedQueryCost"] <= 1000


def test_a_field_that_shopify_does_not_have_is_refused_with_a_200(shopify: Shopify) -> None:
    answer = shopify.ask("{ shop { favouriteColour } }")
    assert "favouriteColour" in answer["errors"][0]["message"]
    assert "data" not in answer


def test_stock_follows_the_levels_of_locations_that_sell_online(shopify: Shopify) -> None:
    assert (stock(shopify)["inventoryQuantity"], stock(shopify)["sellableOnlineQuantity"]) == (6, 6)
    with shopify.server.world.changing(SHOP_DOMAIN) as shop:
        shop.locations[LOCATIONS[1].id].fulfills_online_orders = False
    assert (stock(shopify)["inventoryQuantity"], stock(shopify)["sellableOnlineQuantity"]) == (6, 4)
    shopify.control.set_level(SHOP_DOMAIN, LARGE, LOCATIONS[0].id, 0)
    assert (stock(shopify)["availableForSale"], stock(shopify)["inventoryQuantity"]) == (False, 2)


def test_untracked_and_continuing_variants_are_for_sale_without_stock(shopify: Shopify) -> None:
    for change in ({"tracked": False}, {"tracked": True, "policy": "continue"}):
        shopify.control.deed(SHOP_DOMAIN, "variants", variant_id=45_120_000_101, **change)
        assert stock(shopify, 45_120_000_101)["availableForSale"]


def test_the_online_quantity_can_lag_behind(shopify: Shopify) -> None:
    shopify.control.lag(SHOP_DOMAIN, on=True)
    shopify.control.set_level(SHOP_DOMAIN, 45_120_000_101, LOCATIONS[0].id, 5)
    seen = stock(shopify, 45_120_000_101)
    assert (seen["inventoryQuantity"], seen["sellableOnlineQuantity"]) == (5, 0)
    shopify.control.lag(SHOP_DOMAIN, on=False)
    assert stock(shopify, 45_120_000_101)["sellableOnlineQuantity"] == 5


@pytest.mark.parametrize(
    ("change", "status", "has_page"),
    [
        ({"status": "draft"}, "DRAFT", False),
        ({"status": "unlisted"}, "UNLISTED", True),
        ({"is_published": False}, "ACTIVE", False),
    ],
)
def test_an_unpublished_product_has_no_page(
    shopify: Shopify, change: dict[str, object], status: str, has_page: bool
) -> None:
    shopify.control.deed(SHOP_DOMAIN, "products", product_id=BEANIE, **change)
    product = stock(shopify)["product"]
    assert (product["status"], product["onlineStoreUrl"] is not None) == (status, has_page)


def test_a_market_may_hide_a_product_and_have_its_own_price(shopify: Shopify) -> None:
    shopify.control.deed(SHOP_DOMAIN, "products", product_id=BEANIE, hidden_in=["FR"])
    shopify.control.deed(SHOP_DOMAIN, "variants", variant_id=LARGE, country_prices={"FR": 3999})
    (node,) = shopify.ask(documents.MARKET.text, ids=[gid("ProductVariant", LARGE)], country="FR")["data"]["nodes"]
    assert node["product"]["publishedInContext"] is False
    assert node["contextualPricing"]["price"]["amount"] == "39.99"


def test_an_unknown_id_is_null_and_no_id_at_all_is_an_error(shopify: Shopify) -> None:
    assert shopify.ask(documents.STOCK.text, ids=[gid("ProductVariant", 1)])["data"]["nodes"] == [None]
    assert "errors" in shopify.ask(documents.STOCK.text, ids=["45120000103"])


def test_a_scope_that_is_not_granted_is_missed_where_it_is_needed(shopify: Shopify) -> None:
    shopify.control.deed(SHOP_DOMAIN, "scopes", scopes=["read_products"])
    answer = shopify.ask(documents.LEVELS.text, ids=[gid("ProductVariant", LARGE)], first=2)
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_inventory" in answer["errors"][0]["message"]
    refused = shopify.ask(documents.SUBSCRIBE.text, **VARIABLES["RestockSubscribe"])
    assert refused["data"]["webhookSubscriptionCreate"]["userErrors"][0]["field"] == ["topic"]


def test_the_right_to_write_is_a_right_to_read(shopify: Shopify) -> None:
    shopify.control.deed(SHOP_DOMAIN, "scopes", scopes=["write_customers"])
    assert "errors" not in shopify.ask(documents.CUSTOMER.text, **VARIABLES["RestockCustomer"])


def test_customers_are_made_once_and_consent_is_kept(shopify: Shopify) -> None:
    for _ in range(2):
        made = shopify.ask(documents.ADD_CUSTOMER.text, **VARIABLES["RestockAddCustomer"])["data"]["customerSet"]
    said = {
        "customerId": made["customer"]["id"],
        "emailMarketingConsent": {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "CONFIRMED_OPT_IN"},
    }
    shopify.ask(documents.CONSENT_TO_EMAIL.text, input=said)
    found = shopify.ask(documents.CUSTOMER.text, **VARIABLES["RestockCustomer"])["data"]["customerByIdentifier"]
    assert found["defaultEmailAddress"]["marketingState"] == "SUBSCRIBED"
    (kept,) = shopify.control.shop(SHOP_DOMAIN)["customers"]
    assert kept["email_consent"]["level"] == "CONFIRMED_OPT_IN"


def test_a_customer_without_a_phone_cannot_consent_to_sms(shopify: Shopify) -> None:
    answer = shopify.ask(documents.CONSENT_TO_SMS.text, **VARIABLES["RestockConsentToSms"])
    assert answer["data"]["customerSmsMarketingConsentUpdate"]["userErrors"][0]["code"] == "INVALID"


def test_the_bucket_empties_refills_and_says_so(shopify: Shopify) -> None:
    token = shopify.exchange()[1]["access_token"]
    shopify.control.bucket(holds=300, restores=0.001)
    first = shopify.ask(documents.TOPIC_SUBSCRIPTIONS.text, token)
    status = first["extensions"]["cost"]["throttleStatus"]
    assert (status["maximumAvailable"], status["currentlyAvailable"]) == (300, 299)  # what was not used came back
    shopify.control.bucket(empty=True)
    answer = shopify.ask(documents.TOPIC_SUBSCRIPTIONS.text, token)
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer["extensions"]["cost"]["requestedQueryCost"] == 252
    shopify.control.bucket(restores=1_000_000)
    assert "errors" not in shopify.ask(documents.TOPIC_SUBSCRIPTIONS.text, token)


def test_too_many_ids_and_too_dear_a_document_are_refused(shopify: Shopify) -> None:
    many = shopify.ask(documents.STOCK.text, ids=[gid("ProductVariant", LARGE)] * 251)
    assert many["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
    dear = shopify.ask(documents.GOODS.text, ids=[gid("ProductVariant", LARGE)] * 84)
    assert dear["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_only_a_token_that_is_good_now_is_answered(shopify: Shopify) -> None:
    token = shopify.exchange()[1]["access_token"]
    assert shopify.graphql(token).status == 200
    assert shopify.graphql("shpat_wrong").status == 401
    shopify.clock.now += 3601
    assert shopify.graphql(token).status == 401


@pytest.mark.parametrize("name", ANSWERS)
def test_every_trouble_is_met_once_and_then_all_is_well(shopify: Shopify, name: str) -> None:
    token = shopify.exchange()[1]["access_token"]
    shopify.control.trouble(name, where="graphql")
    if name == "truncated":
        with pytest.raises(Exception, match="IncompleteRead"):
            shopify.graphql(token)
    else:
        met = shopify.graphql(token)
        assert (met.status, met.data) == (ANSWERS[name].status, _sent(ANSWERS[name].body))
    assert shopify.graphql(token).json()["data"]["shop"]["name"] == "Harbour & Pine"


def test_a_connection_may_break_and_an_answer_may_come_late(shopify: Shopify) -> None:
    token = shopify.exchange()[1]["access_token"]
    shopify.control.trouble("reset")
    with pytest.raises(Exception, match="onnection"):
        shopify.graphql(token)
    shopify.control.trouble("slow", seconds=0.05)
    assert shopify.graphql(token).status == 200


def test_an_outage_lasts_until_it_is_called_off(shopify: Shopify) -> None:
    shopify.control.faults(outage=True)
    assert [shopify.graphql("any").status for _ in range(2)] == [502, 502]
    shopify.control.faults(outage=False)
    assert shopify.graphql("any").status == 401


def _sent(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
