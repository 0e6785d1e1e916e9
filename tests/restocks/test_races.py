"""Everything that can happen to a restock at the same moment, by real threads on committed data.

All races, and where each is tested; a deadlock counts as a failure everywhere (`at_once.no_deadlock`):

- two planners, many events, many pages: here, test_planners_share_every_queue_page_by_page
- planners and those who come, leave and grow old: here, test_a_plan_meets_those_who_come_and_those_who_leave
- planner and settings: here, test_changed_settings_meet_a_plan; that the new ones win: test_new_settings.py
- two sweepers, every step: here, test_sweepers_end_each_turn_and_follow_up_each_purchase_once, and for messages in
  tests/deliveries/test_races.py (leases, doubts) and tests/deliveries/test_deliveries.py
- declined, bought and over, all at once: here, test_a_turn_ends_once_whoever_ends_it
- sold out and back before everybody is back in line: here, test_the_next_restock_meets_the_end_of_the_last
- return to the place and a new post: here, test_a_return_to_the_place_meets_a_new_post
- six copies of a webhook: here, test_six_copies_of_a_webhook_are_one_restock
- no and claim, hand-over, record; receipts and records; late answers and doubts; two drains of one lane; a lane that
  is emptied and filled; withdrawals; a provider that goes down: tests/deliveries/test_races.py
- erasure and claim, record, receipt, plan, purchase: tests/privacy/test_races.py
- posts among each other, with leaving, with tidying up: tests/subscriptions/test_races.py
- one item's levels, checks and their readings: tests/catalog/test_checks.py; inbox batches: tests/inbox/test_batches.py
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import pytest
from sqlalchemy import text

from restock.channels.values import Blame, ChannelName, Receipt, ReceiptStatus
from restock.config import Settings
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.restocks.service import RestockService
from restock.restocks.service.purchases import PurchaseService
from restock.subscriptions.values import ContactFacts, Order, OrderLine, Provenance, Signup
from tests.flows.story import ITEM, LOCATION, Story
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import VARIANT, Store


@pytest.fixture(autouse=True)
def nobody_waits_in_a_ring(store: Store) -> Iterator[None]:
    with no_deadlock(store.database):
        yield


def paged(store: Store, page_size: int = 7) -> RestockService:
    """A planner of small pages."""
    return RestockService(store.database, DeliveryNotices(), page_size=page_size)


def post(store: Store, number: int, variant: int = VARIANT) -> None:
    """Post as shopper number so-and-so does."""
    address = f"ada{number}@example.com"
    contact = ContactFacts(ChannelName.email, address, address_hash("email", address))
    store.subscriptions.register(store.shop, Signup(variant, VARIANT, 0, 1, "api", contact), Provenance())


def order(store: Store, purchases: PurchaseService, number: int) -> None:
    """Order as that shopper does."""
    hashes = frozenset({address_hash("email", f"ada{number}@example.com")})
    with store.database.transaction() as session:
        ordered_at = session.execute(text("SELECT now()")).scalar_one()
        line = OrderLine(number + 1, VARIANT, 1, 500)
        purchases.record(session, store.shop, Order(number + 1, ordered_at, "EUR", (line,), None, hashes))


def buy(store: Store, purchases: PurchaseService, number: int) -> None:
    """Order, and have it followed up."""
    order(store, purchases, number)
    purchases.close_due()


def consistent(store: Store) -> None:
    """Look that offers, people and waves say the same."""
    faults = """
        SELECT 'held by nobody', o.id FROM offers o JOIN subscriptions s ON s.id = o.subscription_id
        WHERE o.state = 'open' AND o.accepted_at IS NULL AND s.open_offer_id IS DISTINCT FROM o.id
          AND s.state IN ('active', 'notified')
        UNION ALL SELECT 'holds what is not open', s.id FROM subscriptions s
        LEFT JOIN offers o ON o.id = s.open_offer_id AND o.state = 'open'
        WHERE s.open_offer_id IS NOT NULL AND o.id IS NULL
        UNION ALL SELECT 'two turns', subscription_id FROM offers WHERE state = 'open'
        GROUP BY 2 HAVING count(*) > 1
        UNION ALL SELECT 'told and waiting', s.id FROM subscriptions s JOIN offers o ON o.subscription_id = s.id
        WHERE o.state = 'open' AND o.accepted_at IS NOT NULL AND s.state = 'active'
        UNION ALL SELECT 'a wave that gave more than it had', id FROM waves WHERE offered_units > free_units
        UNION ALL SELECT 'a wave that counts otherwise', w.id FROM waves w LEFT JOIN offers o ON o.wave_id = w.id
        GROUP BY w.id HAVING w.offered_count <> count(o.id)
        UNION ALL SELECT 'waits twice', min(id) FROM subscriptions WHERE state IN ('pending', 'active')
        GROUP BY contact_id, variant_id, market_id HAVING count(*) > 1
        UNION ALL SELECT 'an offer without its message', o.id FROM offers o
        LEFT JOIN deliveries d ON d.offer_id = o.id GROUP BY o.id HAVING count(d.id) <> 1
    """
    assert store.sql(faults) == []


def test_planners_share_every_queue_page_by_page(store: Store) -> None:
    """Four restocks of twenty-five people each, in pages of seven, by three planners: first come, first served."""
    store.set(policy="strict")
    variants = [VARIANT + number for number in range(4)]
    for round_number in rounds(3):
        people = [store.join(25, variant=variant) for variant in variants]
        for variant, units in zip(variants, (10, 10, None, 3), strict=True):
            store.stock(units, variant=variant)
        store.restocks.check_due()
        race(*[paged(store).plan_due] * 3)
        store.plan()
        consistent(store)
        for mine, units in zip(people, (10, 10, 25, 3), strict=True):
            assert offered_among(store, mine) == mine[:units]
        store.sql("DELETE FROM offers")
        store.sql("DELETE FROM deliveries")
        store.sql("UPDATE restock_events SET closed_at = now(), plan_at = NULL")
        store.sql("UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL")
        assert store.one("SELECT count(*) FROM restock_events") == 4 * (round_number + 1)
        store.sql("DELETE FROM waves")


def offered_among(store: Store, people: list[int]) -> list[int]:
    found = store.sql(
        "SELECT subscription_id FROM offers WHERE subscription_id = ANY(:people) ORDER BY 1", people=people
    )
    return [int(str(row[0])) for row in found]


def test_a_plan_meets_those_who_come_and_those_who_leave(store: Store) -> None:
    """Whoever is gone when the page is written gets no turn; whoever comes behind it gets one from the next walk."""
    for round_number in rounds(4):
        first = 100 * round_number
        for number in range(first, first + 20):
            post(store, number)
        store.stock(None)
        store.restocks.check_due()
        contacts = [int(str(row[0])) for row in store.sql("SELECT id FROM contacts ORDER BY id DESC LIMIT 20")]
        old = "UPDATE subscriptions SET expires_at = now() - interval '1 s' WHERE contact_id = :id"
        for contact in contacts[1::4]:
            store.sql(old, id=contact)
        leaving = partial(each, store.subscriptions.unsubscribe, contacts[::4])
        coming = partial(each, partial(post, store), range(first + 20, first + 26))
        planner = paged(store)
        race(planner.plan_due, planner.plan_due, leaving, store.subscriptions.expire_due, coming, store.send)
        store.check()
        consistent(store)
        store.send()
        assert store.one("SELECT count(*) FROM subscriptions WHERE state = 'active'") == 0
        assert store.one("SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'skipped')") == 0


def each(do: Callable[[Any], object], items: Iterable[object]) -> None:
    """Do the same for each, one after the other."""
    for item in items:
        do(item)


def test_changed_settings_meet_a_plan(store: Store) -> None:
    """Every wave keeps to what it was planned on, and a channel that was switched off sends nothing behind it."""
    changes = cycle([
        {"policy": "strict"},
        {"policy": "everyone", "channels": "sms"},
        {"policy": "fair", "locations": "1"},
        {"policy": "strict", "channels": "email,sms,push", "locations": ""},
    ])  # fmt: skip
    shops = [ShopsOf(store, dict(change)) for change in islice(changes, len(rounds(6)))]
    for change in shops:
        store.join(15, quantity=2)
        store.stock(12)
        store.restocks.check_due()
        planner = paged(store, 4)
        race(planner.plan_due, change.make, planner.plan_due, store.send, store.restocks.check_due)
        store.check()
        consistent(store)
    store.set(channels="email,sms,push", policy="everyone", locations="")
    store.stock(None)
    for _ in range(4):
        store.check()
        store.send()
    assert store.one("SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'skipped')") == 0
    assert store.one("SELECT count(*) FROM subscriptions WHERE open_offer_id IS NOT NULL") == 0


class ShopsOf:
    """One change of the shop's settings, to be made in the middle of something."""

    def __init__(self, store: Store, change: dict[str, str]) -> None:
        self.store, self.change = store, change

    def make(self) -> None:
        self.store.set(**self.change)


