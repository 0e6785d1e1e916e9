"""Turns that end otherwise than by a purchase, and walks along queues of any length, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from restock.channels.values import ChannelName, Envelope, Outcome, Verdict
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.restocks.repository.leaving import close_events
from restock.restocks.service import RestockService
from restock.subscriptions.service.answers import AnswerService
from restock.subscriptions.values import ContactFacts, Provenance, Signup
from tests.restocks.store import VARIANT, Store, refused, together, unanswered


def register(store: Store, address: str, **facts: object) -> int:
    """Post as a shopper does; return the subscription."""
    contact = ContactFacts(ChannelName.email, address, address_hash("email", address))
    signup = Signup(VARIANT, VARIANT, 0, 1, "api", contact)
    intent = store.subscriptions.register(store.shop, signup, Provenance())
    return number(store, "SELECT subscription_id FROM intents WHERE id = :id", id=intent.id)


def number(store: Store, statement: str, **values: object) -> int:
    return int(str(store.one(statement, **values)))


def message_to(store: Store, person: int) -> int:
    """The newest message to somebody."""
    return number(store, "SELECT max(id) FROM deliveries WHERE subscription_id = :id", id=person)


def stands(store: Store, person: int) -> tuple[object, ...]:
    return store.sql("SELECT state, end_reason, open_offer_id FROM subscriptions WHERE id = :id", id=person)[0]


def told_of(store: Store, person: int) -> list[tuple[object, ...]]:
    """What the history says of somebody."""
    return store.sql("SELECT kind, reason FROM subscription_events WHERE subscription_id = :id ORDER BY id", id=person)


def small(store: Store, page_size: int) -> RestockService:
    return RestockService(store.database, DeliveryNotices(), page_size=page_size)


def sold_out_in_turn(store: Store) -> None:
    """Restock one unit, tell whoever is first, and have it sold to somebody else."""
    store.restock(1)
    store.send()
    store.restock(0)


WAITS = ("active", None, None)


# Declined


def test_not_now_passes_the_turn_to_the_next_and_keeps_the_place(store: Store) -> None:
    people = store.join(3)
    store.set(policy="strict")
    before = store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id")
    store.restock(1)
    store.send()
    assert store.restocks.decline(message_to(store, people[0]))
    store.plan()
    assert store.offered() == [people[1]]
    assert stands(store, people[0]) == WAITS
    assert store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id") == before
    assert told_of(store, people[0]) == [("declined", None), ("passed_over", "declined")]


def test_who_declined_is_offered_again_only_in_the_next_restock(store: Store) -> None:
    people = store.join(1)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    store.restocks.decline(message_to(store, people[0]))
    store.restock(5)
    assert store.offered() == []
    store.restock(0)
    store.restock(5)
    assert store.offered() == people


def test_not_now_said_twice_or_after_the_turn_changes_nothing(store: Store) -> None:
    people = store.join(2)
    store.restock(5)
    store.send()
    first, second = (message_to(store, person) for person in people)
    assert store.restocks.decline(first) is True
    assert store.restocks.decline(first) is False
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    assert store.restocks.decline(second) is False
    assert stands(store, people[1])[0] == "notified"
    assert store.restocks.decline(987_654) is False


def test_not_now_counts_even_before_it_is_written_down_that_the_message_arrived(store: Store) -> None:
    people = store.join(1)
    store.restock(1)
    assert store.restocks.decline(message_to(store, people[0]))
    assert stands(store, people[0]) == WAITS


def test_several_not_nows_at_once_end_one_turn(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    message, said = message_to(store, people[0]), []
    assert together(*[lambda: said.append(store.restocks.decline(message))] * 6) == []
    assert sorted(said) == [False] * 5 + [True]
    assert len(told_of(store, people[0])) == 1


# Sold out during the turn


def test_sold_out_during_the_turn_returns_to_the_original_place(store: Store) -> None:
    people = store.join(3)
    store.set(policy="strict")
    before = store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id")
    sold_out_in_turn(store)
    assert stands(store, people[0]) == WAITS
    assert store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id") == before
    assert store.sql("SELECT state, reason FROM offers") == [("missed", "sold_out")]
    assert told_of(store, people[0]) == [("missed", "sold_out")]
    store.restock(1)
    assert store.offered() == [people[0]]


def test_a_turn_that_was_over_before_the_goods_were_gone_stays_over(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    store.restock(0)
    assert stands(store, people[0])[0] == "notified"
    assert store.sql("SELECT state FROM offers WHERE subscription_id = :id", id=people[0]) == [("ended",)]


def test_a_turn_never_handed_over_is_returned_and_not_missed(store: Store) -> None:
    people = store.join(1)
    store.restock(1)
    store.restock(0)
    assert store.sql("SELECT state, reason FROM offers") == [("returned", "event_closed")]
    assert stands(store, people[0]) == WAITS
    assert told_of(store, people[0]) == []


def test_after_as_many_turns_as_the_shop_gives_the_waiting_ends(store: Store) -> None:
    people = store.join(1)
    store.set(policy__max_offers="2")
    sold_out_in_turn(store)
    assert stands(store, people[0]) == WAITS
    sold_out_in_turn(store)
    assert stands(store, people[0]) == ("expired", "offers_used_up", None)
    assert told_of(store, people[0]) == [("missed", "sold_out"), ("missed", "sold_out"), ("expired", "offers_used_up")]
    store.restock(1)
    assert store.offered() == []


def test_the_intents_that_were_closed_by_being_told_are_open_again(store: Store) -> None:
    person = register(store, "ada@example.com")
    store.check()
    sold_out_in_turn(store)
    assert stands(store, person) == WAITS
    assert store.sql("SELECT closed_at FROM intents") == [(None,)]


def test_who_has_asked_again_meanwhile_inherits_the_older_place(store: Store) -> None:
    older = register(store, "ada@example.com")
    store.sql("UPDATE subscriptions SET queued_at = queued_at - interval '9 days', priority = 1")
    placed_at = store.one("SELECT queued_at FROM subscriptions")
    store.restock(1)
    store.send()
    newer = register(store, "ada@example.com")
    assert newer != older
    store.restock(0)
    assert stands(store, older)[0] == "notified"
    assert store.sql("SELECT queued_at, priority, state FROM subscriptions WHERE id = :id", id=newer) == [
        (placed_at, 1, "active")
    ]
    assert store.one("SELECT count(*) FROM intents WHERE closed_at IS NULL") == 1


def test_who_has_left_meanwhile_is_not_put_back_in_line(store: Store) -> None:
    person = register(store, "ada@example.com")
    store.restock(1)
    store.send()
    store.subscriptions.unsubscribe(number(store, "SELECT id FROM contacts"))
    store.restock(0)
    assert stands(store, person)[0] == "notified"
    assert store.one("SELECT count(*) FROM intents WHERE closed_at IS NULL") == 0


@pytest.mark.parametrize("told", [True, False], ids=["told", "asleep"])
def test_who_says_no_during_the_turn_leaves_its_units_to_the_next(store: Store, told: bool) -> None:
    person = register(store, "ada@example.com")
    [second] = store.join(1)
    store.sql("UPDATE subscriptions SET channel = 'push', queued_at = now() WHERE id = :id", id=second)
    store.set(policy="strict")
    if not told:
        sleep(store, 6)
    store.restock(1)
    store.send()
    contact = number(store, "SELECT contact_id FROM subscriptions WHERE id = :id", id=person)
    store.subscriptions.unsubscribe(contact)
    store.plan()
    assert store.offered() == [second]
    assert stands(store, person) == (("notified", None, None) if told else ("cancelled", "unsubscribed", None))
    expected = ("ended", "unsubscribed", True) if told else ("returned", "unsubscribed", None)
    turn = "SELECT state, reason, ends_at <= now() FROM offers WHERE subscription_id = :id"
    assert store.sql(turn, id=person) == [expected]


def test_a_stop_by_text_message_leaves_the_units_to_the_next_too(store: Store) -> None:
    [first, second] = store.join(2)
    store.sql(
        "UPDATE contacts SET channel = 'sms', address_hash = :hash WHERE id = "
        "(SELECT contact_id FROM subscriptions WHERE id = :id)",
        hash=address_hash("sms", "+491701234567"),
        id=first,
    )
    store.set(policy="strict")
    store.restock(1)
    store.send()
    assert AnswerService(store.database, 0, store.restocks).stop("+491701234567") is not None
    store.plan()
    assert store.offered() == [second]


def test_sold_out_turns_are_put_back_page_by_page(store: Store) -> None:
    people = store.join(25)
    store.restock(None)
    store.send()
    store.stock(0)
    store.restocks.check_due()
    assert small(store, 10).plan_due(limit=2) == 2
    assert store.states("offers") == {"missed": 20, "open": 5}
    assert small(store, 10).plan_due() == 1
    assert store.states("offers") == {"missed": 25}
    assert store.states("subscriptions") == {"active": 25}
    assert store.one("SELECT count(*) FROM restock_events WHERE settle_at IS NOT NULL") == 0
    store.restock(None)
    assert store.offered() == people


def test_back_on_sale_at_once_whoever_missed_it_comes_first(store: Store) -> None:
    people = store.join(3)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    store.stock(0)
    store.restocks.check_due()
    store.stock(1)
    store.check()
    assert store.offered() == [people[0]]


def test_a_message_accepted_after_the_sell_out_is_missed_too(store: Store) -> None:
    """It was on its way when the goods ran out."""
    people = store.join(1)
    store.restock(1)
    store.sql("UPDATE deliveries SET state = 'sending'")
    store.restock(0)
    offer = number(store, "SELECT id FROM offers")
    store.in_transaction(lambda session: store.restocks.offers_accepted(session, store.shop, [offer]))
    assert stands(store, people[0])[0] == "notified"
    store.pass_time("restock_events", "settle_at", 60)
    store.plan()
    assert stands(store, people[0]) == WAITS


def test_what_a_turn_of_the_last_restock_still_keeps_is_not_promised_again_in_the_next(store: Store) -> None:
    """Its message is on its way: until it is known what became of it, its person may yet buy."""
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.sql("UPDATE deliveries SET state = 'sending'")
    store.restock(0)
    store.restock(1)
    assert store.offered() == people[:1]
    offer = number(store, "SELECT id FROM offers")
    store.in_transaction(lambda session: store.restocks.offers_accepted(session, store.shop, [offer]))
    store.pass_time("restock_events", "settle_at", 60)
    store.plan()
    assert store.sql("SELECT state, subscription_id FROM offers ORDER BY id") == [
        ("missed", people[0]),
        ("open", people[0]),
    ]


def test_restocks_that_have_sold_out_take_turns_at_being_settled(store: Store) -> None:
    """However many had a turn in one, those of another stand in line again after a page of it."""
    other = VARIANT + 1
    store.join(30)
    few = store.join(2, variant=other)
    for variant in (VARIANT, other):
        store.restock(None, variant=variant)
    store.send()
    for variant in (VARIANT, other):
        store.stock(0, variant=variant)
        store.restocks.check_due()
    assert small(store, 10).plan_due(limit=2) == 2
    assert [stands(store, person) for person in few] == [WAITS, WAITS]
    while small(store, 10).plan_due():
        pass
    assert store.states("offers") == {"missed": 32}


def test_whoever_comes_back_from_a_restock_that_is_over_is_offered_in_the_one_that_is_on(store: Store) -> None:
    """Its walk had gone by before the message of the first one found its restock closed."""
    people = store.join(2)
    store.restock(1)
    [first] = store.sql("SELECT id FROM offers WHERE subscription_id = :id", id=people[0])
    store.sql("UPDATE deliveries SET state = 'sending' WHERE offer_id = :id", id=first[0])
    store.restock(0)
    store.restock(9)
    assert people[0] not in store.sql("SELECT subscription_id FROM offers WHERE event_id > 1")
    store.in_transaction(
        lambda s: store.restocks.offers_returned(s, store.shop.id, [int(str(first[0]))], "event_closed")
    )
    store.plan()
    assert set(store.offered()) == set(people)


def test_who_sleeps_when_everything_is_sold_stands_in_line_again_at_once(store: Store) -> None:
    people = store.join(25)
    sleep(store, 6)
    store.restock(None)
    store.stock(0)
    store.restocks.check_due()
    while small(store, 10).plan_due():
        pass
    assert store.states("offers") == {"returned": 25}
    assert store.sql("SELECT DISTINCT state, reason FROM deliveries") == [("skipped", "event_closed")]
    assert store.one("SELECT count(*) FROM restock_events WHERE settle_at IS NOT NULL") == 0
    store.restock(None)
    assert store.offered() == people


def test_two_who_put_people_back_at_once_put_each_back_once(store: Store) -> None:
    people = store.join(40)
    store.restock(None)
    store.send()
    store.stock(0)
    store.restocks.check_due()
    service = small(store, 7)
    assert together(*[service.plan_due] * 4) == []
    store.pass_time("restock_events", "settle_at", 60)
    store.plan()
    assert store.states("subscriptions") == {"active": 40}
    assert store.sql("SELECT count(*), count(DISTINCT subscription_id) FROM subscription_events") == [(40, 40)]
    assert len(people) == 40


def test_a_purchase_told_of_late_still_counts_for_the_turn_it_followed(store: Store) -> None:
    """The stock was told of first, so the buyer's turn was taken for missed."""
    from restock.restocks.repository import purchases

    people = store.join(1)
    sold_out_in_turn(store)
    offer = number(store, "SELECT id FROM offers")
    store.in_transaction(lambda session: purchases.buy_offers(session, store.shop.id, people[0], [], offer))
    assert store.states("offers") == {"bought": 1}


