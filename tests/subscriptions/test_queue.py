"""The queue as the restocks room reads and moves it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.shops.values import QueueOrder, Shop
from restock.subscriptions import repository
from restock.subscriptions.repository import queue
from tests.subscriptions.conftest import VARIANT, Register, Rows


def _crowd(register: Register, count: int) -> None:
    for number in range(count):
        register(f"ada{number}@example.com", quantity=number + 1)


def test_the_queue_is_read_page_by_page_in_order(
    register: Register, rows: Rows, database: Database, shop: Shop
) -> None:
    _crowd(register, 5)
    rows("UPDATE subscriptions SET queued_at = '2026-01-01' WHERE quantity IN (2, 4)")
    seen: list[int] = []
    after = None
    with database.transaction() as session:
        while page := repository.queue_page(session, shop.id, VARIANT, after, 2):
            seen += [place.quantity for place in page]
            after = page[-1].cursor
    assert seen == [2, 4, 1, 3, 5]


@pytest.mark.parametrize(
    ("order", "served"), [(QueueOrder.oldest, [3, 6, 2, 4, 1, 5]), (QueueOrder.newest, [6, 3, 5, 1, 4, 2])]
)
@pytest.mark.parametrize("page_size", [1, 2, 4, 9])
def test_priority_comes_first_and_then_the_order_of_the_shop(  # noqa: PLR0917 (two tables)
    register: Register, rows: Rows, database: Database, shop: Shop, order: QueueOrder, served: list[int], page_size: int
) -> None:
    _crowd(register, 6)
    rows("UPDATE subscriptions SET queued_at = '2026-01-01' WHERE quantity IN (2, 4)")
    rows("UPDATE subscriptions SET priority = 1 WHERE quantity IN (3, 6)")
    seen: list[int] = []
    after = None
    with database.transaction() as session:
        while page := repository.queue_page(session, shop.id, VARIANT, after, page_size, order):
            seen += [place.quantity for place in page]
            after = page[-1].cursor
    assert seen == served


@pytest.mark.parametrize("order", list(QueueOrder))
def test_both_orders_are_read_off_one_index(rows: Rows, database: Database, shop: Shop, order: QueueOrder) -> None:
    rows(
        "INSERT INTO subscriptions (shop_id, channel, variant_id, product_id, quantity, state, queued_at, expires_at)"
        " SELECT %s, 'email', %s, 1, 1, (ARRAY['active', 'notified', 'cancelled'])[n %% 3 + 1],"
        " now() - n * interval '1 s', now() FROM generate_series(1, 20000) n",
        shop.id,
        VARIANT,
    )
    rows("ANALYZE subscriptions")
    values = {"shop_id": shop.id, "variant_id": VARIANT, "priority": 0, "limit": 100, "id": 9}
    values["queued_at"] = rows("SELECT now() - interval '9000 s'")[0][0]
    with database.transaction() as session:
        plan = "\n".join(session.execute(text(f"EXPLAIN {queue.PAGES[order]}"), values).scalars())
    assert "ix_subscriptions_queue" in plan
    assert "Sort" not in plan


def test_only_active_places_without_an_offer_are_in_the_queue(
    register: Register, rows: Rows, database: Database, shop: Shop, other_shop: Shop
) -> None:
    _crowd(register, 4)
    register(shop=other_shop)
    rows("UPDATE subscriptions SET state = 'pending' WHERE quantity = 1 AND shop_id = 1")
    rows("UPDATE subscriptions SET open_offer_id = 9 WHERE quantity = 2")
    with database.transaction() as session:
        assert [p.quantity for p in repository.queue_page(session, shop.id, VARIANT, None, 9)] == [3, 4]
        assert repository.is_waited_for(session, shop.id, VARIANT)
        assert not repository.is_waited_for(session, shop.id, 7)


def test_whoever_has_paused_is_in_no_page_and_costs_the_planner_nothing(
    register: Register, rows: Rows, database: Database, shop: Shop
) -> None:
    """They are not in the index the pages are read off: not one of them is looked at, however many there are."""
    _crowd(register, 4)
    rows("UPDATE subscriptions SET paused_at = now() WHERE quantity IN (1, 3)")
    with database.transaction() as session:
        for order in QueueOrder:
            page = repository.queue_page(session, shop.id, VARIANT, None, 9, order)
            assert sorted(place.quantity for place in page) == [2, 4]
    predicate = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = %s::regclass"
    assert "(paused_at IS NULL)" in str(rows(predicate, "ix_subscriptions_queue")[0][0])
    rows("UPDATE subscriptions SET paused_at = now()")
    with database.transaction() as session:
        assert not repository.queue_page(session, shop.id, VARIANT, None, 9)
        assert not repository.is_waited_for(session, shop.id, VARIANT)


def test_only_a_phone_number_comes_with_its_place(
    register: Register, rows: Rows, database: Database, shop: Shop
) -> None:
    _crowd(register, 2)
    rows("UPDATE contacts SET address = '+12015550123' WHERE address = 'ada1@example.com'")
    rows("UPDATE subscriptions SET channel = 'sms' WHERE quantity = 2")
    with database.transaction() as session:
        page = repository.queue_page(session, shop.id, VARIANT, None, 9)
    assert [(place.channel, place.address) for place in page] == [("email", None), ("sms", "+12015550123")]


def test_an_offer_is_attached_to_a_free_place_only(register: Register, rows: Rows, database: Database) -> None:
    _crowd(register, 3)
    rows("UPDATE subscriptions SET open_offer_id = 9 WHERE id = 2")
    rows("UPDATE subscriptions SET state = 'cancelled' WHERE id = 3")
    with database.transaction() as session:
        assert repository.attach_offers(session, [(1, 11), (2, 12), (3, 13)]) == {1}
        assert repository.attach_offers(session, []) == set()
    assert rows("SELECT open_offer_id FROM subscriptions ORDER BY id") == [(11,), (9,), (None,)]


def test_who_was_told_waits_no_longer(register: Register, rows: Rows, database: Database) -> None:
    _crowd(register, 2)
    with database.transaction() as session:
        repository.attach_offers(session, [(1, 11)])
        assert repository.mark_notified(session, [1]) == {1}
        assert repository.mark_notified(session, [1]) == set()
    assert rows("SELECT state, notified_at IS NOT NULL, open_offer_id FROM subscriptions ORDER BY id") == [
        ("notified", True, None),
        ("active", False, None),
    ]
    assert rows("SELECT count(*) FROM intents WHERE closed_at IS NULL") == [(1,)]


def test_who_was_not_reached_stands_at_the_old_place(
    register: Register, rows: Rows, database: Database, shop: Shop
) -> None:
    _crowd(register, 2)
    with database.transaction() as session:
        before = repository.queue_page(session, shop.id, VARIANT, None, 9)
        repository.attach_offers(session, [(1, 11)])
        assert repository.release_offers(session, [1, 2]) == {1}
        assert repository.queue_page(session, shop.id, VARIANT, None, 9) == before


def test_every_variant_somebody_waits_for_is_found_once(
    register: Register, rows: Rows, database: Database, other_shop: Shop
) -> None:
    for variant in (5, 7, 3):
        register("ada@example.com", variant)
        register("bob@example.com", variant)
    register(variant_id=5, shop=other_shop)
    rows("UPDATE subscriptions SET state = 'notified' WHERE variant_id = 7")
    with database.transaction() as session:
        assert repository.waiting_variants(session, None, 10) == [(1, 3), (1, 5), (2, 5)]
        assert repository.waiting_variants(session, (1, 3), 1) == [(1, 5)]
        assert repository.waiting_variants(session, (2, 5), 10) == []
