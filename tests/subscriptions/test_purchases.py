"""What an order does to the list, on a real database: ended once, freed, credited, whatever else happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from restock.channels.values import Envelope, Outcome
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.inbox.service import InboxService
from restock.inbox.service.order_news import order_effects
from restock.inbox.values import InboxMessage
from restock.restocks.repository.purchases import record
from restock.restocks.service.purchases import PurchaseService
from restock.subscriptions.repository.purchases import listed_buyers
from restock.subscriptions.rules.purchases import Bought, match_purchase
from restock.subscriptions.values import Order, OrderLine, Provenance
from tests.restocks.store import VARIANT, RecordingChannel, Store, deferred, together
from tests.subscriptions.conftest import signup

LINES = count(2**60)
LATER = timedelta(seconds=30)  # an order placed after everything the test did before


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    yield store
    store.close()


@pytest.fixture
def purchases(store: Store) -> PurchaseService:
    return PurchaseService(store.database, DeliveryNotices(), settle_seconds=0)


def order_of(store: Store, people: Sequence[int], *, cents: int = 1250, **facts: Any) -> Order:
    """An order of one VARIANT by whoever has these subscriptions' addresses."""
    hashes = store.sql(
        "SELECT address_hash FROM contacts JOIN subscriptions s ON s.contact_id = contacts.id WHERE s.id = ANY(:ids)",
        ids=list(people),
    )
    known: dict[str, Any] = {
        "order_id": next(LINES),
        "ordered_at": datetime.now(UTC) + LATER,
        "currency": "EUR",
        "lines": (OrderLine(next(LINES), VARIANT, 1, cents),),
        "address_hashes": frozenset(bytes(row[0]) for row in hashes),
    }
    return Order(**(known | facts))


def buy(store: Store, purchases: PurchaseService, order: Order) -> int:
    with store.database.transaction() as session:
        new = purchases.record(session, store.shop, order)
    while purchases.close_due():
        pass
    return new


def test_who_buys_without_having_been_told_leaves_the_queue_and_counts_as_nothing_recovered(
    store: Store, purchases: PurchaseService
) -> None:
    ada, next_one = store.join(2)
    assert buy(store, purchases, order_of(store, [ada])) == 1
    assert store.sql("SELECT id, state, end_reason FROM subscriptions ORDER BY id") == [
        (ada, "purchased", "bought"),
        (next_one, "active", None),
    ]
    assert store.sql("SELECT subscription_id, offer_id, event_id FROM purchases") == [(ada, None, None)]
    assert purchases.recovered(store.shop.id, datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + LATER * 2) == []


def test_a_queued_message_is_skipped_and_the_turn_goes_to_the_next_in_line(
    store: Store, purchases: PurchaseService
) -> None:
    store.set(policy="strict")
    ada, second, third = store.join(3)
    store.restock(1)
    assert store.offered() == [ada]
    buy(store, purchases, order_of(store, [ada]))
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "purchased")]
    assert store.states("offers") == {"bought": 1}
    assert store.offered() == []  # by the reading of before the order, the unit would still be there
    store.check()
    assert store.offered() == [second]
    store.send()
    assert [envelope.delivery_id for envelope in store.channel.sent] == [
        store.one("SELECT id FROM deliveries WHERE subscription_id = :id", id=second)
    ]
    assert store.one("SELECT state FROM subscriptions WHERE id = :id", id=third) == "active"


def test_a_sale_after_a_message_is_recovered_once_with_its_offer_and_event(
    store: Store, purchases: PurchaseService
) -> None:
    (ada,) = store.join(1)
    store.restock(5)
    store.send()
    order = order_of(store, [ada], cents=2499)
    assert buy(store, purchases, order) == 1
    assert [buy(store, purchases, order) for _ in range(3)] == [0, 0, 0]
    assert buy(store, purchases, order_of(store, [ada])) == 0  # the next one nobody was told of
    offer, event = store.sql("SELECT id, event_id FROM offers")[0]
    assert store.sql("SELECT subscription_id, offer_id, event_id, revenue_cents, currency FROM purchases") == [
        (ada, offer, event, 2499, "EUR")
    ]
    assert store.states("offers") == {"bought": 1}
    assert store.states("subscriptions") == {"purchased": 1}
    since, until = order.ordered_at - timedelta(days=1), order.ordered_at + timedelta(days=1)
    (sale,) = purchases.recovered(store.shop.id, since, until)
    assert (sale.variant_id, sale.currency, sale.order_count, sale.unit_count, sale.revenue_cents) == (
        VARIANT, "EUR", 1, 1, 2499
    )  # fmt: skip


def test_a_turn_whose_time_is_over_is_still_owed_the_sale_within_the_window(
    store: Store, purchases: PurchaseService
) -> None:
    (ada,) = store.join(1)
    store.restock(5)
    store.send()
    store.pass_time("offers", "ends_at", 7200)
    store.restocks.end_turns()
    assert buy(store, purchases, order_of(store, [ada])) == 1
    assert store.states("offers") == {"bought": 1}