# Asleep


def sleep(store: Store, hours: int) -> None:
    """Have the shop's e-mail hours open so many hours from now, for one hour."""
    opens = (datetime.now(UTC) + timedelta(hours=hours)).hour
    store.set(send_hours__email=f"{opens}-{(opens + 1) % 24}")


def test_a_sleepers_units_are_kept_and_the_message_waits(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    sleep(store, 6)
    store.restock(1)
    assert store.offered() == [people[0]]
    store.send()
    assert store.channel.sent == []
    assert store.one("SELECT kept_until > now() + interval '11 hours' FROM offers") is True
    assert store.one("SELECT next_at > now() + interval '4 hours' FROM deliveries") is True


def test_slept_through_the_units_are_lent_on_and_the_sleeper_comes_first_on_waking(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    sleep(store, 6)
    store.restock(1)
    store.pass_time("offers", "kept_until", 13 * 3600)
    store.sql("UPDATE subscriptions SET channel = 'push' WHERE id = :id", id=people[1])  # whose hours are open
    assert store.restocks.end_turns() == 1
    assert store.sql("SELECT state, reason FROM offers") == [("returned", "asleep")]
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "asleep")]
    assert told_of(store, people[0]) == [("lent_on", "asleep")]
    store.plan()
    assert store.offered() == [people[1]]
    assert told_of(store, people[0])[1:] == [("passed_over", "lent_on")]
    store.restock(2)
    assert store.offered() == [people[1]]
    assert store.one("SELECT plan_at > now() + interval '4 hours' FROM restock_events") is True
    store.set(send_hours__email="any")
    store.sql("UPDATE restock_events SET plan_at = now()")  # the hour has come
    store.plan()
    assert store.offered() == [people[1], people[0]]


