"""A person is erased while everything else happens to them, by real threads on committed data.

Whoever is first: nothing waits in a ring, no request fails, and afterwards nothing leads to the person, nothing is sent
to them any more, and the units they kept are the next person's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import Blame, ChannelName, NoticeKind, Outcome, Receipt, ReceiptStatus, Verdict
from restock.deliveries.repository import notices
from restock.deliveries.service import DeliveryNotices
from restock.deliveries.values import Batch, NewDelivery
from restock.ids import address_hash
from restock.links import Vault
from restock.privacy.repository.shop import erase_row
from restock.privacy.service import PrivacyService
from restock.privacy.values import Identity, NewRequest, RequestKind
from restock.restocks.repository import add_offers
from restock.restocks.service.purchases import PurchaseService
from restock.restocks.values import OpenEvent, Turn
from restock.subscriptions.values import ContactFacts, Order, OrderLine, Provenance, Signup
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import KEY, VARIANT, Store

PEOPLE = 6


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    store.set(policy="everyone")
    with no_deadlock(store.database):
        yield store
    store.close()


@pytest.fixture
def privacy(store: Store) -> PrivacyService:
    return PrivacyService(store.database, Vault([KEY]), store.restocks, 365)


def address(number: int) -> str:
    return f"ada{number}@example.com"


def waiting(store: Store, numbers: Iterable[int]) -> None:
    """Have these people wait, and their turns made."""
    for number in numbers:
        contact = ContactFacts(ChannelName.email, address(number), address_hash("email", address(number)))
        store.subscriptions.register(store.shop, Signup(VARIANT, VARIANT, 0, 1, "api", contact), Provenance())
    store.restock(None)


def each(do: Callable[[Any], object], items: Iterable[object]) -> None:
    """Do the same for each, one after the other."""
    for item in items:
        do(item)


def ask(store: Store, privacy: PrivacyService, numbers: Iterable[int]) -> None:
    """Have Shopify ask for these people's erasure."""
    for number in numbers:
        request = NewRequest(store.shop.domain, RequestKind.customer_redact, Identity(email=address(number)))
        with store.database.transaction() as session:
            privacy.receive(session, request)


def claim(store: Store) -> Batch:
    batch = store.deliveries.claim(ChannelName.email, 1000)
    assert batch is not None
    return batch


def gone(store: Store, privacy: PrivacyService) -> None:
    """Look that every request is done, and that nothing leads to anybody or waits for one who is gone."""
    privacy.work_due(30)
    assert {line.state.value for line in privacy.requests(store.shop.domain)} == {"done"}
    assert store.sql("SELECT id, reason FROM privacy_requests WHERE attempts > 1") == [], "one was tried twice"
    left = """
        SELECT 'contact', count(*) FROM contacts UNION ALL SELECT 'intent', count(*) FROM intents
        UNION ALL SELECT 'message', count(*) FROM deliveries
        WHERE contact_id IS NOT NULL OR provider_message_id IS NOT NULL
        UNION ALL SELECT 'subscription', count(*) FROM subscriptions
        WHERE contact_id IS NOT NULL OR state IN ('pending', 'active')
        UNION ALL SELECT 'turn', count(*) FROM offers WHERE state = 'open'
        UNION ALL SELECT 'queued', count(*) FROM deliveries WHERE state = 'queued'
    """
    assert [row for row in store.sql(left) if row[1]] == []


@pytest.mark.parametrize("verdict", [Verdict.accepted, Verdict.refused, Verdict.deferred, Verdict.unanswered])
def test_an_erasure_meets_the_record_of_a_message_on_its_way(
    store: Store, privacy: PrivacyService, verdict: Verdict
) -> None:
    """The refusals blame the address, which the record suppresses and the erasure deletes."""
    for number in rounds(3):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        batch = claim(store)
        told = [Outcome(n, verdict, "no_such_user", Blame.address, f"id-{n}") for n in sorted(batch.rows)]
        ask(store, privacy, people)
        record = partial(record_one, store, batch)
        race(
            partial(each, record, told[::2]),
            partial(each, record, told[1::2]),
            partial(privacy.work_due, 30),
            partial(privacy.work_due, 30),
        )
        store.pass_time("deliveries", "next_at", 4000)
        store.pass_time("delivery_lanes", "next_at", 4000)
        store.deliveries.resolve_unknown()
        store.send()
        gone(store, privacy)
    assert store.channel.sent == []


@pytest.mark.parametrize("what", ["a receipt", "a record"])
def test_whoever_ends_an_address_waits_for_its_person_before_it_holds_the_message(store: Store, what: str) -> None:
    """Else an erasure, which holds the person first, would wait for the message, and the two in a ring."""
    waiting(store, range(1))
    batch = claim(store)
    (number,) = batch.rows
    refused = Outcome(number, Verdict.refused, "gone", Blame.address)
    bounced = Receipt(number, ReceiptStatus.bounced, "gone", Blame.address)
    record, receive = partial(record_one, store, batch, refused), partial(store.deliveries.record_receipt, bounced)
    tell: Callable[[], object] = record if what == "a record" else receive
    thread = threading.Thread(target=tell)
    with store.database.transaction() as session:
        session.execute(text("SELECT id FROM contacts FOR UPDATE"))
        thread.start()
        while not store.one(_WAITING):
            assert thread.is_alive()
        session.execute(text("SELECT id FROM deliveries FOR UPDATE NOWAIT"))
    thread.join(30)
    assert store.states("deliveries").keys() <= {"failed", "bounced"}
    assert store.states("subscriptions") == {"cancelled": 1}


