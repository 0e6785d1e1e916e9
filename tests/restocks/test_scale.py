"""What size must not change: what a page costs, and how soon another shop's restock begins. 20,000 people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.restocks.repository import claim_event
from tests.restocks.store import Store

CROWD = 20_000
PAGE = 1000


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """Every statement in between, with its parameters' sizes left out."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.database.engine, "before_cursor_execute", note)


def pages(store: Store) -> list[int]:
    """Plan everything, a page at a time; how many statements each took."""
    counts: list[int] = []
    while True:
        with statements(store) as seen:
            if not store.restocks.plan_due(limit=1):
                return counts
        counts.append(len(seen))


@pytest.mark.parametrize(
    ("units", "quantity"),
    [pytest.param(None, 1, id="everybody"), pytest.param(9000, 1, id="limited"), pytest.param(1, 2, id="worst walk")],
)
def test_a_page_takes_as_many_statements_at_the_end_as_at_the_beginning(
    store: Store, units: int | None, quantity: int
) -> None:
    """Twenty at most, whatever comes of it: nothing is done person by person."""
    store.join(CROWD, quantity)
    store.stock(units)
    store.restocks.check_due()
    counts = pages(store)
    offered = len(store.offered())
    may_be_out = int(units * (store.shop.settings.policy.factor or 0)) if units is not None else CROWD
    assert offered == (min(CROWD, may_be_out) if quantity == 1 else 0)
    assert len(counts) <= CROWD // PAGE + 2
    assert max(counts) <= 20, counts
    assert counts[-3] <= counts[1] + 2, counts


def test_another_shops_restock_is_planned_after_one_page(store: Store) -> None:
    store.join(3 * PAGE)
    other = store.shops.add("other")
    [stranger] = store.join(1, shop=other, variant=7)
    store.stock(None)
    store.restocks.check_due()
    assert store.restocks.plan_due(limit=1) == 1
    store.stock(None, variant=7, shop=other)
    store.restocks.check_due()
    assert store.restocks.plan_due(limit=1) == 1
    assert store.offered()[-1] == stranger, "it waits for nobody"


def test_shops_take_turns_at_being_planned_and_then_their_variants(store: Store) -> None:
    """A shop with forty restocks at once does not hold up one that has two."""
    other = store.shops.add("other")
    for variant in range(1, 41):
        store.join(1, variant=variant)
        store.stock(None, variant=variant)
    for variant in (1, 2):
        store.join(1, variant=variant, shop=other)
        store.stock(None, variant=variant, shop=other)
    store.restocks.check_due()
    store.restocks.plan_due(limit=4)
    planned = store.sql("SELECT shop_id, variant_id FROM restock_events WHERE wave_count > 0")
    assert [shop_id for shop_id, _ in planned].count(other.id) == 2
    assert len(planned) == 4


def test_an_event_that_somebody_is_planning_is_left_to_them_and_nobody_waits(store: Store) -> None:
    other = store.shops.add("other")
    for shop, variant in ((store.shop, 1), (store.shop, 2), (other, 1)):
        store.join(1, variant=variant, shop=shop)
        store.stock(None, variant=variant, shop=shop)
    store.restocks.check_due()
    taken: list[tuple[int, int]] = []

    def take_all(left: int) -> Callable[[Session], None]:
        def take(session: Session) -> None:
            found = claim_event(session)
            if left == 0:
                assert found is None
                return
            assert found is not None
            taken.append((found.shop_id, found.variant_id))
            store.in_transaction(take_all(left - 1))

        return take

    store.in_transaction(take_all(3))
    assert sorted(taken) == sorted([(store.shop.id, 1), (store.shop.id, 2), (other.id, 1)])


def test_a_shop_with_many_checks_lets_the_others_go_first(store: Store) -> None:
    """Three hundred variants of one shop were told of before one of another: it comes after the first portion."""
    other = store.shops.add("other")
    for shop, count in ((store.shop, 300), (other, 1)):
        with store.database.transaction() as session:
            catalog.request_checks(session, shop.id, range(1, count + 1), 0, datetime.now(UTC))
    assert store.restocks.check_due(limit=251) == 251
    assert store.sql("SELECT count(*) FROM stock_checks WHERE shop_id = :shop", shop=other.id) == [(0,)]
    assert store.restocks.check_due() == 50, "and nothing is left out"


def test_what_webhooks_told_of_is_looked_at_before_what_is_looked_at_by_the_way(store: Store) -> None:
    with store.database.transaction() as session:
        catalog.request_checks(session, store.shop.id, [1], 0)
    with store.database.transaction() as session:
        catalog.request_checks(session, store.shop.id, [2], 0, datetime.now(UTC))
    assert store.restocks.check_due(limit=1) == 1
    assert store.sql("SELECT variant_id FROM stock_checks") == [(1,)]


def test_a_look_at_everything_is_taken_in_small_pieces(store: Store) -> None:
    """The sweeper has other things to do: a look goes on where it stopped, one shop at a time."""
    shops = [store.shop, *(store.shops.add(f"shop-{number}") for number in range(3))]
    for shop in shops:
        store.join(1, shop=shop)
    rounds = [store.restocks.reconcile_some(0) for _ in shops]
    assert rounds[:-1] == [True, True, True]
    assert store.sql("SELECT count(DISTINCT shop_id) FROM stock_checks") == [(4,)]
    while store.restocks.reconcile_some(0):
        pass
    assert store.restocks.reconcile_some(60) is False