def test_whoever_falls_asleep_before_the_message_leaves_is_a_sleeper_like_any_other(store: Store) -> None:
    """Its provider was busy until the hours had closed."""
    people = store.join(2)
    store.sql("UPDATE subscriptions SET channel = 'push' WHERE id = :id", id=people[1])
    store.set(policy="strict")
    store.restock(1)
    sleep(store, 15)
    store.send()
    assert store.channel.sent == []
    assert store.one("SELECT kept_until BETWEEN now() + interval '11 h' AND now() + interval '12 h' FROM offers")
    store.pass_time("offers", "kept_until", 13 * 3600)
    assert store.restocks.end_turns() == 1
    store.plan()
    assert store.offered() == [people[1]]


def test_who_sleeps_longer_than_units_are_kept_lets_others_go_first_and_is_looked_at_on_waking(store: Store) -> None:
    people = store.join(2)
    store.sql("UPDATE subscriptions SET channel = 'push' WHERE id = :id", id=people[1])
    store.set(policy="strict")
    sleep(store, 15)
    store.restock(2)
    assert store.offered() == [people[1]]
    assert told_of(store, people[0]) == [("passed_over", "asleep")]
    assert store.one("SELECT plan_at BETWEEN now() + interval '13 h' AND now() + interval '16 h' FROM restock_events")


