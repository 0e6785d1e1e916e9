"""Each question of the port is put with its ids, in pages where lists are long, and refusals are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from restock.shopify.admin_api import HttpAdminApi
from restock.shopify.admin_api.transport import Transport
from restock.shopify.errors import AdminRefusedError, AdminSurpriseError
from restock.shopify.port import AdminApi
from restock.shopify.values import Access, LocationStock
from tests.shopify.shop_server import Asked, Handler, ShopServer, send, shop_server

ACCESS = Access("demo.myshopify.com", "t")
GIDS = "gid://shopify/"


@pytest.fixture
def server() -> Iterator[ShopServer]:
    with shop_server() as shop:
        yield shop


@pytest.fixture
def api(server: ShopServer) -> Iterator[AdminApi]:
    opened = HttpAdminApi(Transport("2026-10", server.url))
    yield opened
    opened.close()


def numbers(asked: Asked) -> list[int]:
    return [int(one.rpartition("/")[2]) for one in asked.body["variables"]["ids"]]


def test_a_variant_at_many_locations_is_asked_again_by_itself(server: ShopServer, api: AdminApi) -> None:
    def answer(handler: Handler, asked: Asked) -> None:
        first = asked.body["variables"]["first"]
        nodes = []
        for number in numbers(asked):
            places = range(1, 301) if number == 2 else range(1, 2)
            page = [
                {"location": {"id": f"{GIDS}Location/{one}"}, "quantities": [{"name": "available", "quantity": one}]}
                for one in places
            ][:first]
            levels = {"nodes": page, "pageInfo": {"hasNextPage": len(places) > first}}
            item = {"id": f"{GIDS}InventoryItem/{number}0", "inventoryLevels": levels}
            nodes.append({"id": f"{GIDS}ProductVariant/{number}", "inventoryItem": item})
        send(handler, json.dumps({"data": {"nodes": nodes}}).encode())

    server.answer = answer
    found = api.levels(ACCESS, [1, 2])
    assert list(found[1]) == [LocationStock(10, 1, 1)]
    assert len(found[2]) == 250, "Shopify's longest page"
    assert [numbers(asked) for asked in server.asked] == [[1, 2], [2], [2]]


def _location(number: int) -> dict[str, Any]:
    return {"id": f"{GIDS}Location/{number}", "name": str(number), "isActive": True, "fulfillsOnlineOrders": True}


def test_locations_are_read_to_the_last_page(server: ShopServer, api: AdminApi) -> None:
    def answer(handler: Handler, asked: Asked) -> None:
        page = int(asked.body["variables"]["after"] or 0)
        info = {"hasNextPage": page < 2, "endCursor": str(page + 1)}
        send(handler, json.dumps({"data": {"locations": {"nodes": [_location(page + 1)], "pageInfo": info}}}).encode())

    server.answer = answer
    assert [one.location_id for one in api.locations(ACCESS)] == [1, 2, 3]


def test_a_list_of_locations_without_end_is_a_surprise(server: ShopServer, api: AdminApi) -> None:
    server.says({"data": {"locations": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}}})
    with pytest.raises(AdminSurpriseError):
        api.locations(ACCESS)
    assert len(server.asked) < 30


@pytest.mark.parametrize(
    ("tag", "search"),
    [
        ("VIP", "tag:'VIP'"),
        ("gold club", "tag:'gold club'"),
        ("Ada's", r"tag:'Ada\'s'"),
        ("x' OR email:*", r"tag:'x\' OR email:*'"),
        ("back\\", r"tag:'back\\'"),
    ],
)
def test_a_tag_is_searched_for_as_it_is_and_never_becomes_another_search(
    server: ShopServer, api: AdminApi, tag: str, search: str
) -> None:
    server.says({"data": {"customers": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}})
    assert api.tagged_customers(ACCESS, tag) == set()
    assert server.asked[0].body["variables"]["search"] == search


def test_customers_with_a_tag_are_read_to_the_last_page_and_a_likeness_does_not_count(
    server: ShopServer, api: AdminApi
) -> None:
    def answer(handler: Handler, asked: Asked) -> None:
        page = int(asked.body["variables"]["after"] or 0)
        tags = (["vip", "new"], ["VIP customer"], ["Vip"])[page]
        node = {"id": f"{GIDS}Customer/{page + 1}", "tags": tags}
        info = {"hasNextPage": page < 2, "endCursor": str(page + 1)}
        send(handler, json.dumps({"data": {"customers": {"nodes": [node], "pageInfo": info}}}).encode())

    server.answer = answer
    assert api.tagged_customers(ACCESS, "VIP") == {1, 3}


def test_a_topic_is_subscribed_by_its_word_in_the_schema(server: ShopServer, api: AdminApi) -> None:
    made = {"id": f"{GIDS}WebhookSubscription/5", "topic": "ORDERS_CREATE", "uri": "https://app.example.com/hook"}
    server.says({"data": {"webhookSubscriptionCreate": {"webhookSubscription": made, "userErrors": []}}})
    assert api.subscribe(ACCESS, "orders/create", made["uri"]).topic == "orders/create"
    assert server.asked[0].body["variables"] == {"topic": "ORDERS_CREATE", "subscription": {"uri": made["uri"]}}


@pytest.mark.parametrize("faults", [[], [{"field": ["id"], "message": "Webhook subscription does not exist"}]])
def test_to_end_a_subscription_that_is_gone_is_no_error(server: ShopServer, api: AdminApi, faults: object) -> None:
    server.says({"data": {"webhookSubscriptionDelete": {"deletedWebhookSubscriptionId": None, "userErrors": faults}}})
    api.unsubscribe(ACCESS, f"{GIDS}WebhookSubscription/5")


def test_to_end_a_subscription_may_be_refused_for_another_reason(server: ShopServer, api: AdminApi) -> None:
    faults = [{"field": None, "message": "No"}]
    server.says({"data": {"webhookSubscriptionDelete": {"deletedWebhookSubscriptionId": None, "userErrors": faults}}})
    with pytest.raises(AdminRefusedError):
        api.unsubscribe(ACCESS, f"{GIDS}WebhookSubscription/5")


NEW = {"id": f"{GIDS}Customer/9", "defaultEmailAddress": None, "defaultPhoneNumber": None}


def test_a_customer_is_found_by_one_address_or_not_at_all(server: ShopServer, api: AdminApi) -> None:
    server.says({"data": {"customerByIdentifier": NEW}})
    found = api.customer(ACCESS, phone="+15550100")
    assert found is not None
    assert (found.customer_id, found.email_marketing, found.sms_marketing) == (9, None, None)
    assert server.asked[0].body["variables"] == {"identifier": {"phoneNumber": "+15550100"}}
    server.says({"data": {"customerByIdentifier": None}})
    assert api.customer(ACCESS, email="ada@example.com") is None
    for addresses in ({}, {"email": "ada@example.com", "phone": "+15550100"}):
        with pytest.raises(ValueError, match="exactly one address"):
            api.customer(ACCESS, **addresses)  # type: ignore[arg-type]


def test_a_customer_is_added_with_nothing_but_the_address(server: ShopServer, api: AdminApi) -> None:
    server.says({"data": {"customerSet": {"customer": NEW, "userErrors": []}}})
    assert api.add_customer(ACCESS, email="ada@example.com").customer_id == 9
    address = {"email": "ada@example.com"}
    assert server.asked[0].body["variables"] == {"identifier": address, "input": address}


@pytest.mark.parametrize(("confirmed", "level"), [(True, "CONFIRMED_OPT_IN"), (False, "SINGLE_OPT_IN")])
def test_a_yes_is_written_down_with_its_time_and_its_strength(
    server: ShopServer, api: AdminApi, confirmed: bool, level: str
) -> None:
    server.says(
        {
            "data": {
                "customerEmailMarketingConsentUpdate": {"userErrors": []},
                "customerSmsMarketingConsentUpdate": {"userErrors": []},
            }
        }
    )
    api.consent_to_email(ACCESS, 9, "2026-11-01T00:00:00Z", confirmed=confirmed)
    api.consent_to_sms(ACCESS, 9, "2026-11-01T00:00:00Z", confirmed=confirmed)
    yes = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": level, "consentUpdatedAt": "2026-11-01T00:00:00Z"}
    assert [asked.body["variables"]["input"] for asked in server.asked] == [
        {"customerId": f"{GIDS}Customer/9", "emailMarketingConsent": yes},
        {"customerId": f"{GIDS}Customer/9", "smsMarketingConsent": yes},
    ]


def test_a_yes_of_a_customer_without_that_address_is_refused(server: ShopServer, api: AdminApi) -> None:
    faults = [{"field": ["input", "customerId"], "code": "INVALID"}]
    server.says({"data": {"customerSmsMarketingConsentUpdate": {"userErrors": faults}}})
    with pytest.raises(AdminRefusedError):
        api.consent_to_sms(ACCESS, 9, "2026-11-01T00:00:00Z", confirmed=True)
