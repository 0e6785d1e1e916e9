"""Shopify's door under abuse: what is forged, replayed, torn or mad never harms a shop, nor the messages beside it.

The whole application stands here, with its tables; only the workers' part is done by hand.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from restock.bootstrap import Services
from restock.config import Settings
from restock.shopify.signatures import sign_webhook
from tests.application import open_app

SAMPLES = {
    path.stem.replace(".", "/", 1): json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "contracts" / "webhooks").glob("*.json"))
}
DEMO, OTHER = "demo.myshopify.com", "other.myshopify.com"
BIG = 2**53 + 1  # the first number that a 53-bit reader takes for its neighbour
PRODUCT, ITEM, LOCATION = 2**61 + 1, 2**62 + 1, 2**60 + 1
UNSEEN = count(1)


class Door:
    """The application, and how to send webhooks to it."""

    def __init__(self, client: FlaskClient, services: Services) -> None:
        self.client = client
        self.services = services

    def send(self, topic: str, body: object, **headers: str) -> TestResponse:
        """Send one webhook as Shopify would; a header named here is another than Shopify's."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": DEMO,
            "X-Shopify-Webhook-Id": f"unseen-{next(UNSEEN)}",
            "X-Shopify-Hmac-Sha256": sign_webhook("hush", raw),
            "Content-Type": "application/json",
        }
        named = {"X-Shopify-" + name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/webhooks/shopify", data=raw, headers=known | named)

    def apply(self) -> None:
        """Do what is due, as a worker would."""
        for _ in range(50):
            if not self.services.inbox.apply_due():
                return
        raise AssertionError("the inbox does not come to an end")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the tables."""
        return list(self.services.database.hot().execute(query, values).fetchall())

    def state_of(self, webhook_id: str) -> tuple[Any, ...]:
        """Say what became of a message: its state, why, and after how many attempts."""
        (row,) = self.rows("SELECT state, reason, attempts FROM inbox_messages WHERE webhook_id = %s", webhook_id)
        return row

    def levels(self, domain: str = DEMO) -> list[tuple[Any, ...]]:
        """Read the levels of a shop."""
        return self.rows(
            "SELECT inventory_item_id, location_id, available FROM inventory_levels JOIN shops ON shops.id = shop_id"
            " WHERE domain = %s ORDER BY 1, 2",
            domain,
        )


@pytest.fixture
def door(make_settings: Callable[..., Settings], clean_database: str, redis_url: str) -> Iterator[Door]:
    app = open_app(
        make_settings(
            database_url=clean_database,
            redis_url=redis_url,
            settle_seconds=0,
            smtp_url="smtp://127.0.0.1:1",
            shopify_old_api_secret="before",
        )
    )
    services: Services = app.extensions["restock"]
    for domain in (DEMO, OTHER):
        services.shops.add(domain)
    yield Door(app.test_client(), services)
    services.close()


def level(available: int | None, second: int = 0, item: int = ITEM, location: int = LOCATION) -> dict[str, Any]:
    at = f"2026-11-20T10:00:{second:02d}Z"
    return {"inventory_item_id": item, "location_id": location, "available": available, "updated_at": at}


# What is not what Shopify signed


def _again(body: bytes, **how: Any) -> bytes:
    return json.dumps(json.loads(body), **how).encode()


GENUINE = json.dumps(level(5)).encode()
TAMPERED = {
    "another number": GENUINE.replace(b": 5", b": 6"),
    "cut short": GENUINE[:-1],
    "cut to nothing": b"",
    "written again, tighter": _again(GENUINE, separators=(",", ":")),
    "written again, in another order": _again(GENUINE, sort_keys=True),
    "one space more": GENUINE + b" ",
    "one line end more": GENUINE + b"\n",
    "a mark in front": b"\xef\xbb\xbf" + GENUINE,
    "packed": gzip.compress(GENUINE),
    "in UTF-16": GENUINE.decode().encode("utf-16"),
}


@pytest.mark.parametrize("body", TAMPERED.values(), ids=TAMPERED.keys())
def test_bytes_that_were_not_signed_are_refused_and_leave_nothing(door: Door, body: bytes) -> None:
    answer = door.send("inventory_levels/update", body, Hmac_Sha256=sign_webhook("hush", GENUINE))
    assert answer.status_code == 401
    assert door.rows("SELECT id FROM inbox_messages") == []


SIGNATURE = sign_webhook("hush", GENUINE)
FORGED = {
    "none": "",
    "another secret's": sign_webhook("guess", GENUINE),
    "an empty secret's": sign_webhook("", GENUINE),
    "a wrong letter": ("A" if SIGNATURE[0] != "A" else "B") + SIGNATURE[1:],
    "cut short": SIGNATURE[:-1],
    "without its end": SIGNATURE.rstrip("="),
    "with a space": SIGNATURE + " x",
    "twice": f"{SIGNATURE}, {SIGNATURE}",
    "hexadecimal": "5f" * 32,
    "not ASCII": "é" * 44,
    "very long": "A" * 8000,
}


@pytest.mark.parametrize("signature", FORGED.values(), ids=FORGED.keys())
def test_a_forged_signature_is_refused_and_leaves_nothing(door: Door, signature: str) -> None:
    assert door.send("inventory_levels/update", GENUINE, Hmac_Sha256=signature).status_code == 401
    assert door.rows("SELECT id FROM inbox_messages") == []


def test_shopifys_own_example_passes_the_door(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> None:
    """https://shopify.dev/docs/apps/build/webhooks: the vector of Shopify's libraries."""
    known = {"database_url": clean_database, "redis_url": redis_url, "shopify_api_secret": "test_secret_key"}
    app = open_app(make_settings(**known))
    vector = {"X-Shopify-Hmac-Sha256": "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="}
    client = app.test_client()
    assert client.post("/webhooks/shopify", data=b'{"foo": "bar"}', headers=vector).status_code == 200
    assert client.post("/webhooks/shopify", data=b'{"foo":"bar"}', headers=vector).status_code == 401
    app.extensions["restock"].close()


# What Shopify signed, sent otherwise than Shopify sends it


def test_one_delivery_sent_again_and_again_has_one_effect(door: Door) -> None:
    for _ in range(5):
        assert door.send("inventory_levels/update", level(5), Webhook_Id="same").status_code == 200
        door.apply()
    assert door.state_of("same") == ("applied", None, 1)


def test_an_old_body_replayed_under_a_new_id_does_not_undo_a_newer_one(door: Door) -> None:
    """Headers are not signed: whoever has seen a genuine body can send it as often as he likes."""
    old, new = level(9, second=1), level(0, second=2)
    for body in (old, new, old, old):
        assert door.send("inventory_levels/update", body).status_code == 200
        door.apply()
    assert door.levels() == [(ITEM, LOCATION, 0)]


def test_bodies_in_the_wrong_order_come_to_the_newest(door: Door) -> None:
    for second in (5, 2, 4, 1, 3):
        assert door.send("inventory_levels/update", level(second, second)).status_code == 200
    door.apply()
    assert door.levels() == [(ITEM, LOCATION, 5)]


def test_a_body_replayed_as_another_shops_changes_nothing_of_the_first(door: Door) -> None:
    door.send("inventory_levels/update", level(7, second=1))
    door.send("inventory_levels/update", level(0, second=9), Shop_Domain=OTHER)
    door.apply()
    assert door.levels() == [(ITEM, LOCATION, 7)]


@pytest.mark.parametrize(
    "domain",
    ["", "evil.com", "demo.myshopify.com.evil.com", "demo@myshopify.com", "x" * 4000, "'; DROP TABLE shops; --", "%00"],
)
def test_a_header_that_is_no_shop_is_taken_and_has_no_effect(door: Door, domain: str) -> None:
    assert door.send("inventory_levels/update", level(5), Shop_Domain=domain, Webhook_Id="odd").status_code == 200
    door.apply()
    assert door.state_of("odd")[:2] == ("kept", "no_shop")
    assert door.levels() == []


def test_a_packed_body_is_refused_even_when_its_bytes_were_signed(door: Door) -> None:
    packed = gzip.compress(GENUINE)
    answer = door.client.post(
        "/webhooks/shopify",
        data=packed,
        headers={"X-Shopify-Hmac-Sha256": sign_webhook("hush", packed), "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(("body", "status"), [(GENUINE, 200), (GENUINE[:-1], 401), (b" " * 3_000_000, 413)])
def test_a_body_in_chunks_is_judged_like_any_other(door: Door, body: bytes, status: int) -> None:
    answer = door.client.post(
        "/webhooks/shopify",
        headers={"X-Shopify-Hmac-Sha256": SIGNATURE, "X-Shopify-Shop-Domain": DEMO},
        input_stream=io.BytesIO(body),
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == status


@pytest.mark.parametrize("announced", [0, 20])
def test_a_body_shorter_or_longer_than_announced_is_refused(door: Door, announced: int) -> None:
    """A connection that breaks off in the middle of a body, and bytes behind its end."""
    answer = door.client.post(
        "/webhooks/shopify",
        headers={"X-Shopify-Hmac-Sha256": SIGNATURE},
        input_stream=io.BytesIO(GENUINE[:15]),
        environ_overrides={"CONTENT_LENGTH": str(announced)},
    )
    assert answer.status_code == 401


MAD = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"\xff\xfe",
    b'{"id": NaN}',
    b"[" * 100_000,
    b'{"id":' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", MAD, ids=[repr(body[:12]) for body in MAD])
def test_a_signed_body_that_nobody_understands_is_taken_and_given_up_in_the_end(door: Door, body: bytes) -> None:
    assert door.send("products/update", body, Webhook_Id="mad").status_code == 200
    assert door.send("inventory_levels/update", level(5)).status_code == 200
    door.apply()
    state, reason, attempts = door.state_of("mad")
    assert (state, attempts) == ("received", 1), "it is tried again later"
    assert reason in ("not_json", "not_an_object", "bad_id")
    assert door.levels() == [(ITEM, LOCATION, 5)], "its neighbour is not held up"
    for _ in range(4):
        door.services.database.hot().execute("UPDATE inbox_messages SET next_at = now() WHERE state = 'received'")
        door.apply()
    assert door.state_of("mad")[::2] == ("failed", 5)


# Ids


def _product(*variants: int) -> dict[str, Any]:
    return {
        "id": PRODUCT,
        "title": "Shirt",
        "handle": "shirt",
        "status": "active",
        "published_at": "2026-11-01T00:00:00Z",
        "updated_at": "2026-11-20T09:00:00Z",
        "variants": [
            {
                "id": variant,
                "product_id": PRODUCT,
                "title": str(variant),
                "price": "10.00",
                "inventory_policy": "deny",
                "inventory_management": "shopify",
                "inventory_item_id": ITEM + place,
                "inventory_quantity": 0,
                "updated_at": "2026-11-20T09:00:00Z",
            }
            for place, variant in enumerate(variants)
        ],
    }


def test_ids_above_53_bits_stay_themselves_from_the_door_to_the_messages(door: Door) -> None:
    """Two variants that a 53-bit reader cannot tell apart: one comes back, and only its shopper gets a message."""
    services = door.services
    back, gone = BIG, BIG - 1
    assert float(back) == float(gone)
    assert door.send("products/create", _product(back, gone)).status_code == 200
    door.apply()
    services.restocks.check_due()
    for place, variant in enumerate((back, gone)):
        intent = {"shopify_variant_id": variant, "shopify_product_id": PRODUCT, "channel": "email", "source": "api"}
        posted = door.client.post(
            "/api/v1/intents.json",
            json={"intent": intent, "customer": {"email": f"ada{place}@example.com"}},
            headers={"X-Shopify-Shop-Domain": DEMO},
        )
        assert posted.status_code == 201
        assert posted.get_json()["intent"]["shopify_variant_id"] == variant
    assert door.send("inventory_levels/update", level(3, item=ITEM)).status_code == 200
    door.apply()
    services.restocks.check_due()
    while services.restocks.plan_due():
        pass
    told = door.rows(
        "SELECT s.variant_id, e.variant_id FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id"
        " JOIN restock_events e ON e.id = d.event_id"
    )
    assert told == [(back, back)]
    assert door.levels() == [(ITEM, LOCATION, 3)]


def test_the_exact_id_of_a_graphql_id_is_believed_before_a_rounded_number(door: Door) -> None:
    exact = 271878346596884015
    rounded = SAMPLES["inventory_levels/update"]
    assert rounded["inventory_item_id"] != exact
    door.send("inventory_levels/update", rounded)
    door.apply()
    assert door.levels() == [(exact, 24826418, 10)]


# Everything else


_odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**53, max_value=2**65),
    st.integers(min_value=-(2**70), max_value=0),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "\x00",
            "\ud800",
            "1e999999",
            "NaN",
            "9" * 400,
            "gid://shopify/Product/0",
            "x" * 70_000,
            "0001-01-01T00:00Z",
        ]
    ),
    st.sampled_from([[], {}, [[]], [{}], [None], {"id": {}}, [{"id": []}], [1, "a", None]]),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from _places(one, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """Draw a topic and the sample of some topic, mostly the same, with a few of its values changed or gone."""
    source = draw(st.sampled_from(sorted(SAMPLES)))
    topic = draw(st.one_of(st.just(source), st.just(source), st.sampled_from(sorted(SAMPLES)), st.text(max_size=9)))
    body = copy.deepcopy(SAMPLES[source])
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(body))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        spot = body
        for key in way:
            spot = spot[key]
        if isinstance(spot, dict) and draw(st.integers(0, 4)) == 0:
            del spot[last]
        else:
            spot[last] = copy.deepcopy(draw(_odd))  # a drawn list must not be changed by the next round
    return topic, body


_header = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)


