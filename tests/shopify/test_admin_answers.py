"""What Shopify answers becomes values, exactly; what it answers wrongly is a surprise that names the place alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.shopify.admin_api import things
from restock.shopify.admin_api.answers import data_of, result_of, take_apart
from restock.shopify.admin_api.reading import Part
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminRefusedError,
    AdminSurpriseError,
    AdminThrottledError,
    AdminUnavailableError,
)
from restock.shopify.values import (
    Location,
    LocationStock,
    MarketingState,
    MarketView,
    ShopCustomer,
    ShopProfile,
    TopicSubscription,
    VariantGoods,
    VariantStock,
)

BIG = 2**63 - 1
GIDS = "gid://shopify/"


def image(url: str | None) -> dict[str, Any]:
    return {"preview": {"image": {"url": url} if url else None}}


STOCK = {
    "id": f"{GIDS}ProductVariant/{BIG}",
    "availableForSale": False,
    "inventoryPolicy": "CONTINUE",
    "inventoryQuantity": -4,
    "sellableOnlineQuantity": 0,
    "inventoryItem": {"id": f"{GIDS}InventoryItem/{BIG - 1}", "tracked": True},
    "product": {"id": f"{GIDS}Product/{BIG - 2}", "status": "UNLISTED", "onlineStoreUrl": None},
}
GOODS = {
    "id": f"{GIDS}ProductVariant/1",
    "title": "Green",
    "sku": "",
    "price": "19.99",
    "inventoryPolicy": "DENY",
    "updatedAt": "2026-10-01T12:00:00+02:00",
    "media": {"nodes": [image("https://cdn/v.png")]},
    "inventoryItem": {"id": f"{GIDS}InventoryItem/3", "tracked": False},
    "product": {
        "id": f"{GIDS}Product/2",
        "title": "Shirt",
        "handle": "shirt",
        "vendor": "Restock",
        "status": "ACTIVE",
        "onlineStoreUrl": "https://demo/products/shirt",
        "updatedAt": "2026-10-01T10:00:01Z",
        "variantsCount": {"count": 3},
        "featuredMedia": image("https://cdn/p.png"),
    },
}
LEVELS = {
    "id": f"{GIDS}ProductVariant/1",
    "inventoryItem": {
        "id": f"{GIDS}InventoryItem/3",
        "inventoryLevels": {
            "nodes": [
                {"location": {"id": f"{GIDS}Location/9"}, "quantities": [{"name": "available", "quantity": 5}]},
                {"location": {"id": f"{GIDS}Location/8"}, "quantities": []},
            ],
            "pageInfo": {"hasNextPage": False},
        },
    },
}
MARKET = {
    "id": f"{GIDS}ProductVariant/1",
    "contextualPricing": {"price": {"amount": "18.5", "currencyCode": "EUR"}},
    "product": {"id": f"{GIDS}Product/2", "publishedInContext": True},
}
CUSTOMER = {
    "id": f"{GIDS}Customer/{BIG}",
    "defaultEmailAddress": {"marketingState": "SUBSCRIBED"},
    "defaultPhoneNumber": {"smsMarketingConsent": {"state": "NEVER_SUBSCRIBED"}},
}
SUBSCRIPTION = {"id": f"{GIDS}WebhookSubscription/5", "topic": "ORDERS_CREATE", "uri": "https://app.example.com/hook"}
LOCATIONS = {
    "locations": {
        "nodes": [
            {"id": f"{GIDS}Location/9", "name": "Lager", "isActive": True, "fulfillsOnlineOrders": False},
        ],
        "pageInfo": {"hasNextPage": True, "endCursor": "abc"},
    }
}
SHOP = {
    "shop": {
        "name": "Demo",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "primaryDomain": {"url": "https://demo.example.com"},
        "shopAddress": {"countryCodeV2": "DE"},
    },
    "currentAppInstallation": {"accessScopes": [{"handle": "read_products"}, {"handle": "read_inventory"}]},
}

READINGS: list[tuple[Callable[[Part], Any], dict[str, Any], Any]] = [
    (
        things.read_stock,
        STOCK,
        VariantStock(BIG, BIG - 2, BIG - 1, "unlisted", False, False, True, True, -4, 0),
    ),
    (
        things.read_goods,
        GOODS,
        VariantGoods(
            variant_id=1,
            product_id=2,
            inventory_item_id=3,
            title="Green",
            sku=None,
            price_cents=1999,
            image_url="https://cdn/v.png",
            inventory_policy="deny",
            tracked=False,
            product_title="Shirt",
            handle="shirt",
            vendor="Restock",
            status="active",
            online_store_url="https://demo/products/shirt",
            product_image_url="https://cdn/p.png",
            variant_count=3,
            product_updated_at=datetime(2026, 10, 1, 10, 0, 1, tzinfo=UTC),
            variant_updated_at=datetime(2026, 10, 1, 10, 0, tzinfo=UTC),
        ),
    ),
    (things.read_levels, LEVELS, ((LocationStock(3, 9, 5), LocationStock(3, 8, None)), False)),
    (things.read_market, MARKET, MarketView(1, True, 1850, "EUR")),
    (things.read_customer, CUSTOMER, ShopCustomer(BIG, MarketingState.subscribed, MarketingState.not_subscribed)),
    (
        things.read_subscription,
        SUBSCRIPTION,
        TopicSubscription(f"{GIDS}WebhookSubscription/5", "orders/create", "https://app.example.com/hook"),
    ),
    (things.read_locations, LOCATIONS, ([Location(9, "Lager", True, False)], "abc")),
    (
        things.read_shop,
        SHOP,
        ShopProfile(
            "Demo",
            "EUR",
            "DE",
            "Europe/Berlin",
            "https://demo.example.com",
            frozenset({"read_products", "read_inventory"}),
        ),
    ),
]
readings = pytest.mark.parametrize(("read", "answer", "value"), READINGS, ids=[one[0].__name__ for one in READINGS])


@readings
def test_an_answer_becomes_its_value(read: Callable[[Part], Any], answer: dict[str, Any], value: object) -> None:
    assert read(Part(answer)) == value


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from _places(one, (*path, key))


def _changed(answer: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed: Any = copy.deepcopy(answer)
    spot = changed
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    return dict(changed)


WRONG = [None, [], {}, "secret", "", 7, -1, 2**70, 1.5, True, ["secret"], {"id": "secret"}, "\ud800", "\x00"]


@readings
def test_a_wrong_type_anywhere_is_a_surprise_that_names_the_place_and_not_the_value(
    read: Callable[[Part], Any], answer: dict[str, Any], value: object
) -> None:
    words = [_surprise(read, _changed(answer, path, wrong)) for path in _places(answer) for wrong in WRONG]
    surprises = [word for word in words if word]
    assert len(surprises) > 10
    assert [word for word in surprises if not word.startswith("data") or "secret" in word] == []


def _surprise(read: Callable[[Part], Any], answer: dict[str, Any]) -> str | None:
    """Read an answer; return the words of the surprise when it is one."""
    try:
        _check_kept(read(Part(answer)))
    except AdminSurpriseError as surprise:
        return str(surprise)
    return None


def _check_kept(value: Any) -> None:
    """Whatever is read can be kept: texts that a database takes, numbers that fit."""
    if is_dataclass(value):
        for one in fields(value):
            _check_kept(getattr(value, one.name))
    elif isinstance(value, list | tuple | frozenset):
        for one in value:
            _check_kept(one)
    elif isinstance(value, str):
        value.encode()
        assert "\x00" not in value
    elif isinstance(value, int):
        assert abs(value) < 2**63


@readings
def test_a_missing_field_is_a_surprise(read: Callable[[Part], Any], answer: dict[str, Any], value: object) -> None:
    for path in _places(answer):
        if isinstance(path[-1], str):
            changed = copy.deepcopy(answer)
            spot: Any = changed
            for key in path[:-1]:
                spot = spot[key]
            del spot[path[-1]]
            assert _surprise(read, changed) in (_spelt(path) + " is missing", None if path[-1] == "id" else "")


def _spelt(path: tuple[str | int, ...]) -> str:
    return "data" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


@pytest.mark.parametrize(
    ("gid", "number"),
    [
        (f"{GIDS}ProductVariant/9007199254740993", 9007199254740993),
        (f"{GIDS}ProductVariant/{BIG}", BIG),
        (f"{GIDS}ProductVariant/{BIG + 1}", None),
        (f"{GIDS}ProductVariant/0", None),
        (f"{GIDS}Product/1", None),
        (f"{GIDS}ProductVariant/1a", None),
        (f"{GIDS}ProductVariant/١", None),
        ("1", None),
    ],
)
def test_ids_are_exact_or_refused(gid: str, number: int | None) -> None:
    part = Part({"id": gid})
    if number is not None:
        assert part.number("ProductVariant") == number
    else:
        with pytest.raises(AdminSurpriseError):
            part.number("ProductVariant")


@pytest.mark.parametrize(
    ("price", "cents"),
    [("19.99", 1999), ("0.00", 0), ("1500", 150000), ("0.1", 10), ("1E+2", 10000), ("12.345", 1234)],
)
def test_prices_are_hundredths(price: str, cents: int) -> None:
    assert Part({"price": price}).cents("price") == cents


@pytest.mark.parametrize("price", ["", "NaN", "Infinity", "-1", "1,50", "1e999999", "ten", "9" * 30])
def test_what_is_no_price_is_a_surprise(price: str) -> None:
    with pytest.raises(AdminSurpriseError):
        Part({"price": price}).cents("price")


def test_ids_that_shopify_does_not_know_are_absent() -> None:
    nodes = Part({"nodes": [None, STOCK, {}]})
    assert list(things.read_nodes(nodes, "ProductVariant", things.read_stock)) == [BIG]


@pytest.mark.parametrize(
    ("word", "topic"),
    [
        ("ORDERS_CREATE", "orders/create"),
        ("VARIANTS_IN_STOCK", "variants/in_stock"),
        ("INVENTORY_LEVELS_UPDATE", "inventory_levels/update"),
        ("CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE", "customers_email_marketing_consent/update"),
        ("CUSTOMERS_MARKETING_CONSENT_UPDATE", "customers_marketing_consent/update"),
        ("APP_SCOPES_UPDATE", "app/scopes_update"),
        ("APP_SUBSCRIPTIONS_UPDATE", "app_subscriptions/update"),
    ],
)
def test_topics_are_spelt_both_ways(word: str, topic: str) -> None:
    assert things.topic_of(word) == topic
    assert things.word_of(topic) == word


def answer_with(code: str | None, data: object = None) -> str:
    extensions = {"extensions": {"code": code}} if code else {}
    return json.dumps({"data": data, "errors": [{"message": "secret", "path": ["nodes", 0], **extensions}]})


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("THROTTLED", AdminThrottledError),
        ("ACCESS_DENIED", AdminForbiddenError),
        ("SHOP_INACTIVE", AdminForbiddenError),
        ("INTERNAL_SERVER_ERROR", AdminUnavailableError),
        ("MAX_COST_EXCEEDED", AdminSurpriseError),
        ("undefinedField", AdminSurpriseError),
        ("a secret: with words", AdminSurpriseError),
        (None, AdminSurpriseError),
    ],
)
@pytest.mark.parametrize("data", [None, {"nodes": [None]}])
def test_an_error_beside_whatever_data_is_the_error_it_stands_for(
    code: str | None, fault: type[AdminError], data: object
) -> None:
    """A null that an error explains is not taken for an id that Shopify does not know."""
    with pytest.raises(fault) as raised:
        data_of(take_apart(answer_with(code, data)), 1.0)
    assert "secret" not in str(raised.value)


def test_an_error_that_says_not_found_leaves_the_rest_of_the_answer() -> None:
    assert data_of(take_apart(answer_with("RESOURCE_NOT_FOUND", {"nodes": [None]})), 1.0).items("nodes")


def test_a_mutation_that_shopify_refuses_names_fields_and_codes_and_no_words() -> None:
    faults = [{"field": ["input", "phone"], "code": "INVALID", "message": "secret 555"}, {"field": None}]
    with pytest.raises(AdminRefusedError, match=r"customerSet: input\.phone INVALID; the whole refused$"):
        result_of(Part({"customerSet": {"customer": None, "userErrors": faults}}), "customerSet")


@pytest.mark.parametrize("payload", [None, {}, {"userErrors": None}, {"userErrors": "secret"}, 7])
def test_a_mutation_without_its_payload_is_a_surprise(payload: object) -> None:
    with pytest.raises(AdminSurpriseError):
        result_of(Part({"customerSet": payload}), "customerSet")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "nodes", "id"]), inner),
    max_leaves=8,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "data": json_values,
        "errors": json_values | st.lists(st.fixed_dictionaries({"extensions": json_values})),
        "extensions": st.fixed_dictionaries(
            {"cost": json_values | st.fixed_dictionaries({"throttleStatus": json_values})}
        ),
    },
)


@given(st.one_of(envelopes, json_values).map(json.dumps) | st.text(max_size=20))
def test_no_envelope_whatever_raises_anything_but_an_admin_error(text: str) -> None:
    try:
        part = data_of(take_apart(text), 1.0)
        things.read_nodes(part, "ProductVariant", things.read_stock)
    except AdminError:
        pass
