"""From a reading to offers, on a real database."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.restocks.service import RestockService
from restock.restocks.values import OfferNotice
from tests.restocks.store import VARIANT, Store, together


def test_a_restock_offers_to_the_first_in_line_and_queues_their_messages(store: Store) -> None:
    people = store.join(5)
    store.set(policy="strict")
    store.restock(3)
    assert store.offered() == people[:3]
    assert store.states("deliveries") == {"queued": 3}
    assert store.sql(
        "SELECT number, units, free_units, offered_count, offered_units, passed_over_count FROM waves"
    ) == [(1, 3, 3, 3, 3, 0)]
    assert store.one("SELECT next_at <= now() FROM delivery_lanes") is True


def test_nothing_happens_where_nobody_waits(store: Store) -> None:
    store.restock(3)
    assert store.one("SELECT count(*) FROM restock_events") == 0
    assert store.one("SELECT count(*) FROM stock_checks") == 0


def test_a_sold_out_variant_opens_nothing_and_closes_what_is_open(store: Store) -> None:
    store.join(2)
    store.restock(0)
    assert store.one("SELECT count(*) FROM restock_events") == 0
    store.restock(5)
    store.restock(0)
    assert store.sql("SELECT close_reason FROM restock_events") == [("sold_out",)]


def test_every_use_case_may_run_twice(store: Store) -> None:
    store.join(5)
    store.restock(3)
    before = store.sql("SELECT id, subscription_id, state FROM offers ORDER BY id")
    for _ in range(2):
        store.stock(3)
        store.check()
        store.restocks.end_turns()
    assert store.sql("SELECT id, subscription_id, state FROM offers ORDER BY id") == before
    assert store.one("SELECT count(*) FROM restock_events") == 1


def test_ten_copies_of_the_news_meet_in_one_event(store: Store) -> None:
    store.join(8)
    store.set(policy="strict")
    store.stock(5)
    assert together(*[store.check] * 8, *[store.plan] * 4) == []
    store.check()
    assert store.one("SELECT count(*) FROM restock_events") == 1
    assert len(store.offered()) == 5
    assert store.one("SELECT count(*) FROM deliveries") == 5
    assert store.one("SELECT count(DISTINCT subscription_id) FROM offers") == 5


def test_two_openers_at_once_make_one_event(store: Store) -> None:
    """Checks of one variant that run at the same moment agree on one open event."""
    store.join(1)
    store.stock(5)

    def open_it() -> None:
        def work(session: Session) -> None:
            from restock.restocks import repository

            repository.open_event(session, store.shop.id, VARIANT, 5)

        store.in_transaction(work)

    assert together(*[open_it] * 6) == []
    assert store.one("SELECT count(*) FROM restock_events") == 1


def test_a_large_queue_is_planned_in_pages_and_a_crash_costs_a_page(store: Store) -> None:
    people = store.join(25)

    class Crashing:
        """Fails at the third page."""

        pages = 0

        def add(self, session: Session, notices: list[OfferNotice]) -> None:
            self.pages += 1
            if self.pages == 3:
                raise RuntimeError("killed")

    store.stock(None)
    small = RestockService(store.database, Crashing(), page_size=10)
    small.check_due()
    with pytest.raises(RuntimeError):
        small.plan_due()
    assert store.offered() == people[:20]
    assert store.one("SELECT cursor_id FROM restock_events") == people[19]
    RestockService(store.database, store.restocks.notices, page_size=10).plan_due()
    assert store.offered() == people
    assert store.sql("SELECT number, offered_count FROM waves") == [(1, 25)]
    assert store.one("SELECT plan_at IS NULL AND cursor_id IS NULL FROM restock_events") is True


def test_two_planners_never_offer_twice_nor_more_than_there_is(store: Store) -> None:
    store.join(60)
    store.set(policy="strict")
    store.stock(37)
    store.restocks.check_due()
    small = RestockService(store.database, store.restocks.notices, page_size=7)
    assert together(*[small.plan_due] * 4) == []
    assert len(store.offered()) == 37
    assert store.one("SELECT count(*) FROM deliveries") == 37


def test_events_take_turns_page_by_page(store: Store) -> None:
    store.join(20)
    store.join(2, variant=VARIANT + 2)
    store.stock(None)
    store.stock(None, variant=VARIANT + 2)
    store.restocks.check_due()
    small = RestockService(store.database, store.restocks.notices, page_size=5)
    assert small.plan_due(limit=2) == 2
    assert store.one("SELECT count(DISTINCT event_id) FROM offers") == 2


def test_when_a_turn_is_over_its_units_go_to_the_next(store: Store) -> None:
    people = store.join(4)
    store.set(policy="strict")
    store.restock(2)
    store.send()
    assert store.states("subscriptions") == {"notified": 2, "active": 2}
    assert store.restocks.end_turns() == 0
    store.pass_time("offers", "ends_at", 3 * 3600)
    assert store.restocks.end_turns() == 2
    store.plan()
    assert store.offered() == people[2:]
    assert store.sql("SELECT number, offered_count FROM waves ORDER BY number") == [(1, 2), (2, 2)]


def test_the_clock_of_a_turn_starts_when_the_message_is_accepted(store: Store) -> None:
    store.join(1)
    store.set(policy="strict")
    store.restock(1)
    assert store.one("SELECT ends_at FROM offers") is None
    store.send()
    assert store.one("SELECT round(extract(epoch FROM ends_at - accepted_at) / 60)::int FROM offers") == 120


def test_when_everybody_was_told_and_every_turn_is_over_the_event_closes(store: Store) -> None:
    store.join(2)
    store.restock(5)
    store.send()
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    store.plan()
    assert store.sql("SELECT close_reason FROM restock_events") == [("all_told",)]


def test_a_person_who_was_never_reached_keeps_the_place_but_is_not_tried_again_in_this_restock(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    offer = store.one("SELECT id FROM offers")

    def give_back(session: Session) -> None:
        store.restocks.offers_returned(session, store.shop.id, [int(str(offer))], "mailbox_full")

    store.in_transaction(give_back)
    store.in_transaction(give_back)
    store.plan()
    assert store.offered() == people[1:]
    store.restock(0)
    store.in_transaction(lambda s: store.restocks.offers_returned(s, store.shop.id, _open(store), "event_closed"))
    store.restock(2)
    assert store.offered() == people


def test_goods_that_were_gone_for_a_moment_are_offered_again_but_not_for_ever(store: Store) -> None:
    people = store.join(1)
    store.set(policy="strict")
    store.restock(1)
    for _ in range(5):
        store.in_transaction(lambda s: store.restocks.offers_returned(s, store.shop.id, _open(store), "sold_out"))
        store.plan()
    assert store.offered() == []
    assert store.one("SELECT count(*) FROM offers WHERE subscription_id = :id", id=people[0]) == 3


def test_a_new_subscriber_joins_the_open_event(store: Store) -> None:
    store.join(1)
    store.restock(5)
    late = store.join(1)
    store.stock(5)
    store.check()
    assert store.offered()[1:] == late
    assert store.one("SELECT count(*) FROM restock_events") == 1


def test_a_shop_that_left_is_left_alone(store: Store) -> None:
    store.join(2)
    store.restock(5)
    store.sql("UPDATE shops SET state = 'uninstalled'")
    store.stock(5)
    store.check()
    assert store.sql("SELECT close_reason FROM restock_events") == [("shop_uninstalled",)]


def test_one_shops_stock_never_moves_anothers_queue(store: Store) -> None:
    other = store.shops.add("other")
    store.join(2)
    theirs = store.join(2, shop=other)
    store.restock(5, shop=other)
    assert store.offered() == theirs


def test_a_subscription_cancelled_while_it_is_planned_gets_no_offer(store: Store) -> None:
    """The page was read, then somebody left: no offer, no message, and the others get theirs."""
    people = store.join(3)

    class Leaving:
        """The second person leaves between the reading of the queue and the offer."""

        def add(self, session: Session, notices: list[OfferNotice]) -> None:
            self.notices = notices

    leaving = Leaving()
    store.stock(None)
    store.restocks.check_due()
    real = subscriptions.queue_page

    service = RestockService(store.database, leaving)
    with store.database.transaction() as session:
        page = real(session, store.shop.id, VARIANT, None, 10)
        assert [p.subscription_id for p in page] == people
        store.sql("UPDATE subscriptions SET state = 'cancelled' WHERE id = :id", id=people[1])
        taken = subscriptions.attach_offers(session, [(p.subscription_id, p.subscription_id) for p in page])
    assert taken == {people[0], people[2]}
    store.sql("UPDATE subscriptions SET open_offer_id = NULL")
    service.plan_due()
    assert [n.subscription_id for n in leaving.notices] == [people[0], people[2]]


def test_the_reconciler_asks_for_what_was_not_read_lately_once(store: Store) -> None:
    store.join(1)
    store.join(1, variant=VARIANT + 1)
    assert store.restocks.reconcile() == 2
    assert store.restocks.reconcile() == 0
    store.check()
    assert store.restocks.reconcile() == 0
    store.pass_time("stock_readings", "read_at", 3600)
    assert store.restocks.reconcile() == 2


def test_a_lost_webhook_is_found_by_the_reconciler(store: Store) -> None:
    people = store.join(1)
    store.stock(3)
    store.sql("DELETE FROM stock_checks")
    store.restocks.reconcile()
    store.check()
    assert store.offered() == people


def test_one_broken_check_does_not_hold_up_the_others(store: Store) -> None:
    """A variant whose data cannot be read fails alone and comes back later."""
    people = store.join(1)
    store.stock(3)
    store.stock(9, variant=5)
    store.sql("UPDATE stock_checks SET due_at = due_at - interval '1 hour' WHERE variant_id = 5")
    store.join(1, variant=5)
    store.sql("ALTER TABLE restock_events ADD CONSTRAINT broken CHECK (variant_id <> 5)")
    try:
        store.check()
    finally:
        store.sql("ALTER TABLE restock_events DROP CONSTRAINT broken")
    assert store.offered() == people
    assert store.sql("SELECT variant_id, due_at > now() FROM stock_checks") == [(5, True)]


def test_a_change_during_a_check_is_checked_again(store: Store) -> None:
    store.join(1)
    store.stock(0)
    with store.database.transaction() as session:
        (claimed,) = catalog.claim_checks(session, 10)
    store.stock(2)
    with store.database.transaction() as session:
        catalog.finish_check(session, claimed)
    assert store.one("SELECT count(*) FROM stock_checks") == 1


def _open(store: Store) -> list[int]:
    return [int(str(row[0])) for row in store.sql("SELECT id FROM offers WHERE state = 'open'")]
