"""What a storefront is told when it posts an intent."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from restock.config import Settings
from restock.database import Database
from tests.application import open_app
from tests.web.storefront.conftest import SHOP, Storefront, post_body

PUSH_KEYS = {
    "p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM",
    "auth": "tBHItJI5svbpez7KI4CCXg",
}
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


def test_a_first_post_is_taken_and_described(storefront: Storefront) -> None:
    answer = storefront.post(post_body(intent__quantity=2, intent__shopify_market_id=5, intent__source="theme"))
    assert answer.status_code == 201
    intent, customer = answer.json["intent"], answer.json["customer"]
    assert set(answer.json) == {"intent", "customer"}
    assert intent["customer_id"] == customer["id"]
    assert uuid.UUID(customer["id"]).version == 4
    assert intent["created_at"] == intent["updated_at"]
    assert intent["created_at"].endswith("Z")
    described = {k: v for k, v in intent.items() if k not in {"id", "customer_id", "created_at", "updated_at"}}
    assert described == {
        "status": "active",
        "channel": "email",
        "quantity": 2,
        "source": "theme",
        "shopify_variant_id": 111,
        "shopify_product_id": 222,
        "shopify_market_id": 5,
        "optin_confirmed": False,
    }
    assert storefront.services.waker.count == 1


def test_the_same_customer_again_is_a_duplicate_that_changes_what_is_new(storefront: Storefront) -> None:
    first = storefront.post(post_body()).json
    again = storefront.post(post_body(customer__id=first["customer"]["id"], intent__quantity=4))
    assert again.status_code == 200
    assert again.json["duplicate"] is True
    assert again.json["intent"]["id"] == first["intent"]["id"]
    assert again.json["intent"]["quantity"] == 4
    assert again.json["intent"]["created_at"] == first["intent"]["created_at"]
    assert storefront.services.waker.count == 1


def test_a_stranger_with_the_same_address_gets_a_customer_of_their_own(storefront: Storefront) -> None:
    first, second = storefront.post(post_body()), storefront.post(post_body(intent__quantity=9))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["customer"]["id"] != second.json["customer"]["id"]
    assert storefront.rows("SELECT quantity FROM subscriptions") == [(1,)]  # of whoever opened it


def test_a_handle_of_another_shop_counts_as_absent(storefront: Storefront) -> None:
    other = storefront.services.shops.add("other.myshopify.com")
    theirs = storefront.post(post_body(), shop=other.domain).json["customer"]["id"]
    ours = storefront.post(post_body(customer__id=theirs))
    assert ours.status_code == 201
    assert ours.json["customer"]["id"] != theirs


@pytest.mark.parametrize("handle", ["not-a-uuid", 5, "", {}, "1861e9da-13c8-4fdb-93d2-1ca5dc4ecbe8"])
def test_a_handle_that_means_nothing_counts_as_absent(storefront: Storefront, handle: object) -> None:
    assert storefront.post(post_body(customer__id=handle)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"intent__shopify_variant_id": "9223372036854775807"}, 2**63 - 1),
        ({"intent__shopify_variant_id": 2**63 - 1}, 2**63 - 1),
        ({"intent__shopify_variant_id": "0042"}, 42),
    ],
)
def test_ids_are_taken_whole_as_numbers_or_digits(
    storefront: Storefront, changes: dict[str, object], expected: int
) -> None:
    assert storefront.post(post_body(**changes)).json["intent"]["shopify_variant_id"] == expected


def test_a_text_message_goes_to_the_number_as_e164(storefront: Storefront) -> None:
    body = post_body(intent__channel="sms", customer__phone="8123676393", customer__country_code=91)
    assert storefront.post(body).status_code == 201
    assert storefront.rows("SELECT channel, address FROM contacts") == [("sms", "+918123676393")]


def test_the_shops_country_is_the_last_resort_for_a_number(storefront: Storefront) -> None:
    storefront.services.shops.change_settings(SHOP, {"country": "IN"})
    assert storefront.post(post_body(intent__channel="sms", customer__phone="08123676393")).status_code == 201


@pytest.mark.parametrize("as_text", [True, False])
def test_a_push_subscription_comes_as_text_or_object(storefront: Storefront, as_text: bool) -> None:
    import json

    subscription = {"endpoint": ENDPOINT, "keys": PUSH_KEYS}
    body = post_body(intent__channel="push", customer__push=json.dumps(subscription) if as_text else subscription)
    assert storefront.post(body).status_code == 201
    [(address, kept)] = storefront.rows("SELECT address, push_keys FROM contacts")
    assert (address, {name: kept[name] for name in PUSH_KEYS}) == (ENDPOINT, PUSH_KEYS)
    assert kept.keys() - PUSH_KEYS.keys() <= {"vapid"}, "the key it is bound to, where web push is on"


def test_addresses_of_other_channels_are_not_looked_at(storefront: Storefront) -> None:
    body = post_body(customer__phone="nonsense", customer__push="nonsense", customer__country=7)
    assert storefront.post(body).status_code == 201


def test_unknown_fields_are_ignored_and_long_product_texts_cut(storefront: Storefront) -> None:
    body = post_body(intent__colour="red", product__title="T" * 999, product__variant_count=3, more__x=1)
    assert storefront.post(body).status_code == 201
    (product,) = storefront.rows("SELECT product FROM intents")[0]
    assert product == {"title": "T" * 255, "variant_count": 3}


FAULTS = [
    ({"intent__shopify_variant_id": None}, "intent.shopify_variant_id", "REQUIRED"),
    ({"intent__shopify_variant_id": True}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": 1.0}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": 0}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": -1}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": 2**63}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": "12a"}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_variant_id": "٣"}, "intent.shopify_variant_id", "INVALID_ID"),
    ({"intent__shopify_product_id": None}, "intent.shopify_product_id", "REQUIRED"),
    ({"intent__shopify_product_id": []}, "intent.shopify_product_id", "INVALID_ID"),
    ({"intent__shopify_market_id": "x"}, "intent.shopify_market_id", "INVALID_ID"),
    ({"intent__channel": None}, "intent.channel", "REQUIRED"),
    ({"intent__channel": "fax"}, "intent.channel", "INVALID_CHANNEL"),
    ({"intent__channel": ["email"]}, "intent.channel", "INVALID_CHANNEL"),
    ({"intent__quantity": 0}, "intent.quantity", "INVALID_QUANTITY"),
    ({"intent__quantity": 10_001}, "intent.quantity", "INVALID_QUANTITY"),
    ({"intent__quantity": True}, "intent.quantity", "INVALID_QUANTITY"),
    ({"intent__quantity": 1.5}, "intent.quantity", "INVALID_QUANTITY"),
    ({"intent__source": "s" * 65}, "intent.source", "INVALID_SOURCE"),
    ({"intent__source": 7}, "intent.source", "INVALID_SOURCE"),
    ({"customer__email": None}, "customer.email", "REQUIRED"),
    ({"customer__email": "  "}, "customer.email", "REQUIRED"),
    ({"customer__email": 7}, "customer.email", "INVALID_EMAIL"),
    ({"customer__email": "ada@"}, "customer.email", "INVALID_EMAIL"),
    ({"customer__locale": "e"}, "customer.locale", "INVALID_LOCALE"),
    ({"customer__locale": "en" * 30}, "customer.locale", "INVALID_LOCALE"),
    ({"customer__name": "n" * 256}, "customer.name", "INVALID_NAME"),
    ({"customer__accepts_marketing": "yes"}, "customer.accepts_marketing", "INVALID_BOOLEAN"),
    ({"customer__shopify_customer_id": -3}, "customer.shopify_customer_id", "INVALID_ID"),
    ({"product__title": 3}, "product.title", "INVALID_TITLE"),
    ({"intent__channel": "sms"}, "customer.phone", "REQUIRED"),
    ({"intent__channel": "sms", "customer__phone": "12"}, "customer.phone", "INVALID_PHONE"),
    ({"intent__channel": "sms", "customer__phone": 918123676393}, "customer.phone", "INVALID_PHONE"),
    ({"intent__channel": "sms", "customer__phone": "+18005550199"}, "customer.phone", "PHONE_NOT_SMS_CAPABLE"),
    (
        {"intent__channel": "sms", "customer__phone": "+918123676393", "customer__country_code": "x"},
        "customer.country_code",
        "INVALID_COUNTRY_CODE",
    ),
    (
        {"intent__channel": "sms", "customer__phone": "+918123676393", "customer__country": "ind"},
        "customer.country",
        "INVALID_COUNTRY",
    ),
    ({"intent__channel": "push"}, "customer.push", "REQUIRED"),
    ({"intent__channel": "push", "customer__push": "x"}, "customer.push", "INVALID_PUSH"),
    (
        {"intent__channel": "push", "customer__push": {"endpoint": "https://evil.example/x", "keys": PUSH_KEYS}},
        "customer.push.endpoint",
        "INVALID_PUSH_ENDPOINT",
    ),
]


@pytest.mark.parametrize(("changes", "field", "code"), FAULTS)
def test_a_fault_is_named_with_its_field_and_code(
    storefront: Storefront, changes: dict[str, object], field: str, code: str
) -> None:
    answer = storefront.post(post_body(**changes))
    assert answer.status_code == 400
    error = answer.json["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert [(fault["field"], fault["code"]) for fault in error["details"]] == [(field, code)]
    assert answer.json["errors"] == [f"{field}: {error['details'][0]['message']}"]
    assert storefront.rows("SELECT count(*) FROM contacts") == [(0,)]


@pytest.mark.parametrize("wrong", [5, [], "x", True])
def test_a_part_that_is_no_object_is_one_fault(storefront: Storefront, wrong: object) -> None:
    answer = storefront.post(post_body() | {"intent": wrong})
    assert [(f["field"], f["code"]) for f in answer.json["error"]["details"]] == [("intent", "INVALID_OBJECT")]


def test_all_faults_come_at_once(storefront: Storefront) -> None:
    body = {"intent": {"channel": "email", "quantity": 0}, "customer": {"email": "x", "name": 5}}
    details = storefront.post(body).json["error"]["details"]
    assert {fault["field"] for fault in details} == {
        "intent.shopify_variant_id",
        "intent.shopify_product_id",
        "intent.quantity",
        "customer.email",
        "customer.name",
    }


def test_an_empty_object_says_what_is_missing(storefront: Storefront) -> None:
    details = storefront.post({}).json["error"]["details"]
    assert [(fault["field"], fault["code"]) for fault in details] == [("intent", "REQUIRED")]


@pytest.mark.parametrize("header", [None, "", "evil.example.com", "a.myshopify.com.evil.com", "x" * 300])
def test_a_post_must_name_a_shop(storefront: Storefront, header: str | None) -> None:
    answer = storefront.post(post_body(), shop=header)
    assert answer.status_code == 400
    assert answer.json["error"]["details"][0]["field"] == "X-Shopify-Shop-Domain"


def test_a_shop_without_the_app_is_not_found(storefront: Storefront) -> None:
    assert storefront.post(post_body(), shop="unknown.myshopify.com").status_code == 404
    storefront.rows("UPDATE shops SET state = 'uninstalled' RETURNING id")
    storefront.services.shops.memory.forget(SHOP)
    assert storefront.post(post_body()).json["error"]["code"] == "NOT_FOUND"


def test_a_channel_the_shop_has_switched_off_is_refused(storefront: Storefront) -> None:
    storefront.services.shops.change_settings(SHOP, {"channels": "sms"})
    answer = storefront.post(post_body())
    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "CHANNEL_DISABLED"


def test_a_channel_the_instance_has_no_provider_for_is_refused_and_not_offered(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> None:
    app = open_app(make_settings(database_url=clean_database, redis_url=redis_url, vapid_private_key=None))
    app.extensions["restock"].shops.add(SHOP)
    answer = app.test_client().post("/api/v1/intents.json", json=post_body(), headers={"X-Shopify-Shop-Domain": SHOP})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "CHANNEL_DISABLED")
    offer = app.test_client().get(f"/storefront/config.json?shop={SHOP}").json
    assert (offer["channels"], offer["vapid_public_key"]) == ([], None)
    app.extensions["restock"].close()


def test_a_shop_may_ask_for_the_original_apis_way_of_refusing(storefront: Storefront) -> None:
    storefront.services.shops.change_settings(SHOP, {"legacy_errors": "true"})
    answer = storefront.post(post_body(customer__email="x"))
    assert answer.status_code == 200
    assert list(answer.json) == ["errors"]
    assert answer.json["errors"][0].startswith("customer.email: ")
    assert storefront.post(b"[]").json["errors"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_both_spellings_of_the_address_work(storefront: Storefront) -> None:
    headers = {"X-Shopify-Shop-Domain": SHOP}
    assert storefront.client.post("/api/v1/intents", json=post_body(), headers=headers).status_code == 201


def test_with_the_database_away_the_answer_is_503_and_says_when(
    make_storefront: Callable[..., Storefront], clean_database: str
) -> None:
    database = Database(None, clean_database)
    storefront = make_storefront(database)
    storefront.post(post_body())
    database.dsn = "postgresql://postgres@127.0.0.1:1/none"
    database.drop_hot()
    answer = storefront.post(post_body())
    database.dispose()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
