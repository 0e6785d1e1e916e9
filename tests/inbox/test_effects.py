"""What webhooks come to, in whatever order and however often they arrive: the newest word about each thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from restock.catalog import repository as catalog
from restock.catalog.values import ReadingSource
from restock.database import Database
from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage
from restock.links import Vault
from restock.shops.service import ShopService
from restock.shops.values import Shop
from tests.inbox.conftest import NOON, Send, sample
from tests.opened import kept

VARIANT, TWIN, PRODUCT, ITEM = 2**60 + 1, 2**60 + 3, 2**61 + 5, 2**62 + 7  # none survives a 53-bit number

Read = Callable[..., tuple[bool, int | None]]


@pytest.fixture
def read(inbox: InboxService, shop: Shop, database: Database) -> Read:
    """Apply everything due and read a variant's stock."""

    def read(variant_id: int = VARIANT) -> tuple[bool, int | None]:
        while inbox.apply_due():
            pass
        with database.transaction() as session:
            reading = catalog.take_reading(session, shop, variant_id)
        return reading.sellable, reading.units

    return read


def _product(second: int = 0, **more: Any) -> dict[str, Any]:
    told = {
        "id": PRODUCT,
        "title": "Shirt",
        "handle": "shirt",
        "status": "active",
        "published_at": "2026-01-01T00:00:00Z",
        "updated_at": _at(second).isoformat(),
        "variants": [_variant(second)],
    }
    return told | more


def _variant(second: int = 0, **more: Any) -> dict[str, Any]:
    told = {
        "id": VARIANT,
        "product_id": PRODUCT,
        "title": "Green",
        "price": "19.99",
        "inventory_policy": "deny",
        "inventory_item_id": ITEM,
        "inventory_quantity": 0,
        "updated_at": _at(second).isoformat(),
    }
    return told | more


def _level(available: int | None, location: int = 1, second: int = 0) -> dict[str, Any]:
    at = _at(second).isoformat()
    return {"inventory_item_id": ITEM, "location_id": location, "available": available, "updated_at": at}


def _at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def test_levels_of_three_locations_add_up(send: Send, read: Read) -> None:
    send("products/create", _product())
    for location, available in ((1, 2), (2, 0), (3, 5)):
        send("inventory_levels/update", _level(available, location))
    assert read() == (True, 7)
    send("inventory_levels/update", _level(0, 3, second=1))
    assert read() == (True, 2)


def test_a_level_that_came_before_its_variant_counts_once_the_variant_is_told(send: Send, read: Read) -> None:
    send("inventory_levels/update", _level(4))
    assert read() == (False, 0)
    send("products/create", _product())
    assert read() == (True, 4)


def test_a_level_asks_for_checks_of_every_variant_that_has_the_item(
    send: Send, read: Read, database: Database, shop: Shop
) -> None:
    twin = _variant(id=TWIN, title="Blue")
    send("products/create", _product(variants=[_variant(), twin]))
    read()
    with database.transaction() as session:
        session.execute(text("DELETE FROM stock_checks"))
    send("inventory_levels/update", _level(4))
    assert read() == read(TWIN) == (True, 4)
    with database.transaction() as session:
        assert {check.variant_id for check in catalog.claim_checks(session, 9)} == {VARIANT, TWIN}


def test_late_and_doubled_levels_change_nothing(send: Send, read: Read) -> None:
    send("products/create", _product())
    send("inventory_levels/update", _level(9, second=5), _at(5))
    assert read() == (True, 9)
    for _ in range(5):
        send("inventory_levels/update", _level(0, second=4), _at(4))
    assert read() == (True, 9)


def test_between_levels_of_the_same_time_the_one_sent_later_counts(send: Send, read: Read) -> None:
    send("products/create", _product())
    send("inventory_levels/update", _level(3, second=5), _at(7))
    send("inventory_levels/update", _level(8, second=5), _at(6))
    assert read() == (True, 3)


def test_a_location_that_no_longer_stocks_the_item_does_not_count(send: Send, read: Read) -> None:
    send("products/create", _product(variants=[_variant(inventory_quantity=50)]))
    send("inventory_levels/update", _level(3, 1))
    send("inventory_levels/update", _level(4, 2))
    send("inventory_levels/disconnect", {"inventory_item_id": ITEM, "location_id": 1}, _at(9))
    assert read() == (True, 4)
    send("inventory_levels/update", _level(None, 2, second=3), _at(10))
    assert read() == (False, 0), "stocked nowhere: the product's own count is no longer asked"
    send("inventory_levels/connect", _level(6, 1, second=9), _at(9.5))
    assert read() == (True, 6), "connected again within the same second"


def test_an_old_disconnect_does_not_undo_a_newer_level(send: Send, read: Read) -> None:
    send("products/create", _product())
    send("inventory_levels/update", _level(3, second=9), _at(9))
    send("inventory_levels/disconnect", {"inventory_item_id": ITEM, "location_id": 1}, _at(2))
    assert read() == (True, 3)


