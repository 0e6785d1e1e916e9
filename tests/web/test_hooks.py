"""The door for Shopify's webhooks: signed bytes in, 200 out, stored once."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.config import Settings
from restock.errors import UnavailableError
from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage, Received
from restock.links import Vault
from restock.shopify.signatures import sign_webhook
from restock.shops.service import ShopService
from restock.web.errors import register_error_handlers
from restock.web.hooks import MAX_BODY_BYTES, hooks_blueprint
from tests.opened import kept

BODY = b'{"inventory_item_id": 271878346596884015, "location_id": 24826418, "available": 10}'


@dataclass
class FakeWaker:
    """Count the wake-ups."""

    count: int = 0

    def wake(self) -> None:
        self.count += 1


@dataclass
class FakeInbox:
    """Keep what is received."""

    messages: list[InboxMessage] = field(default_factory=list)

    def receive(self, message: InboxMessage) -> Received:
        known = any((m.shop_domain, m.webhook_id) == (message.shop_domain, message.webhook_id) for m in self.messages)
        self.messages.append(message)
        return Received.duplicate if known else Received.new


class AwayInbox:
    """Be away."""

    def receive(self, message: InboxMessage) -> Received:
        raise UnavailableError("Please send this again in a few seconds.", retry_after_seconds=5)


def _client(settings: Settings, inbox: object, waker: FakeWaker) -> FlaskClient:
    app = Flask("test")
    register_error_handlers(app)
    services: Any = SimpleNamespace(settings=settings, inbox=inbox, waker=waker)
    app.register_blueprint(hooks_blueprint(services))
    return app.test_client()


@pytest.fixture
def inbox() -> FakeInbox:
    return FakeInbox()


@pytest.fixture
def waker() -> FakeWaker:
    return FakeWaker()


@pytest.fixture
def client(make_settings: Callable[..., Settings], inbox: FakeInbox, waker: FakeWaker) -> FlaskClient:
    settings = make_settings(shopify_api_secret="hush", shopify_old_api_secret="before")
    return _client(settings, inbox, waker)


def _headers(body: bytes = BODY, secret: str = "hush", prefix: str = "X-Shopify-", **changes: str) -> dict[str, str]:
    known = {
        "Hmac-Sha256": sign_webhook(secret, body),
        "Topic": "inventory_levels/update",
        "Shop-Domain": "demo.myshopify.com",
        "Webhook-Id": "b54557e4",
        "Event-Id": "98880550",
        "API-Version": "2026-10",
        "Triggered-At": "2026-03-30T14:30:00.123456789Z",
    }
    named = known | {key.replace("_", "-"): value for key, value in changes.items()}
    return {prefix + name: value for name, value in named.items()}


def _post(client: FlaskClient, headers: Mapping[str, str], body: bytes = BODY) -> TestResponse:
    return client.post("/webhooks/shopify", data=body, headers=dict(headers), content_type="application/json")


@pytest.mark.parametrize("prefix", ["X-Shopify-", "Shopify-", "x-shopify-"])
def test_a_signed_webhook_is_stored_whole(client: FlaskClient, inbox: FakeInbox, waker: FakeWaker, prefix: str) -> None:
    answer = _post(client, _headers(prefix=prefix))
    assert (answer.status_code, answer.data) == (200, b"")
    (message,) = inbox.messages
    assert message.body == BODY
    assert message.shop_domain == "demo.myshopify.com"
    assert message.webhook_id == "b54557e4"
    assert message.topic == "inventory_levels/update"
    assert (message.event_id, message.api_version) == ("98880550", "2026-10")
    assert message.triggered_at is not None
    assert message.triggered_at.isoformat() == "2026-03-30T14:30:00.123456+00:00"
    assert waker.count == 1


def test_a_second_copy_is_accepted_and_wakes_nobody(client: FlaskClient, waker: FakeWaker) -> None:
    assert [_post(client, _headers()).status_code for _ in range(5)] == [200] * 5
    assert waker.count == 1


@pytest.mark.parametrize("secret", ["hush", "before"])
def test_the_current_and_the_old_secret_are_good(client: FlaskClient, secret: str) -> None:
    assert _post(client, _headers(secret=secret)).status_code == 200


REFUSED = [
    ("no signature", {"Hmac-Sha256": ""}, BODY),
    ("another secret", {"Hmac-Sha256": sign_webhook("other", BODY)}, BODY),
    ("an empty secret", {"Hmac-Sha256": sign_webhook("", BODY)}, BODY),
    ("not ASCII", {"Hmac-Sha256": "é" * 44}, BODY),
    ("one byte flipped", {}, BODY.replace(b"10", b"11")),
    ("cut short", {}, BODY[:-1]),
    ("written again", {}, json.dumps(json.loads(BODY), separators=(",", ":")).encode()),
    ("nothing", {}, b""),
]


@pytest.mark.parametrize(("changes", "body"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_was_not_signed_so_is_refused(
    client: FlaskClient, inbox: FakeInbox, changes: dict[str, str], body: bytes
) -> None:
    answer = _post(client, _headers(**changes), body)
    assert answer.status_code == 401
    assert answer.get_json()["error"]["code"] == "UNAUTHORIZED"
    assert inbox.messages == []


def test_without_a_secret_every_webhook_is_refused(make_settings: Callable[..., Settings], inbox: FakeInbox) -> None:
    client = _client(make_settings(shopify_api_secret=None), inbox, FakeWaker())
    for secret in ("hush", "", "None"):
        assert _post(client, _headers(secret=secret)).status_code == 401


def test_without_a_webhook_id_topic_and_body_identify_the_message(client: FlaskClient, inbox: FakeInbox) -> None:
    for changes in ({"Webhook-Id": ""}, {"Webhook-Id": "x" * 3000}, {"Webhook-Id": "é"}):
        assert _post(client, _headers(**changes)).status_code == 200
    assert _post(client, _headers(**{"Webhook-Id": "", "Topic": "inventory_levels/connect"})).status_code == 200
    ids = [message.webhook_id for message in inbox.messages]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids[0].startswith("sha256:")


@pytest.mark.parametrize("shop", ["", "evil.com", "x" * 5000, "demo.myshopify.com.evil.com"])
def test_a_header_that_names_no_shop_is_kept_under_no_shop(client: FlaskClient, inbox: FakeInbox, shop: str) -> None:
    assert _post(client, _headers(**{"Shop-Domain": shop})).status_code == 200
    assert inbox.messages[0].shop_domain == ""


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-03-30T14:30:00", "9" * 500, "0001-01-01T00:00:00+14:00"])
def test_an_unreadable_time_is_no_time(client: FlaskClient, inbox: FakeInbox, moment: str) -> None:
    assert _post(client, _headers(**{"Triggered-At": moment})).status_code == 200
    assert inbox.messages[0].triggered_at is None


def test_bodies_up_to_the_limit_are_taken_and_larger_ones_refused(client: FlaskClient, inbox: FakeInbox) -> None:
    largest = b" " * MAX_BODY_BYTES
    assert _post(client, _headers(largest), largest).status_code == 200
    answer = _post(client, _headers(largest + b" "), largest + b" ")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert len(inbox.messages) == 1


def _chunked(client: FlaskClient, body: bytes) -> TestResponse:
    """Post as a server hands over a chunked body: no length, and an input that ends by itself."""
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    stream = io.BytesIO(body)
    return client.post("/webhooks/shopify", headers=_headers(body), input_stream=stream, environ_overrides=environ)


def test_a_chunked_body_is_read_and_bounded(client: FlaskClient, inbox: FakeInbox) -> None:
    assert _chunked(client, BODY).status_code == 200
    assert inbox.messages[0].body == BODY
    assert _chunked(client, b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_a_packed_body_is_refused_with_the_mend(client: FlaskClient, inbox: FakeInbox) -> None:
    packed = gzip.compress(BODY)
    answer = _post(client, _headers(packed) | {"Content-Encoding": "gzip"}, packed)
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.get_json()["error"]["message"]
    assert inbox.messages == []


def test_only_post_is_answered(client: FlaskClient) -> None:
    assert client.get("/webhooks/shopify").status_code == 405


def test_with_the_database_away_shopify_is_asked_to_come_back(make_settings: Callable[..., Settings]) -> None:
    client = _client(make_settings(), AwayInbox(), FakeWaker())
    answer = _post(client, _headers())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_webhook_goes_from_the_door_into_the_tables(
    make_settings: Callable[..., Settings], clean_database: str
) -> None:
    database = kept(clean_database)
    shops = ShopService(database, Vault(["a-key-for-tests-only-000001"]))
    shops.add("demo")
    inbox, waker = InboxService(database, 0), FakeWaker()
    client = _client(make_settings(), inbox, waker)
    assert _post(client, _headers()).status_code == 200
    assert _post(client, _headers()).status_code == 200
    strange = _headers(**{"Shop-Domain": "stranger.myshopify.com"})
    assert _post(client, strange).status_code == 200
    assert waker.count == 2
    assert inbox.apply_due() == 2
    assert inbox.apply_due() == 0
