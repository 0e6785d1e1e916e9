"""The page by which a shopper passes a turn on: a look changes nothing, and what it says is what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

import restock.catalog.repository as catalog
from restock.bootstrap import Services
from restock.config import Settings
from restock.shops.values import Shop
from tests.application import open_app

SHOP = "kettle.myshopify.com"
VARIANT = 1


@dataclass(frozen=True)
class Turns:
    """The whole web app, one unit of one variant, and people in line for it."""

    client: FlaskClient
    services: Services
    shop: Shop

    def joins(self, name: str, **customer: object) -> None:
        intent = {"shopify_variant_id": VARIANT, "shopify_product_id": 2, "channel": "email"}
        answer = self.client.post(
            "/api/v1/intents.json",
            json={"intent": intent, "customer": {"email": f"{name}@example.com", **customer}},
            headers={"X-Shopify-Shop-Domain": SHOP},
        )
        assert answer.status_code == 201

    def restock(self) -> None:
        """One unit arrives, and whoever's turn it is is told."""
        with self.services.database.transaction() as session:
            catalog.request_checks(session, self.shop.id, [VARIANT], 0)
        self.services.restocks.check_due()
        while self.services.restocks.plan_due():
            pass
        self.arrive()

    def arrive(self) -> None:
        """Have every message that is queued accepted by its provider."""
        ids = [int(row[0]) for row in self.rows("UPDATE deliveries SET state = 'sent' RETURNING offer_id")]
        with self.services.database.transaction() as session:
            self.services.restocks.offers_accepted(session, self.shop, ids)

    def path(self) -> str:
        """The link in the first message."""
        delivery_id = int(self.rows("SELECT min(id) FROM deliveries")[0][0])
        return urlsplit(self.services.links.decline(delivery_id)).path

    def states(self, table: str) -> list[str]:
        return [str(state) for (state,) in self.rows(f"SELECT state FROM {table} ORDER BY id")]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.services.database.hot().execute(query).fetchall()


@pytest.fixture
def turns(make_settings: Callable[..., Settings], clean_database: str, redis_url: str) -> Iterator[Turns]:
    app = open_app(make_settings(database_url=clean_database, redis_url=redis_url, smtp_url="smtp://127.0.0.1:1"))
    services: Services = app.extensions["restock"]
    services.shops.add(SHOP)
    shop = services.shops.change_settings(SHOP, {"policy": "strict", "name": "Kettle & Co"})
    found = Turns(app.test_client(), services, shop)
    for statement in (
        f"""INSERT INTO products (shop_id, product_id, title, handle, status, published, variant_count,
            source_updated_at, source_triggered_at)
            VALUES ({shop.id}, 2, 'Mug <b>', 'mug', 'active', true, 1, now(), now()) RETURNING 1""",
        f"""INSERT INTO variants (shop_id, variant_id, product_id, title, inventory_item_id, tracked, source_updated_at,
            source_triggered_at) VALUES ({shop.id}, {VARIANT}, 2, 'Green', 3, true, now(), now()) RETURNING 1""",
        f"""INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available, source_updated_at,
            source_triggered_at) VALUES ({shop.id}, 3, 1, 1, now(), now()) RETURNING 1""",
    ):
        found.rows(statement)
    yield found
    services.close()


def test_a_look_changes_nothing_and_the_button_passes_the_turn_on(turns: Turns) -> None:
    turns.joins("ada")
    turns.joins("bo")
    turns.restock()
    path = turns.path()
    page = turns.client.get(path)
    assert page.status_code == 200
    assert "Pass my turn on, keep my place" in page.text
    assert "Mug &lt;b&gt;" in page.text
    assert "/unsubscribe/" in page.text
    assert "example.com" not in page.text
    turns.client.head(path)
    assert turns.states("offers") == ["open"]

    page = turns.client.post(path)
    assert page.status_code == 200
    assert "Your turn is passed on" in page.text
    assert "a•••@example.com" in page.text
    assert turns.states("offers") == ["declined"]
    assert turns.states("subscriptions") == ["active", "active"]
    while turns.services.restocks.plan_due():
        pass
    assert turns.states("offers") == ["declined", "open"]
    assert turns.rows("SELECT subscription_id FROM offers WHERE state = 'open'") == turns.rows(
        "SELECT max(id) FROM subscriptions"
    )


def test_saying_it_twice_is_said_once(turns: Turns) -> None:
    turns.joins("ada")
    turns.restock()
    for _ in range(2):
        assert "Your turn is passed on" in turns.client.post(turns.path()).text
    assert "Your turn is passed on" in turns.client.get(turns.path()).text
    assert turns.rows("SELECT count(*) FROM subscription_events WHERE kind = 'declined'") == [(1,)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE offers SET state = 'ended' RETURNING 1", "Your turn was over already"),
        ("UPDATE offers SET state = 'missed' RETURNING 1", "Your turn was over already"),
        ("UPDATE offers SET state = 'returned' RETURNING 1", "Your turn was over already"),
        ("UPDATE offers SET state = 'bought' RETURNING 1", "You have bought it"),
    ],
)
def test_a_turn_that_is_over_is_said_to_be_over_and_stays_so(turns: Turns, change: str, words: str) -> None:
    turns.joins("ada")
    turns.restock()
    turns.rows(change)
    before = turns.states("offers"), turns.states("subscriptions")
    for page in (turns.client.get(turns.path()), turns.client.post(turns.path())):
        assert page.status_code == 200
        assert words in page.text
        assert "<button" not in page.text
    assert (turns.states("offers"), turns.states("subscriptions")) == before


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("de-AT", "Platz behalten"),
        ("fr", "garder ma place"),
        ("es-MX", "conservar mi lugar"),
        ("xx", "keep my place"),
        ("he-IL", '<html lang="he" dir="rtl">'),
        ("pt", '<html lang="pt-BR" dir="ltr">'),
        ("ar", "\u2068"),
    ],
)
def test_the_page_speaks_the_shopper_s_language(turns: Turns, locale: str, words: str) -> None:
    turns.joins("ada", locale=locale)
    turns.restock()
    assert words in turns.client.get(turns.path()).text


def test_a_turn_can_be_passed_on_before_it_is_written_down_that_the_message_arrived(turns: Turns) -> None:
    turns.joins("ada")
    turns.restock()
    turns.rows("UPDATE offers SET accepted_at = NULL, ends_at = NULL RETURNING 1")
    turns.rows("UPDATE subscriptions SET state = 'active', open_offer_id = (SELECT id FROM offers) RETURNING 1")
    assert "Your turn is passed on" in turns.client.post(turns.path()).text


def test_a_link_for_another_purpose_or_person_passes_nothing_on(turns: Turns) -> None:
    turns.joins("ada")
    turns.restock()
    links = turns.services.links
    delivery_id = int(turns.rows("SELECT min(id) FROM deliveries")[0][0])
    click = urlsplit(links.click(delivery_id)).path.rpartition("/")[2]
    unknown = urlsplit(links.decline(delivery_id + 999)).path.rpartition("/")[2]
    for token in ("x", "%00", "A" * 5000, click, unknown):
        for ask in (turns.client.get, turns.client.post):
            page = ask(f"/decline/{token}")
            assert page.status_code == 404
            assert "This link is not valid" in page.text
    assert turns.states("offers") == ["open"]


def test_a_message_of_another_kind_has_no_turn(turns: Turns) -> None:
    turns.joins("ada")
    turns.restock()
    turns.rows("UPDATE deliveries SET kind = 'reminder' RETURNING 1")
    assert turns.client.get(turns.path()).status_code == 404