@given(
    st.lists(mutated(), min_size=1, max_size=6),
    st.fixed_dictionaries({}, optional={"Triggered_At": _header, "Event_Id": _header, "API_Version": _header}),
)
@example([("products/update", {"id": 1, "images": [{"id": [], "src": "x"}]})], {})
@example([("products/update", {"id": 1, "variants": [{"id": 2, "image_id": {}}]})], {})
@example([("products/update", {"id": 1, "variants": [{"id": 2, "price": "1e999999"}]})], {})
@example([("orders/create", {"id": 1, "currency": "EUR", "financial_status": []})], {})
@example([("inventory_levels/update", level(2**63))], {})
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_signed_madness_is_taken_and_never_holds_up_the_messages_beside_it(
    door: Door, told: list[tuple[str, Any]], headers: dict[str, str]
) -> None:
    door.services.shops.add(DEMO)  # an uninstall may have been among the last
    for topic, body in told:
        safe = topic.encode("latin-1", "ignore").decode("latin-1").replace("\n", "").replace("\r", "")
        assert door.send(safe, body, **headers).status_code == 200
    number = next(UNSEEN)
    good = {"Webhook_Id": f"good-{number}", "Shop_Domain": OTHER}
    assert door.send("inventory_levels/update", level(1, item=number), **good).status_code == 200
    door.apply()
    assert door.state_of(f"good-{number}") == ("applied", None, 1)
    assert (number, LOCATION, 1) in door.levels(OTHER)
    assert door.rows("SELECT topic FROM inbox_messages WHERE state = 'received' AND attempts = 0") == []
    failures = door.rows("SELECT topic, body FROM inbox_messages WHERE reason = 'internal_error'")
    assert failures == [], "what cannot be understood is known as such, with its reason"