def test_without_levels_the_products_own_count_is_read(send: Send, read: Read) -> None:
    send("products/update", _product(1, variants=[_variant(1, inventory_quantity=0)]))
    assert read() == (False, 0)
    send("variants/in_stock", _variant(2, inventory_quantity=75), _at(2))
    assert read() == (True, 75)
    send("products/update", _product(1, variants=[_variant(1, inventory_quantity=3)]), _at(8))
    assert read() == (True, 75), "an older picture"


def test_a_variant_told_of_by_itself_can_be_read(send: Send, read: Read) -> None:
    send("variants/in_stock", sample("variants/in_stock"))
    assert read(642667041472713922) == (True, 75)
    send("variants/out_of_stock", sample("variants/out_of_stock"), _at(1))
    assert read(642667041472713922) == (False, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "draft"}, (False, 0)),
        ({"status": "archived"}, (False, 0)),
        ({"published_at": None}, (False, 0)),
        ({"variants": [_variant(1, inventory_policy="continue")]}, (True, None)),
        ({"variants": [_variant(1, inventory_management=None)]}, (True, None)),
        ({"variants": [_variant(1, inventory_management="shopify")]}, (True, 5)),
        ({"variants": [], "variant_gids": []}, (True, 5)),
    ],
)
def test_a_product_can_change_what_may_be_bought(
    change: dict[str, Any], expected: tuple[bool, int | None], send: Send, read: Read
) -> None:
    send("products/create", _product())
    send("inventory_levels/update", _level(5))
    assert read() == (True, 5)
    send("products/update", _product(1, **change), _at(1))
    assert read() == expected


def test_a_shop_that_sells_without_an_online_store_can_say_so(
    send: Send, read: Read, shops: ShopService, database: Database
) -> None:
    send("products/create", _product(published_at=None))
    send("inventory_levels/update", _level(5))
    assert read() == (False, 0)
    headless = shops.change_settings("demo", {"publication_check": "any"})
    with database.transaction() as session:
        assert catalog.take_reading(session, headless, VARIANT).units == 5


def test_an_item_that_is_not_counted_is_without_limit(send: Send, read: Read) -> None:
    send("inventory_items/update", {"id": ITEM, "tracked": False, "updated_at": _at(5).isoformat()})
    send("products/create", _product())
    assert read() == (True, None)
    send("inventory_items/update", {"id": ITEM, "tracked": True, "updated_at": _at(4).isoformat()})
    assert read() == (True, None), "older news"
    send("inventory_items/update", {"id": ITEM, "tracked": True, "updated_at": _at(6).isoformat()})
    assert read() == (False, 0)


@pytest.mark.parametrize(
    ("topic", "body"), [("products/delete", {"id": PRODUCT}), ("inventory_items/delete", {"id": ITEM})]
)
def test_what_is_deleted_stays_deleted(topic: str, body: dict[str, int], send: Send, read: Read) -> None:
    send(topic, body, _at(1))
    send("inventory_levels/update", _level(5))
    send("products/update", _product())
    assert read() == (False, 0), "told of before it was deleted, arriving after"
    send("products/update", _product(2), _at(2))
    assert read() == (False, 0)


def test_a_variant_the_product_no_longer_has_is_gone_and_late_news_does_not_bring_it_back(
    send: Send, read: Read
) -> None:
    both = [_variant(inventory_quantity=5), _variant(id=TWIN, inventory_item_id=None, inventory_quantity=5)]
    send("products/create", _product(variants=both))
    assert read(TWIN) == (True, 5)
    left = [{"admin_graphql_api_id": f"gid://shopify/ProductVariant/{VARIANT}"}]
    send("products/update", _product(9, variants=both[:1], variant_gids=left), _at(9))
    assert read(TWIN) == (False, 0)
    send("products/update", _product(8, variants=both), _at(10))
    send("variants/in_stock", both[1], _at(10))
    assert read(TWIN) == (False, 0)
    assert read() == (True, 5)


def test_variants_beyond_the_first_hundred_are_kept_and_follow_their_product(
    send: Send, read: Read, database: Database, shop: Shop
) -> None:
    send("variants/in_stock", _variant(id=TWIN, inventory_item_id=None, inventory_quantity=5))
    gids = [{"admin_graphql_api_id": f"gid://shopify/ProductVariant/{number}"} for number in (VARIANT, TWIN)]
    send("products/update", _product(1, variant_gids=gids))
    assert read(TWIN) == (True, 5)
    with database.transaction() as session:
        session.execute(text("DELETE FROM stock_checks"))
    send("products/update", _product(2, variant_gids=gids, status="draft"))
    assert read(TWIN) == (False, 0)
    with database.transaction() as session:
        assert {check.variant_id for check in catalog.claim_checks(session, 9)} == {VARIANT, TWIN}


def test_a_shop_sees_nothing_of_another_shops_stock(send: Send, read: Read, shops: ShopService) -> None:
    shops.add("other")
    send("products/create", _product())
    send("inventory_levels/update", _level(5), shop_domain="other.myshopify.com")
    assert read() == (False, 0)