_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def record_one(store: Store, batch: Batch, outcome: Outcome) -> None:
    store.deliveries._sending.recording.record(batch, [outcome], 0)


def test_an_erasure_meets_a_claim(store: Store, privacy: PrivacyService) -> None:
    """Claimed before, or skipped: never both, and never claimed behind it."""
    for number in rounds(4):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        ask(store, privacy, people)
        race(store.send, partial(privacy.work_due, 30), store.send)
        gone(store, privacy)
        assert store.states("deliveries").keys() <= {"sent", "skipped"}
    sent = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(sent) == len(set(sent)) == store.states("deliveries").get("sent", 0)


@pytest.mark.parametrize("status", [ReceiptStatus.delivered, ReceiptStatus.bounced, ReceiptStatus.complained])
def test_an_erasure_meets_receipts(store: Store, privacy: PrivacyService, status: ReceiptStatus) -> None:
    for number in rounds(3):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        batch = claim(store)
        ask(store, privacy, people)
        told = [Receipt(n, status, "no_such_user", Blame.address, f"id-{n}") for n in sorted(batch.rows)]
        receive = partial(each, store.deliveries.record_receipt)
        race(
            partial(receive, told[::2]),
            partial(receive, told[1::2]),
            partial(receive, told[::-1]),
            partial(privacy.work_due, 30),
            partial(privacy.work_due, 30),
        )
        gone(store, privacy)


def test_an_erasure_meets_a_plan_a_goodbye_and_a_not_now(store: Store, privacy: PrivacyService) -> None:
    for number in rounds(4):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        store.send()
        messages = [int(str(row[0])) for row in store.sql("SELECT id FROM deliveries ORDER BY id DESC LIMIT 6")]
        contacts = [int(str(row[0])) for row in store.sql("SELECT id FROM contacts ORDER BY id")]
        ask(store, privacy, people)
        race(
            partial(privacy.work_due, 30),
            partial(each, store.restocks.decline, messages),
            partial(each, store.subscriptions.unsubscribe, contacts[::-1]),
            store.restocks.plan_due,
            store.restocks.end_turns,
        )
        gone(store, privacy)


def test_an_erasure_meets_reminders(store: Store, privacy: PrivacyService) -> None:
    """Whoever is being erased is reminded of nothing any more, whether the turn still runs or not."""
    store.set(policy__reminder_count="2", policy__reminder_hours="24")
    for number in rounds(6):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        store.send()
        store.pass_time("offers", "remind_at", 90000)
        store.pass_time("offers", "ends_at", 3600 * (number % 2))
        ask(store, privacy, people)
        race(
            store.deliveries.open_reminders,
            partial(privacy.work_due, 30),
            store.deliveries.open_reminders,
            store.restocks.end_turns,
        )
        while store.deliveries.open_reminders():
            pass
        store.send()
        gone(store, privacy)


def test_an_erasure_meets_a_purchase(store: Store, privacy: PrivacyService) -> None:
    """The sale stays counted, and of nobody."""
    purchases = PurchaseService(store.database, DeliveryNotices(), 0)
    for number in rounds(4):
        people = range(PEOPLE * number, PEOPLE * (number + 1))
        waiting(store, people)
        store.send()
        ask(store, privacy, people)
        race(
            partial(privacy.work_due, 30),
            partial(each, partial(buy, store, purchases), people),
            partial(each, partial(buy, store, purchases), people[::-1]),
            purchases.close_due,
        )
        purchases.close_due()
        gone(store, privacy)


def buy(store: Store, purchases: PurchaseService, number: int) -> None:
    """Order as that shopper does, and have it followed up."""
    line, hashes = OrderLine(number + 1, VARIANT, 1, 500), frozenset({address_hash("email", address(number))})
    with store.database.transaction() as session:
        ordered_at = session.execute(text("SELECT now()")).scalar_one()
        order = Order(number + 1, ordered_at, "EUR", (line,), None, hashes)
        purchases.record(session, store.shop, order)
    purchases.close_due()


def test_erasing_a_shop_waits_for_what_is_written_of_it_and_erases_that_too(store: Store) -> None:
    """Neither offers nor messages have a foreign key that would see to it."""
    waiting(store, range(PEOPLE))
    shop = store.shop
    opened = OpenEvent(int(str(store.one("SELECT id FROM restock_events"))), shop.id, VARIANT, datetime.now(UTC))
    store.sql("UPDATE shops SET state = 'uninstalled' RETURNING id")

    def erase() -> None:
        with store.database.transaction() as session:
            assert erase_row(session, shop.id) == 1

    def write(session: Session) -> object:
        return add_offers(session, opened, 1, [Turn(1, 1, "email", 1)], None)

    eraser = threading.Thread(target=erase)
    with store.database.transaction() as session:
        assert write(session)
        notices.add(session, [NewDelivery(shop.id, "email", NoticeKind.test, "test:1", 1)])
        eraser.start()
        eraser.join(0.3)
        assert eraser.is_alive()
    eraser.join(30)
    assert store.sql("SELECT id FROM offers UNION ALL SELECT id FROM deliveries") == []
    with store.database.transaction() as session:
        assert not write(session)