def test_units_without_limit_are_never_lent_on(store: Store) -> None:
    people = store.join(2)
    sleep(store, 15)
    store.restock(None)
    assert store.offered() == people
    assert store.sql("SELECT DISTINCT kept_until FROM offers") == [(None,)]


def test_a_message_that_may_have_arrived_is_never_taken_back(store: Store) -> None:
    """Its provider took it and its worker was lost: its person would be told a second time, of another offer."""
    store.join(2)
    store.set(policy="strict")
    sleep(store, 6)
    store.restock(1)
    store.sql("UPDATE deliveries SET doubts = 1")
    store.pass_time("offers", "kept_until", 13 * 3600)
    assert store.restocks.end_turns() == 0
    assert store.sql("SELECT state FROM offers") == [("open",)]
    assert store.sql("SELECT state FROM deliveries") == [("queued",)]
    assert store.one("SELECT kept_until > now() FROM offers") is True


def accepted(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.accepted)


def doubted(store: Store) -> None:
    """Hand over what is due: the provider takes it, and its answer is lost; then its repeat is due."""
    store.channel.answer = unanswered
    store.send()
    store.channel.answer = accepted
    store.pass_time("deliveries", "next_at", 60)
    assert store.deliveries.resolve_unknown() > 0
    assert store.states("deliveries") == {"queued": 1}


