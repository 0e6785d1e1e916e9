"""What people change about their alerts meets turns: paused, another quantity, left, while a turn is on its way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from restock.restocks.values import OfferState
from restock.subscriptions.service.choices import Choices
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import Store


@pytest.fixture(autouse=True)
def nobody_waits_in_a_ring(store: Store) -> Iterator[None]:
    with no_deadlock(store.database):
        yield


@pytest.fixture
def choices(store: Store) -> Choices:
    store.set(policy="strict")
    return store.subscriptions.choices


def contact_of(store: Store, alert_id: int) -> int:
    return int(str(store.one("SELECT contact_id FROM subscriptions WHERE id = :id", id=alert_id)))


def test_a_turn_nobody_has_heard_of_goes_to_the_next_in_line(store: Store, choices: Choices) -> None:
    ada, bo = store.join(2)
    store.restock(1)
    assert store.offered() == [ada]
    assert choices.pause(contact_of(store, ada), ada) == 1
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "paused")]
    store.plan()
    assert store.offered() == [bo]
    store.send()
    address = store.one("SELECT address FROM contacts WHERE id = :id", id=contact_of(store, bo))
    assert [one.recipient.address for one in store.channel.sent] == [address]
    assert store.one("SELECT reason FROM subscription_events WHERE kind = 'passed_over'") == "paused"
    store.sql("UPDATE offers SET state = 'ended' WHERE state = 'open'")
    assert choices.resume(contact_of(store, ada), ada) == 1
    store.check()
    assert store.offered() == [ada], "whoever goes on in the same restock is not taken for one who cannot be reached"


def test_a_claim_that_comes_after_the_pause_sends_nothing(store: Store, choices: Choices) -> None:
    """Planned between the look at the turns and the pause itself: the claim sees it, and the units go on."""
    ada, bo = store.join(2)
    store.restock(1)
    store.sql("UPDATE subscriptions SET paused_at = now() WHERE id = :id", id=ada)
    store.send()
    assert store.channel.sent == []
    assert store.sql("SELECT state, reason FROM offers") == [(OfferState.returned, "paused")]
    store.plan()
    assert store.offered() == [bo]
    assert store.sql("SELECT state, open_offer_id FROM subscriptions WHERE id = :id", id=ada) == [("active", None)]


def test_a_message_on_its_way_arrives_and_a_running_turn_stays(store: Store, choices: Choices) -> None:
    ada, bo = store.join(2)
    store.restock(2)
    batch = store.deliveries.claim(store.channel.name, 1)
    assert batch is not None
    for alert in (ada, bo):
        assert choices.pause(contact_of(store, alert), None) == 1
    assert store.states("offers") == {"open": 1, "returned": 1}
    store.sql("UPDATE deliveries SET state = 'sent' WHERE state = 'sending'")
    told = [int(str(row[0])) for row in store.sql("SELECT id FROM offers WHERE state = 'open'")]
    store.in_transaction(lambda session: store.restocks.offers_accepted(session, store.shop, told))
    assert store.states("subscriptions") == {"active": 1, "notified": 1}
    store.restock(0)
    assert store.states("subscriptions") == {"active": 2}, "sold out in the turn: back in line"
    store.restock(9)
    assert store.offered() == [], "and still resting there"


def test_another_quantity_waits_while_a_turn_is_handed_over(store: Store, choices: Choices) -> None:
    (ada,) = store.join()
    contact = contact_of(store, ada)
    assert choices.set_quantity(contact, ada, 2)
    store.restock(1)
    assert store.offered() == [], "two are wanted now"
    store.restock(2)
    assert store.offered() == [ada]
    assert not choices.set_quantity(contact, ada, 1)
    store.send()
    assert not choices.set_quantity(contact, ada, 1)
    assert store.one("SELECT quantity FROM subscriptions") == 2


def test_leaving_one_gives_its_turn_on(store: Store, choices: Choices) -> None:
    ada, bo = store.join(2)
    store.restock(1)
    assert choices.leave(contact_of(store, ada), ada)
    store.plan()
    assert store.offered() == [bo]
    store.send()
    assert len(store.channel.sent) == 1


def test_leaving_a_running_turn_gives_it_on_at_once(store: Store, choices: Choices) -> None:
    ada, bo = store.join(2)
    store.restock(1)
    store.send()
    assert choices.leave(contact_of(store, ada), ada)
    assert not choices.leave(contact_of(store, ada), ada)
    store.plan()
    assert store.offered() == [bo]


def change_each(choices: Choices, contacts: dict[int, int], act: str, alerts: list[int]) -> None:
    for alert in alerts:
        if act == "quantity":
            choices.set_quantity(contacts[alert], alert, 3)
        else:
            getattr(choices, act)(contacts[alert], alert)


def test_pauses_changes_and_goodbyes_meet_planners_and_senders(store: Store, choices: Choices) -> None:
    """By real threads: nobody who rests is told after all is quiet, units are those wanted, nothing hangs."""
    for _ in rounds(4):
        people = store.join(40)
        contacts = {alert: contact_of(store, alert) for alert in people}
        store.stock(None)
        store.restocks.check_due()

        each = partial(change_each, choices, contacts)
        race(
            store.plan,
            store.plan,
            store.send,
            partial(each, "pause", people[0:20]),
            partial(each, "resume", people[10:20]),
            partial(each, "quantity", people[20:30]),
            partial(each, "leave", people[30:40]),
        )
        store.check()
        store.send()
        wrong = "SELECT s.id FROM subscriptions s JOIN offers o ON o.subscription_id = s.id WHERE o.state = 'open' AND "
        assert store.sql(wrong + "s.state = 'active'") == [], "no turn is left hanging"
        assert store.sql(wrong + "o.units <> s.quantity") == [], "so many units are kept as are wanted"
        resting = "SELECT count(*) FROM subscriptions WHERE state = 'active' AND paused_at IS NULL"
        assert store.one(resting) == 0, "whoever does not rest was told"
        store.sql("UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL WHERE state <> 'cancelled'")
        store.sql("UPDATE offers SET state = 'ended' WHERE state = 'open'")


def test_two_presses_of_one_button_are_one_change(store: Store, choices: Choices) -> None:
    for act in ("pause", "resume", "leave"):
        (ada,) = store.join()
        contact, changed = contact_of(store, ada), []
        if act == "resume":
            choices.pause(contact, ada)

        def press(what: str = act, contact: int = contact, ada: int = ada, done: list[object] = changed) -> None:
            done.append(getattr(choices, what)(contact, ada))

        race(*[press] * 8)
        assert sorted(map(bool, changed)) == [False] * 7 + [True], act