def test_sweepers_end_each_turn_and_follow_up_each_purchase_once(store: Store) -> None:
    purchases = PurchaseService(store.database, DeliveryNotices(), 0)
    for round_number in rounds(4):
        numbers = range(30 * round_number, 30 * round_number + 30)
        for number in numbers:
            post(store, number)
        store.restock(None)
        store.send()
        for number in numbers[:10]:
            order(store, purchases, number)
        store.pass_time("offers", "ends_at", 36000)
        ended: list[int] = []
        closed: list[int] = []
        race(
            *[lambda e=ended: e.append(store.restocks.end_turns(7))] * 3,
            *[lambda c=closed: c.append(purchases.close_due(4))] * 3,
            store.restocks.plan_due,
        )
        ended.append(store.restocks.end_turns())
        closed.append(purchases.close_due())
        assert sum(closed) == 10
        states = store.sql("SELECT state, count(*) FROM offers WHERE id > (SELECT max(id) - 30 FROM offers) GROUP BY 1")
        assert dict(states) == {"bought": 10, "ended": 20}  # type: ignore[arg-type]
        assert 20 <= sum(ended) <= 30
        consistent(store)


def bounce(store: Store, delivery_id: int) -> None:
    """Bring a message back, by no fault of its address."""
    store.deliveries.record_receipt(Receipt(delivery_id, ReceiptStatus.bounced, "mailbox_full", Blame.message))