def miss(store: Store) -> None:
    offer_id = number(store, "SELECT id FROM offers")
    store.in_transaction(lambda session: store.restocks.offers_missed(session, store.shop.id, [offer_id]))


@pytest.mark.parametrize("is_over", [False, True])
def test_whoever_may_have_been_told_and_finds_the_goods_gone_hears_of_the_next_restock_that_it_was_missed(
    store: Store, is_over: bool
) -> None:
    """One unit of two is left, or the restock is over. Nobody knows whether the message arrived: it stays so, the place
    is kept, and what comes next is no second news of the same."""
    person = store.join(1, quantity=2)
    store.sql("UPDATE subscriptions SET created_at = queued_at RETURNING id")
    store.set(policy="strict", policy__max_offers="1")
    store.restock(2)
    doubted(store)
    store.stock(0 if is_over else 1)
    store.check()
    store.pass_time("deliveries", "next_at", 60)
    store.send()
    assert store.sql("SELECT state, reason, finished_at IS NOT NULL FROM deliveries") == [
        ("unknown", "event_closed" if is_over else "sold_out", True)
    ]
    assert store.sql("SELECT state, reason, accepted_at FROM offers") == [("missed", "sold_out", None)]
    assert told_of(store, person[0])[-1] == ("missed", "sold_out")
    assert store.states("subscriptions") == {"active": 1}
    store.restock(2)
    store.send()
    assert [one.notice.missed_before for one in store.channel.sent] == [False, True]
    assert store.states("subscriptions") == {"notified": 1}


@pytest.mark.parametrize("why", ["paused", "channel_off"])
def test_whoever_may_have_been_told_and_is_not_written_to_now_keeps_the_place(store: Store, why: str) -> None:
    """Nobody says that the message was not sent. The goods are still there: no turn was missed by selling out."""
    (ada,) = store.join(1)
    store.set(policy="strict")
    store.restock(1)
    doubted(store)
    if why == "paused":
        assert store.subscriptions.choices.pause(number(store, "SELECT contact_id FROM subscriptions"), ada) == 1
    else:
        store.set(channels="sms")
    store.pass_time("deliveries", "next_at", 60)
    store.send()
    assert store.sql("SELECT state, reason, finished_at IS NOT NULL FROM deliveries") == [("unknown", why, True)]
    assert store.sql("SELECT state, reason, accepted_at FROM offers") == [("returned", why, None)]
    assert store.sql("SELECT state, open_offer_id, notified_at FROM subscriptions") == [("active", None, None)]
    assert len(store.channel.sent) == 1


