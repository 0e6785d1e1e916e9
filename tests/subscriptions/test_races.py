"""Many posts at the same moment, by real threads on a real database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from restock.database import Database
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import Provenance, RegisteredIntent
from tests.subscriptions.conftest import VARIANT, Register, Rows, signup

Result = TypeVar("Result")
CROWD = 50
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def at_once(database: Database, *calls: Callable[[], Result]) -> list[Result]:
    """Start all calls at the same moment, each in its own thread with its own connection."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        database.hot()
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_fifty_strangers_with_one_address_make_one_subscription(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows
) -> None:
    post = lambda: service.register(shop, signup(), Provenance())  # noqa: E731
    found: list[RegisteredIntent] = at_once(database, *[post] * CROWD)
    assert [intent.duplicate for intent in found] == [False] * CROWD
    assert len({intent.customer_id for intent in found}) == CROWD
    assert len({intent.id for intent in found}) == CROWD
    assert rows("SELECT count(*) FROM contacts") == [(1,)]
    assert rows("SELECT state, count(*) FROM subscriptions GROUP BY state") == [("active", 1)]
    assert rows("SELECT count(*), count(DISTINCT subscription_id) FROM intents") == [(CROWD, 1)]


def test_fifty_posts_of_one_customer_make_one_intent(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    known = register(variant_id=999).customer_id
    post = lambda: service.register(shop, signup(customer_id=known), Provenance())  # noqa: E731
    found: list[RegisteredIntent] = at_once(database, *[post] * CROWD)
    assert Counter(intent.duplicate for intent in found) == {False: 1, True: CROWD - 1}
    assert {intent.customer_id for intent in found} == {known}
    assert len({intent.id for intent in found}) == 1
    assert all(intent.updated_at >= intent.created_at for intent in found)
    assert rows("SELECT count(*) FROM intents WHERE variant_id = %s", VARIANT) == [(1,)]
    assert rows("SELECT count(*) FROM subscriptions WHERE variant_id = %s", VARIANT) == [(1,)]


def test_one_customer_naming_many_addresses_at_once_ends_with_one_of_them(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    """Whoever came last wins; nobody else is left waiting by it, and nothing is left without an intent."""
    known = register(variant_id=999).customer_id

    def post(number: int) -> Callable[[], RegisteredIntent]:
        wish = signup(f"ada{number}@example.com", customer_id=known)
        return lambda: service.register(shop, wish, Provenance())

    found = at_once(database, *[post(number) for number in range(12)])
    assert Counter(intent.duplicate for intent in found)[False] == 1
    assert rows("SELECT count(*) FROM intents WHERE variant_id = %s AND closed_at IS NULL", VARIANT) == [(1,)]
    waiting = rows(
        "SELECT s.contact_id = i.contact_id FROM subscriptions s LEFT JOIN intents i ON i.subscription_id = s.id "
        "AND i.closed_at IS NULL WHERE s.variant_id = %s AND s.state = 'active'",
        VARIANT,
    )
    assert waiting == [(True,)]


def test_two_customers_swapping_their_addresses_at_once_do_not_block_each_other(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    for round_number in range(6):
        variant = 5000 + round_number
        ada = register("ada@example.com", variant).customer_id
        bob = register("bob@example.com", variant).customer_id
        to_bobs = signup("bob@example.com", variant, customer_id=ada)
        to_adas = signup("ada@example.com", variant, customer_id=bob)
        at_once(
            database,
            lambda wish=to_bobs: service.register(shop, wish, Provenance()),
            lambda wish=to_adas: service.register(shop, wish, Provenance()),
        )
        supported = rows(
            "SELECT DISTINCT s.state FROM intents i JOIN subscriptions s ON s.id = i.subscription_id "
            "WHERE i.closed_at IS NULL AND i.variant_id = %s",
            variant,
        )
        assert supported == [("active",)]


def test_a_post_racing_an_unsubscribe_never_leaves_an_active_subscription_of_a_suppressed_address(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    for round_number in range(8):
        address = f"ada{round_number}@example.com"
        register(address)
        (contact_id,) = rows("SELECT id FROM contacts WHERE address = %s", address)[0]
        again = signup(address, VARIANT + 1)
        post = lambda wish=again: service.register(shop, wish, Provenance())  # noqa: E731
        at_once(database, lambda who=contact_id: service.unsubscribe(who), *[post] * 6)
        left = rows(
            "SELECT DISTINCT state FROM subscriptions WHERE contact_id = %s AND state <> 'cancelled'", contact_id
        )
        assert left in ([], [("pending",)])


def test_a_post_racing_the_sweep_keeps_its_contact_and_customer(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    for round_number in range(6):
        intent = register(f"ada{round_number}@example.com")
        rows("DELETE FROM subscriptions")
        rows("UPDATE customers SET updated_at = now() - interval '40 days'")
        rows("UPDATE contacts SET updated_at = now() - interval '40 days'")
        wish = signup(f"ada{round_number}@example.com", customer_id=intent.customer_id)
        at_once(database, lambda w=wish: service.register(shop, w, Provenance()), service.sweep_orphans)
        assert rows("SELECT count(*) FROM intents WHERE closed_at IS NULL") == [(1,)]
        assert rows("SELECT count(*) FROM subscriptions WHERE state = 'active'") == [(1,)]
        rows("DELETE FROM contacts")


def test_a_change_of_address_waits_for_both_addresses_before_it_holds_any_wait(
    database: Database, service: SubscriptionService, shop: Shop, rows: Rows, register: Register
) -> None:
    """Others write addresses first: who held a wait meanwhile would stand in a circle with a batch of both."""
    known = register("old@example.com").customer_id
    register("new@example.com")
    to_new = signup("new@example.com", customer_id=known)
    with database.listen_connection() as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute("UPDATE contacts SET updated_at = now()")
            moved = pool.submit(service.register, shop, to_new, Provenance())
            while rows(_WAITING) == [(0,)]:
                time.sleep(0.01)
            assert len(other.execute("SELECT FROM subscriptions FOR UPDATE NOWAIT").fetchall()) == 2
        assert moved.result().duplicate
    assert rows("SELECT state FROM subscriptions ORDER BY id") == [("cancelled",), ("active",)]