def test_a_turn_ends_once_whoever_ends_it(store: Store) -> None:
    """Not now, an order, the hour, a bounce and a goodbye at the same moment: one of them was first."""
    purchases = PurchaseService(store.database, DeliveryNotices(), 0)
    for round_number in rounds(5):
        numbers = range(12 * round_number, 12 * round_number + 12)
        for number in numbers:
            post(store, number)
        store.stock(None)
        store.check()
        store.send()
        messages = [int(str(row[0])) for row in store.sql("SELECT id FROM deliveries ORDER BY id DESC LIMIT 12")]
        contacts = [int(str(row[0])) for row in store.sql("SELECT id FROM contacts ORDER BY id DESC LIMIT 5")]
        store.pass_time("offers", "ends_at", 3 * 3600)
        race(
            partial(each, store.restocks.decline, messages),
            partial(each, store.restocks.decline, messages[::-1]),
            partial(each, partial(buy, store, purchases), numbers),
            *[partial(store.restocks.end_turns, 1)] * 4,
            partial(each, partial(bounce, store), messages[::3]),
            partial(each, store.subscriptions.unsubscribe, contacts),
            store.restocks.plan_due,
        )
        purchases.close_due()
        consistent(store)
        wrong = "SELECT o.state, s.state FROM offers o JOIN subscriptions s ON s.id = o.subscription_id WHERE "
        assert store.sql(wrong + "o.state = 'declined' AND s.state = 'notified'") == []
        assert store.sql(wrong + "o.state = 'bought' AND s.state NOT IN ('purchased', 'cancelled')") == []
        assert store.sql("SELECT id FROM intents i WHERE closed_at IS NULL AND NOT EXISTS (SELECT FROM subscriptions s "
                         "WHERE s.id = i.subscription_id AND s.state IN ('pending', 'active'))") == []  # fmt: skip