def test_who_goes_on_in_the_restock_in_which_a_message_stayed_in_doubt_is_offered_it_by_another_name(
    store: Store,
) -> None:
    """It was the person's own wish, and the first may never have arrived; the next does not speak of selling out."""
    (ada,) = store.join(1)
    store.set(policy="strict")
    store.restock(1)
    doubted(store)
    contact = number(store, "SELECT contact_id FROM subscriptions")
    store.subscriptions.choices.pause(contact, ada)
    store.pass_time("deliveries", "next_at", 60)
    store.send()
    assert len(store.channel.sent) == 1
    store.subscriptions.choices.resume(contact, ada)
    store.check()
    store.send()
    assert [one.notice.missed_before for one in store.channel.sent] == [False, False]
    assert len({one.identity for one in store.channel.sent}) == 2
    assert sorted(store.states("deliveries").items()) == [("sent", 1), ("unknown", 1)]
    assert store.states("subscriptions") == {"notified": 1}


def test_units_of_a_turn_that_may_have_been_missed_are_free_at_once(store: Store) -> None:
    people = store.join(1, quantity=2)
    store.set(policy="strict")
    store.restock(2)
    doubted(store)
    people += store.join(1)
    store.stock(1)
    store.check()
    assert store.offered() == people[:1]
    store.send()
    store.plan()
    assert store.offered() == people[1:]


def test_whoever_leaves_before_a_turn_is_missed_is_gone(store: Store) -> None:
    person = store.join(1)
    store.set(policy="strict")
    store.restock(1)
    doubted(store)
    store.sql("UPDATE subscriptions SET end_reason = 'unsubscribed'")
    miss(store)
    assert store.sql("SELECT id, state, open_offer_id FROM subscriptions") == [(person[0], "cancelled", None)]


def test_a_turn_that_a_receipt_has_begun_is_not_missed(store: Store) -> None:
    """The provider's word came between the claim's look and its decision."""
    store.join(1)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    miss(store)
    assert store.states("offers") == {"open": 1}
    assert store.states("subscriptions") == {"notified": 1}


def test_a_message_on_its_way_is_never_taken_back(store: Store) -> None:
    store.join(1)
    store.set(policy="strict")
    sleep(store, 6)
    store.restock(1)
    store.sql("UPDATE deliveries SET state = 'sending'")
    store.pass_time("offers", "kept_until", 13 * 3600)
    assert store.restocks.end_turns() == 0
    assert store.states("offers") == {"open": 1}
    assert store.one("SELECT kept_until > now() FROM offers") is True


def test_turns_that_run_while_the_shop_is_away_keep_their_units_when_it_is_back(store: Store) -> None:
    """And end by the clock: those who were told may buy all the time."""
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    store.in_transaction(lambda session: close_events(session, store.shop.id))
    store.sql("UPDATE shops SET state = 'uninstalled' RETURNING id")
    store.plan()
    store.sql("UPDATE shops SET state = 'installed' RETURNING id")
    store.restock(1)
    assert store.offered() == people[:1]
    store.pass_time("offers", "ends_at", 3 * 3600)
    assert store.restocks.end_turns() == 1
    store.plan()
    assert store.offered() == people[1:]
    assert store.states("offers") == {"ended": 1, "open": 1}
    store.pass_time("restock_events", "settle_at", 9 * 86400)
    store.plan()
    assert store.one("SELECT count(*) FROM restock_events WHERE settle_at IS NOT NULL") == 0
    assert store.states("offers") == {"ended": 1, "open": 1}


@pytest.mark.parametrize("told", [True, False], ids=["everybody was told", "nobody was told yet"])
def test_goods_that_come_back_before_those_of_the_last_restock_are_back_in_line_are_looked_at_again(
    store: Store, told: bool
) -> None:
    """When they were read nobody stood in line, so that nothing began."""
    people = store.join(2)
    store.set(policy="strict")
    store.restock(2)
    if told:
        store.send()
    for units in (0, 2):
        store.stock(units)
        store.restocks.check_due()
    assert store.one("SELECT count(*) FROM restock_events WHERE closed_at IS NULL") == 0
    store.check()
    store.check()
    assert store.offered() == people


