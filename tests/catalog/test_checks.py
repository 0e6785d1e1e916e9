"""Checks: many causes make one, a claim is for one worker, and a cause during a check is not lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from restock.catalog import repository
from restock.catalog.values import Check
from restock.database import Database
from restock.shops.values import Shop


def _make_due(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE stock_checks SET due_at = now() - interval '1 second'"))


def test_a_burst_of_causes_is_one_check_at_the_first_causes_time(database: Database, shop: Shop) -> None:
    for settle_seconds in (10, 20, 0.5, 30):
        with database.transaction() as session:
            repository.request_checks(session, shop.id, [7, 7], settle_seconds)
    with database.transaction() as session:
        rows = session.execute(text("SELECT version, due_at < now() + interval '1 second' FROM stock_checks")).all()
        assert rows == [(4, True)]
        assert repository.claim_checks(session, 10) == []


def test_no_variants_is_no_check(database: Database, shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, [], 0)
        assert repository.claim_checks(session, 10) == []


def test_with_no_settle_time_a_check_is_due_at_once(database: Database, shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, [7], 0)
    with database.transaction() as session:
        assert repository.claim_checks(session, 10) == [Check(shop.id, 7, 1)]


def test_a_claimed_check_is_not_claimed_again_before_its_lease_ends(database: Database, shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, [7], 0)
    with database.transaction() as session:
        assert len(repository.claim_checks(session, 10)) == 1
    with database.transaction() as session:
        assert repository.claim_checks(session, 10) == []
    _make_due(database)
    with database.transaction() as session:
        assert len(repository.claim_checks(session, 10)) == 1, "a worker that died gives its check back"


def test_a_finished_check_is_gone_unless_a_cause_came_meanwhile(database: Database, shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, [7, 8], 0)
    with database.transaction() as session:
        seven, eight = sorted(repository.claim_checks(session, 10), key=lambda check: check.variant_id)
        repository.request_checks(session, shop.id, [8], 0)
    with database.transaction() as session:
        repository.finish_check(session, seven)
        repository.finish_check(session, eight)
    with database.transaction() as session:
        assert repository.claim_checks(session, 10) == [Check(shop.id, 8, 2)]


def test_four_workers_share_the_checks_out(database: Database, shop: Shop, other_shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, range(1, 101), 0)
        repository.request_checks(session, other_shop.id, range(1, 101), 0)

    def claim(_: int) -> list[Check]:
        taken = []
        while True:
            with database.transaction() as session:
                batch = repository.claim_checks(session, 7)
            if not batch:
                return taken
            taken += batch

    with ThreadPoolExecutor(4) as pool:
        taken = [check for part in pool.map(claim, range(4)) for check in part]
    assert len(taken) == len(set(taken)) == 200


def test_a_rolled_back_claim_leaves_the_check_due(database: Database, shop: Shop) -> None:
    with database.transaction() as session:
        repository.request_checks(session, shop.id, [7], 0)
    with database.transaction() as session:
        repository.claim_checks(session, 10)
        session.rollback()
    with database.transaction() as session:
        assert len(repository.claim_checks(session, 10)) == 1