def test_a_reading_is_kept_with_its_source_and_a_newer_one_is_not_overwritten(
    send: Send, read: Read, database: Database, shop: Shop
) -> None:
    with database.transaction() as session:
        assert catalog.current_reading(session, shop.id, VARIANT) is None
    send("products/create", _product(variants=[_variant(inventory_quantity=5)]))
    assert read() == (True, 5)
    with database.transaction() as session:
        kept = catalog.current_reading(session, shop.id, VARIANT)
        assert kept is not None
        assert (kept.sellable, kept.units, kept.source) == (True, 5, ReadingSource.webhook)
        session.execute(text("UPDATE stock_readings SET read_at = now() + interval '1 minute', units = 6"))
    assert read() == (True, 6)


def test_messages_can_say_what_the_goods_are(send: Send, read: Read, database: Database, shop: Shop) -> None:
    images = [{"id": 1, "src": "https://cdn.example/a.jpg"}, {"id": 2, "src": "https://cdn.example/b.jpg"}]
    variants = [_variant(), _variant(id=TWIN, title="Blue", price="0.10", image_id=2)]
    send("products/create", _product(variants=variants, images=images, image=images[0]))
    read()
    with database.transaction() as session:
        facts = catalog.product_facts(session, shop, [VARIANT, TWIN, 4])
    assert set(facts) == {VARIANT, TWIN}
    assert (facts[VARIANT].title, facts[VARIANT].variant_title, facts[VARIANT].price_cents) == ("Shirt", "Green", 1999)
    assert (facts[VARIANT].handle, facts[VARIANT].product_id) == ("shirt", PRODUCT)
    assert facts[VARIANT].image_url == "https://cdn.example/a.jpg"
    assert (facts[TWIN].price_cents, facts[TWIN].image_url) == (10, "https://cdn.example/b.jpg")


@pytest.mark.parametrize("title", ["Default Title", "Green"])
def test_a_product_without_a_choice_has_no_variant_title(
    title: str, send: Send, read: Read, database: Database, shop: Shop
) -> None:
    send("products/create", _product(variants=[_variant(title=title)]))
    read()
    with database.transaction() as session:
        assert catalog.product_facts(session, shop, [VARIANT])[VARIANT].variant_title is None


def test_texts_the_database_cannot_hold_are_mended(send: Send, read: Read, database: Database, shop: Shop) -> None:
    send("products/create", json.dumps(_product(title="a\x00b\ud800", vendor=5)).encode())
    read()
    with database.transaction() as session:
        assert catalog.product_facts(session, shop, [VARIANT])[VARIANT].title == "ab?"


NEWS = st.lists(
    st.tuples(st.integers(1, 3), st.none() | st.integers(-5, 50), st.integers(0, 3), st.integers(0, 5)),
    min_size=1,
    max_size=8,
    unique_by=lambda news: (news[0], news[2], news[3]),
)


@pytest.fixture(scope="module")
def bench(database_url: str):
    """An inbox on this worker's database, shared by the examples of a property."""
    database = kept(database_url)
    ShopService(database, Vault(["a-key-for-tests-only-000001"])).add("orders")
    return InboxService(database, 0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NEWS, st.randoms(use_true_random=False))
def test_in_any_order_levels_come_to_the_newest_word_of_each_location(bench: InboxService, news, random) -> None:
    """A news is (location, available or disconnected, second of change, seconds until it was sent)."""
    with bench.database.transaction() as session:
        session.execute(text("DELETE FROM inventory_levels; DELETE FROM inbox_messages"))
    newest = {location: available for location, available, _, _ in sorted(news, key=lambda one: one[2:])}
    arrivals = [*news, *news]
    random.shuffle(arrivals)
    for number, (location, available, changed, delay) in enumerate(arrivals):
        body = json.dumps(_level(available, location, changed)).encode()
        sent_at = _at(changed + delay / 10)
        bench.receive(InboxMessage("orders.myshopify.com", str(number), "inventory_levels/update", body, sent_at))
    while bench.apply_due(3):
        pass
    with bench.database.transaction() as session:
        found = session.execute(text("SELECT location_id, available FROM inventory_levels")).all()
    assert {row.location_id: row.available for row in found} == newest


def test_a_webhook_a_day_late_says_nothing_of_when_another_variant_changed(
    send: Send, inbox: InboxService, database: Database, shop: Shop
) -> None:
    """Both are applied together; each check keeps the moment of its own first webhook."""
    twin = ITEM + 1
    send("products/create", _product(variants=[_variant(), _variant(id=TWIN, inventory_item_id=twin)]))
    inbox.apply_due()
    with database.transaction() as session:
        session.execute(text("DELETE FROM stock_checks"))
    send("inventory_levels/update", _level(4, second=9), NOON)
    send("inventory_levels/update", _level(3) | {"inventory_item_id": twin}, NOON - timedelta(days=1))
    inbox.apply_due()
    with database.transaction() as session:
        found = {check.variant_id: check.told_at for check in catalog.claim_checks(session, 9)}
    assert found == {VARIANT: NOON, TWIN: NOON - timedelta(days=1)}