def test_a_message_that_finds_its_shop_gone_and_back_puts_nobody_off_until_the_next_pass(store: Store) -> None:
    people = store.join(1)
    store.restock(1)
    store.in_transaction(lambda session: close_events(session, store.shop.id))
    store.restock(1)
    store.send()
    store.check()
    store.send()
    assert store.states("deliveries") == {"skipped": 1, "sent": 1}
    assert store.offered() == people


# The order of the queue


def test_priority_goes_first_and_newest_first_where_the_shop_says_so(store: Store) -> None:
    people = store.join(4)
    store.sql("UPDATE subscriptions SET priority = 1 WHERE id = :id", id=people[2])
    store.set(policy="strict", policy__order="newest")
    store.restock(2)
    assert store.offered() == [people[2], people[3]]


def test_who_loses_the_first_place_in_the_middle_of_a_walk_is_not_named_twice_by_it(store: Store) -> None:
    """Said no, or could not be reached, a page before; the walk comes by their other place."""
    people = store.join(5)
    for person in people[:2]:
        store.sql("UPDATE subscriptions SET priority = 1 WHERE id = :id", id=person)
    store.set(policy="strict")
    store.stock(5)
    store.restocks.check_due()
    service = small(store, 2)
    assert service.plan_due(limit=1) == 1
    store.channel.answer = lambda one: refused(one) if len(store.channel.sent) == 1 else accepted(one)
    store.send()
    assert store.restocks.decline(message_to(store, people[1]))
    store.sql("UPDATE subscriptions SET priority = 0")
    while service.plan_due():
        pass
    assert store.offered() == people[2:]
    assert [told_of(store, person)[-1] for person in people[:2]] == [
        ("passed_over", "tried"),
        ("passed_over", "declined"),
    ]


def test_many_variants_at_once_are_each_shared_out_for_themselves(store: Store) -> None:
    waiting = {VARIANT + n: store.join(3, variant=VARIANT + n) for n in range(12)}
    store.set(policy="strict")
    for n, variant in enumerate(waiting):
        store.stock(n % 4, variant=variant)
    assert together(*[store.restocks.check_due] * 2) == []
    assert together(*[store.plan] * 4) == []
    store.check()
    expected = {person for n, people in enumerate(waiting.values()) for person in people[: n % 4]}
    assert set(store.offered()) == expected
    assert store.one("SELECT count(*) FROM restock_events") == 9


# What is written down


def test_why_somebody_was_passed_over_is_written_once_for_each_reason(store: Store) -> None:
    big = store.join(1, quantity=3)
    store.join(4)
    store.set(policy="strict")
    store.restock(2)
    for _ in range(2):
        store.stock(2)
        store.check()
    assert told_of(store, big[0]) == [("passed_over", "wants_more")]
    store.send()
    store.restock(3)
    assert told_of(store, big[0]) == [("passed_over", "wants_more"), ("passed_over", "not_enough_free")]
    store.restock(3)
    assert len(told_of(store, big[0])) == 2
    assert store.sql("SELECT units, free_units FROM subscription_events ORDER BY id") == [(3, 2), (3, 1)]


def test_the_reason_is_written_anew_in_the_next_restock(store: Store) -> None:
    big = store.join(1, quantity=3)
    store.set(policy="strict")
    for _ in range(2):
        store.restock(2)
        store.restock(0)
    assert told_of(store, big[0]) == [("passed_over", "wants_more")] * 2


# Walks along long queues


def test_turns_that_end_meanwhile_do_not_send_a_walk_back_to_its_head(store: Store) -> None:
    people = store.join(30)
    store.stock(None)
    store.restocks.check_due()
    service = small(store, 10)
    service.plan_due(limit=1)
    store.send()
    store.pass_time("offers", "ends_at", 3 * 3600)
    assert store.restocks.end_turns() == 10
    assert store.one("SELECT cursor_id FROM restock_events") == people[9]
    assert store.one("SELECT walk_again FROM restock_events") is True
    service.plan_due(limit=1)
    assert store.one("SELECT cursor_id FROM restock_events") == people[19]
    store.plan()
    assert store.offered() == people[10:]