def test_the_next_restock_meets_the_end_of_the_last(store: Store) -> None:
    """Sold out and back at once: who was told stands in line again, or gives the place to a newer wish, while it is
    walked along."""
    for round_number in rounds(5):
        numbers = range(12 * round_number, 12 * round_number + 12)
        for number in numbers:
            post(store, number)
        store.restock(None)
        store.send()
        for number in numbers[::2]:
            post(store, number)
        store.stock(0)
        store.restocks.check_due()
        store.stock(None)
        store.restocks.check_due()
        planner = paged(store, 5)
        race(*[planner.plan_due] * 3, partial(each, partial(post, store), numbers[1::2]))
        store.check()
        store.plan()
        consistent(store)
        waiting = "SELECT count(*) FROM subscriptions WHERE state = 'active' AND open_offer_id IS NULL"
        assert store.one(waiting) == 0
        store.send()
        store.sql("UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL WHERE state = 'notified'")
        store.sql("UPDATE offers SET state = 'ended' WHERE state = 'open'")


def test_a_return_to_the_place_meets_a_new_post(store: Store) -> None:
    """Whichever is first, the address waits once, at its old place, with what was said last."""
    store.set(policy="everyone")
    for round_number in rounds(6):
        numbers = range(10 * round_number, 10 * round_number + 10)
        for number in numbers:
            post(store, number)
        store.restock(None)
        store.send()
        messages = [int(str(row[0])) for row in store.sql("SELECT id FROM deliveries ORDER BY id DESC LIMIT 10")]
        race(
            partial(each, store.restocks.decline, messages),
            partial(each, partial(post, store), numbers),
            partial(each, partial(post, store), numbers[::-1]),
        )
        consistent(store)
        assert store.one("SELECT count(*) FROM offers WHERE state = 'open'") == 0
        assert store.one("SELECT count(*) FROM subscriptions WHERE state = 'active'") == 10
        newer = """SELECT count(*) FROM subscriptions newer JOIN subscriptions older USING (contact_id)
            WHERE newer.state = 'active' AND older.id < newer.id AND newer.queued_at > older.queued_at"""
        assert store.one(newer) == 0
        store.sql("UPDATE subscriptions SET state = 'cancelled' WHERE state <> 'cancelled'")
        store.sql("UPDATE intents SET closed_at = now() WHERE closed_at IS NULL")


def test_six_copies_of_a_webhook_are_one_restock(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> None:
    """Through the door, by six threads, with two workers behind it: one effect, one event, one wave, one message."""
    servers = {"database_url": clean_database, "redis_url": redis_url, "smtp_url": "smtp://127.0.0.1:9"}
    story = Story.begin(make_settings(settle_seconds=0, **servers))
    services, statuses, lock = story.services, [], threading.Lock()
    level = {"inventory_item_id": ITEM, "location_id": LOCATION, "available": 5}

    def send(number: int) -> None:
        own = Story(story.settings, story.client.application.test_client(), services)
        body = level | {"updated_at": f"2026-11-20T10:{2 * number + 3:02d}:00Z"}
        status = own.webhook("inventory_levels/update", body, f"copy-{number}").status_code
        with lock:
            statuses.append(status)

    def work() -> None:
        for _ in range(4):
            services.inbox.apply_due()
            services.restocks.check_due()
            services.restocks.plan_due()

    for number in range(5):
        story.stock(0, minute=2 * number + 2)
        story.settle()
        story.intent("email", {"email": f"ada{number}@example.com"})
        race(*[partial(send, number)] * 6, work, work)
        work()
        with services.database.transaction() as session:
            counts = session.execute(text(_COUNTS), {"id": f"copy-{number}"}).one()
            for statement in _FORGET:
                session.execute(text(statement))
        assert tuple(counts) == (1, number + 1, number + 1, 1, 1), number
    assert set(statuses) == {200}
    story.end()


_COUNTS = """
    SELECT (SELECT count(*) FROM inbox_messages WHERE webhook_id = :id), (SELECT count(*) FROM restock_events),
        (SELECT count(*) FROM waves), (SELECT count(*) FROM offers), (SELECT count(*) FROM deliveries)
"""
_FORGET = (
    "DELETE FROM deliveries",
    "DELETE FROM offers",
    "UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL",
)