def test_the_window_is_the_shops_own(store: Store, purchases: PurchaseService) -> None:
    (ada,) = store.join(1)
    store.restock(5)
    store.send()
    store.pass_time("offers", "accepted_at", 3 * 86_400)
    store.set(attribution_days="2")
    assert buy(store, purchases, order_of(store, [ada])) == 0
    store.set(attribution_days="4")
    assert buy(store, purchases, order_of(store, [ada])) == 1


def test_a_stranger_leaves_nothing_behind(store: Store, purchases: PurchaseService) -> None:
    store.join(1)
    guest = order_of(store, [], address_hashes=frozenset({address_hash("email", "grace@example.com")}), customer_id=7)
    assert buy(store, purchases, guest) == 0
    assert store.one("SELECT count(*) FROM purchases") == 0


def test_another_shops_people_are_strangers(store: Store, purchases: PurchaseService) -> None:
    other = store.shops.add("other")
    (theirs,) = store.join(1, shop=other)
    assert buy(store, purchases, order_of(store, [theirs])) == 0
    assert store.states("subscriptions") == {"active": 1}


def test_who_joins_after_the_order_waits_for_the_next_one(store: Store, purchases: PurchaseService) -> None:
    (ada,) = store.join(1)
    assert buy(store, purchases, order_of(store, [ada], ordered_at=datetime.now(UTC) - timedelta(hours=1))) == 0
    assert store.states("subscriptions") == {"active": 1}


def test_an_id_counts_only_where_shopify_vouched_for_it(store: Store, purchases: PurchaseService) -> None:
    """A post that claims somebody's customer id is not ended by that person's order."""
    post = signup("ada@example.com", VARIANT, shopify_customer_id=77)
    claimed = store.subscriptions.register(store.shop, post, Provenance())
    by_id = order_of(store, [], customer_id=77)
    assert buy(store, purchases, by_id) == 0
    store.subscriptions.verify_customer(store.shop.id, claimed.customer_id, 77)
    assert buy(store, purchases, by_id) == 1
    assert store.states("subscriptions") == {"purchased": 1}
    assert store.one("SELECT count(*) FROM intents WHERE closed_at IS NULL") == 0


def test_a_vouched_id_never_ends_what_somebody_else_waits_for_too(store: Store, purchases: PurchaseService) -> None:
    """Whoever signs somebody else's address up and then buys takes nothing away from that person."""
    register = store.subscriptions.register
    register(store.shop, signup("ada@example.com", VARIANT), Provenance())
    intruder = register(store.shop, signup("ada@example.com", VARIANT), Provenance())
    store.subscriptions.verify_customer(store.shop.id, intruder.customer_id, 77)
    assert buy(store, purchases, order_of(store, [], customer_id=77)) == 0
    assert store.states("subscriptions") == {"active": 1}


def test_an_erasure_between_finding_the_buyer_and_writing_the_order_down_leaves_no_order(store: Store) -> None:
    (ada,) = store.join(1)
    order = order_of(store, [ada])
    with store.database.transaction() as session:
        listed = listed_buyers(session, store.shop.id, order)
        store.sql("UPDATE subscriptions SET contact_id = NULL WHERE id = :id", id=ada)  # by another session
        decided = match_purchase(order.ordered_at, listed, {}, timedelta(days=7))
        assert isinstance(decided, Bought)
        assert not record(session, store.shop.id, order, order.lines[0], decided)
    assert store.one("SELECT count(*) FROM purchases") == 0


def test_an_erasure_waits_for_an_order_that_is_being_written_down(store: Store) -> None:
    """Or it would not see what it has to take the order out of."""
    (ada,) = store.join(1)
    order = order_of(store, [ada])
    with store.database.transaction() as session:
        listed = listed_buyers(session, store.shop.id, order)
        decided = match_purchase(order.ordered_at, listed, {}, timedelta(days=7))
        assert isinstance(decided, Bought)
        assert record(session, store.shop.id, order, order.lines[0], decided)
        free = "SELECT count(*) FROM (SELECT FROM contacts FOR UPDATE SKIP LOCKED) free"
        assert store.one(free) == 0
    assert store.one(free) == 1


def test_both_channels_of_a_buyer_are_ended(store: Store, purchases: PurchaseService) -> None:
    people = [*store.join(1), *store.join(1, channel="sms")]
    store.restock(9)
    assert buy(store, purchases, order_of(store, people)) == 1
    assert store.states("subscriptions") == {"purchased": 2}
    assert store.states("deliveries") == {"skipped": 2}
    assert store.states("offers") == {"bought": 2}


def test_an_order_of_200_lines_is_written_down_line_by_line(store: Store, purchases: PurchaseService) -> None:
    variants = [VARIANT + number for number in range(200)]
    people = [store.join(1, variant=variant)[0] for variant in variants[:20]]
    lines = tuple(OrderLine(next(LINES), variant, 1, 100) for variant in variants)
    assert buy(store, purchases, order_of(store, people, lines=lines)) == 20
    assert store.states("subscriptions") == {"purchased": 20}
    assert store.one("SELECT count(*) FROM purchases WHERE close_at IS NOT NULL") == 0