def test_units_freed_behind_a_walk_go_to_whoever_was_passed_over_first(store: Store) -> None:
    first = store.join(1, quantity=2)
    store.join(1)
    rest = store.join(8, quantity=3)
    store.set(policy="strict")
    store.stock(2)
    store.restocks.check_due()
    service = small(store, 3)
    store.sql("UPDATE subscriptions SET quantity = 1 WHERE id = :id", id=first[0])
    store.sql("UPDATE subscriptions SET quantity = 2 WHERE id = :id", id=first[0] + 1)
    service.plan_due(limit=1)
    assert store.offered() == first
    store.in_transaction(
        lambda s: store.restocks.offers_returned(s, store.shop.id, [number(store, "SELECT id FROM offers")], "no_such")
    )
    while service.plan_due():
        pass
    assert store.offered() == [first[0] + 1]
    assert told_of(store, first[0]) == [("passed_over", "tried")]
    assert len(rest) == 8


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 50])
def test_a_queue_is_shared_out_the_same_whatever_the_size_of_a_page(store: Store, page_size: int) -> None:
    people = [store.join(1, quantity=quantity)[0] for quantity in (2, 1, 5, 1, 3, 2, 1, 1, 4, 1)]
    store.set(policy="strict")
    store.stock(8)
    store.restocks.check_due()
    service = small(store, page_size)
    while service.plan_due():
        pass
    assert store.offered() == [people[index] for index in (0, 1, 2)]
    store.stock(12)
    store.restocks.check_due()
    while service.plan_due():
        pass
    assert store.offered() == [people[index] for index in (0, 1, 2, 3, 4)]


def test_what_a_wave_may_give_is_counted_once_and_never_exceeded(store: Store) -> None:
    store.join(40)
    store.set(policy="strict")
    store.stock(25)
    store.restocks.check_due()
    service = small(store, 10)
    service.plan_due(limit=1)
    store.stock(12)
    store.restocks.check_due()
    while service.plan_due():
        pass
    assert len(store.offered()) == 12
    assert store.sql("SELECT capacity, free_units, offered_units FROM waves ORDER BY number") == [
        (25, 25, 10),
        (12, 2, 2),
    ]


def test_a_shop_that_turns_its_queue_round_has_the_walk_begin_anew(store: Store) -> None:
    people = store.join(9)
    store.set(policy="strict")
    store.stock(6)
    store.restocks.check_due()
    service = small(store, 2)
    service.plan_due(limit=1)
    store.set(policy="strict", policy__order="newest")
    while service.plan_due():
        pass
    assert store.offered() == [*people[:2], *reversed(people[5:])]


def test_no_walk_begins_while_an_event_is_put_off_and_none_is_forgotten(store: Store) -> None:
    """What a crowd of open offers keeps was counted just now; turns end meanwhile."""
    people = store.join(3)
    store.set(policy="strict")
    store.restock(2)
    store.send()
    store.sql("UPDATE restock_events SET not_before = now() + interval '4 seconds'")
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    assert store.restocks.plan_due() == 0
    assert store.one("SELECT plan_at = not_before FROM restock_events") is True
    store.pass_time("restock_events", "plan_at", 5)
    store.plan()
    assert store.offered() == people[2:]


def test_a_long_walk_in_vain_rests_and_meanwhile_only_the_head_is_looked_at(store: Store) -> None:
    people = store.join(30, quantity=2)
    store.set(policy="strict")
    store.stock(2)
    store.restocks.check_due()
    service = small(store, 10)
    while service.plan_due():
        pass
    assert store.offered() == people[:1]
    store.stock(3)
    store.restocks.check_due()
    service.plan_due(limit=1)
    store.pass_time("waves", "planned_at", 5)  # the walk takes a while
    assert service.plan_due() == 2
    assert store.one("SELECT rest_until > now() + interval '40 seconds' FROM restock_events") is True
    for _ in range(3):  # turns that end, one after the other
        store.sql("UPDATE restock_events SET plan_at = now()")
        assert service.plan_due() == 1
    assert store.one("SELECT plan_at = rest_until FROM restock_events") is True
    late = store.join(1)
    store.sql("UPDATE restock_events SET plan_at = now(), rest_until = now()")
    assert service.plan_due() == 3
    assert store.offered() == [people[0], *late]