def test_a_crash_between_writing_down_and_following_up_costs_a_lease(store: Store) -> None:
    class Crashing:
        def withdraw(self, *_: object) -> None:
            raise RuntimeError("killed")

    (ada,) = store.join(1)
    buy(store, PurchaseService(store.database, Crashing(), 0), order_of(store, [ada]))
    assert store.states("subscriptions") == {"active": 1}
    whole = PurchaseService(store.database, DeliveryNotices(), 0)
    assert whole.close_due() == 0  # still under the lease
    store.pass_time("purchases", "close_at")
    assert whole.close_due() == 1
    assert store.states("subscriptions") == {"purchased": 1}


def test_a_message_on_its_way_is_never_sent_again_after_the_purchase(store: Store, purchases: PurchaseService) -> None:
    (ada,) = store.join(1)
    store.restock(5)
    order = order_of(store, [ada])

    def bought_meanwhile(envelope: Envelope) -> Outcome:
        buy(store, purchases, order)
        return deferred(envelope)

    store.channel.answer = bought_meanwhile
    store.send()
    store.pass_time("deliveries", "next_at")
    store.pass_time("delivery_lanes", "next_at")
    store.send()
    assert len(store.channel.sent) == 1
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "purchased")]
    assert store.states("offers") == {"bought": 1}


@pytest.mark.parametrize("attempt", range(4))
def test_orders_sends_and_plans_at_once_leave_nobody_in_two_states(clean_database: str, attempt: int) -> None:
    """Real threads: every buyer ends as purchased, nobody else does, and no turn of a buyer stays open."""
    channel = RecordingChannel()
    store = Store(clean_database, [channel])
    try:
        services = [PurchaseService(store.database, DeliveryNotices(), 0) for _ in range(2)]
        store.set(policy="strict")
        people = store.join(40)
        buyers = people[::2]
        orders = [order_of(store, [buyer]) for buyer in buyers]
        store.stock(30)

        def ordering(service: PurchaseService, mine: Sequence[Order]) -> None:
            for order in mine:
                buy(store, service, order)

        half = len(orders) // 2
        errors = together(
            lambda: ordering(services[0], orders[: half + 3]),
            lambda: ordering(services[1], orders[half - 3 :]),
            store.check,
            store.send,
            store.check,
            lambda: [store.send() for _ in range(5)],
        )
        assert errors == []
        while services[0].close_due():
            pass
        store.check()
        store.send()
        states = dict(store.sql("SELECT id, state FROM subscriptions"))
        assert {states[buyer] for buyer in buyers} == {"purchased"}
        assert "purchased" not in {state for person, state in states.items() if person not in buyers}
        assert store.one("SELECT count(*) FROM purchases") == len(buyers)
        assert (
            store.one(
                "SELECT count(*) FROM offers o JOIN subscriptions s ON s.id = o.subscription_id "
                "WHERE s.state = 'purchased' AND o.state <> 'bought'"
            )
            == 0
        )
        assert len(channel.sent) == len({envelope.delivery_id for envelope in channel.sent})
        assert store.one("SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending')") == 0
        assert len(store.offered()) <= 30
    finally:
        store.close()


def test_create_and_paid_in_any_order_and_number_come_to_one_purchase(store: Store, purchases: PurchaseService) -> None:
    inbox = InboxService(store.database, 0, order_effects(purchases))
    store.subscriptions.register(store.shop, signup("ada@example.com", VARIANT), Provenance())
    body = {
        "id": 2**60,
        "created_at": (datetime.now(UTC) + LATER).isoformat(),
        "currency": "EUR",
        "total_price": "19.99",
        "email": "Ada@example.com",
        "line_items": [{"id": 2**60 + 1, "variant_id": VARIANT, "quantity": 1, "price": "19.99"}],
    }
    for topic in ("orders/paid", "orders/create", "orders/paid", "orders/create"):
        inbox.receive(InboxMessage("demo.myshopify.com", uuid4().hex, topic, json.dumps(body).encode()))
        assert inbox.apply_due() == 1
    assert store.sql("SELECT order_id, revenue_cents FROM purchases") == [(2**60, 1999)]
    assert store.states("subscriptions") == {"purchased": 1}
    assert store.states("inbox_messages") == {"applied": 4}
    assert store.one("SELECT count(*) FROM purchases WHERE close_at IS NOT NULL") == 0
    assert "example" not in str(store.sql("SELECT purchases::text FROM purchases"))
    assert store.one("SELECT sum(octet_length(body)) FROM inbox_messages") == 0, "an order names its buyer"


def test_an_order_that_cannot_be_read_waits_and_stops_nobody(store: Store, purchases: PurchaseService) -> None:
    inbox = InboxService(store.database, 0, order_effects(purchases))
    for body in ({"id": 1, "line_items": []}, {"id": 2, "currency": "EUR", "line_items": []}):
        inbox.receive(InboxMessage("demo.myshopify.com", uuid4().hex, "orders/create", json.dumps(body).encode()))
    inbox.apply_due()
    assert store.sql("SELECT state, reason FROM inbox_messages ORDER BY id") == [
        ("received", "bad_currency"),
        ("applied", None),
    ]
