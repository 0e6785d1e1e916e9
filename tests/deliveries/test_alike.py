"""Refusals that are alike, one after the other: a shop's setup is at fault, and nobody pays for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from restock.channels.values import Blame, ChannelName, Envelope, Outcome, Verdict
from restock.deliveries.service.streams.alike import MOST_ALIKE, RECIPIENTS_REFUSED
from restock.reports.service import ReportService
from restock.reports.service.standing import Installation
from restock.reports.values.reason import ReasonCode
from restock.shops.values import Shop
from tests.deliveries.test_breaker import accepted
from tests.restocks.store import RecordingChannel, Store, refused

EMAIL, SMS = ChannelName.email, ChannelName.sms


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    store.set(policy="everyone")
    yield store
    store.close()


def saying(reason: str, blame: Blame = Blame.message) -> Callable[[Envelope], Outcome]:
    return lambda envelope: refused(envelope, reason, blame)


def mostly(count: int, answer: Callable[[Envelope], Outcome]) -> Callable[[Envelope], Outcome]:
    """One in so many is taken."""
    asked = iter(range(1, 10_000))
    return lambda envelope: accepted(envelope) if next(asked) % count == 0 else answer(envelope)


def wave(store: Store, count: int, shop: Shop | None = None) -> None:
    store.join(count, shop=shop)
    store.restock(count, shop=shop)
    store.send()


def due_again(store: Store) -> None:
    store.sql("UPDATE provider_states SET next_probe_at = now()")
    store.pass_time("deliveries", "next_at", 3600)
    store.pass_time("delivery_lanes", "next_at", 3600)
    store.pass_time("provider_states", "closed_at", 3600)


DEAD = saying("mailbox_unknown", Blame.address)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DEAD, RECIPIENTS_REFUSED),
        (saying("policy_rejected"), "policy_rejected"),
        (saying("rejected"), "rejected"),
    ],
)
def test_where_everybody_is_refused_alike_nobody_is_condemned_and_all_wait(
    store: Store, answer: Callable[[Envelope], Outcome], reason: str
) -> None:
    store.channel.answer = answer
    wave(store, 150)
    assert store.states("deliveries") == {"queued": 150}
    assert store.one("SELECT count(*) FROM suppressions") == 0
    assert store.states("subscriptions") == {"active": 150}
    [down] = store.deliveries.outages(store.shop.id)
    assert (down.channel, down.reason, down.service, down.waiting_count) == (EMAIL, reason, None, 150)
    asked = len(store.channel.sent)
    for _ in range(3):
        due_again(store)
        store.send()
    assert asked < len(store.channel.sent) <= asked + 3, "one message at a time asks whether it is still so"
    assert store.states("deliveries") == {"queued": 150}
    assert store.sql("SELECT DISTINCT attempt FROM deliveries") == [(0,)]
    store.channel.answer = accepted
    for _ in range(3):
        due_again(store)
        store.send()
    assert store.states("deliveries") == {"sent": 150}
    assert store.deliveries.outages(store.shop.id) == []


def test_whoever_is_paused_so_is_told_by_what(store: Store) -> None:
    store.channel.answer = saying("policy_rejected")
    wave(store, 40)
    who = int(str(store.one("SELECT subscription_id FROM deliveries LIMIT 1")))
    place = ReportService(store.database, Installation(providers={EMAIL: "email"})).explain(store.shop, who)
    assert place is not None
    assert place.why.code is ReasonCode.provider_down


def test_another_shop_goes_on(store: Store) -> None:
    other = store.shops.add("other")
    other = store.shops.change_settings(other.domain, {"policy": "everyone"})
    store.channel.answer = DEAD
    wave(store, 40)
    store.channel.answer = accepted
    wave(store, 40, other)
    assert store.one("SELECT count(*) FROM deliveries WHERE shop_id = :id AND state = 'sent'", id=other.id) == 40
    assert store.deliveries.outages(other.id) == []
    assert [one.service for one in store.deliveries.outages()] == [f"shop {store.shop.id}"]
    assert store.deliveries.breaker.shut() == {}, "the channel as such is well"


def test_single_dead_addresses_among_others_are_condemned_as_ever(store: Store) -> None:
    store.channel.answer = lambda e: DEAD(e) if e.delivery_id % 5 == 0 else accepted(e)
    wave(store, 100)
    assert store.states("deliveries") == {"failed": 20, "sent": 80}
    assert store.one("SELECT count(*) FROM suppressions WHERE reason = 'bounced'") == 20
    assert store.deliveries.outages() == []


def test_a_few_dead_addresses_alone_are_condemned(store: Store) -> None:
    store.channel.answer = DEAD
    wave(store, MOST_ALIKE - 1)
    assert store.states("deliveries") == {"failed": MOST_ALIKE - 1}
    assert store.one("SELECT count(*) FROM suppressions") == MOST_ALIKE - 1


def test_the_row_goes_on_from_claim_to_claim(store: Store) -> None:
    store.channel.answer = saying("policy_rejected")
    for _ in range(6):
        wave(store, 5)
    failed = store.states("deliveries")["failed"]
    assert failed < MOST_ALIKE
    assert store.states("deliveries")["queued"] >= 10
    assert [one.reason for one in store.deliveries.outages(store.shop.id)] == ["policy_rejected"]


def test_one_that_is_taken_among_many_refused_does_not_hide_it(store: Store) -> None:
    """A relay closed to the world takes what is for its own people."""
    store.channel.answer = mostly(18, DEAD)
    wave(store, 180)
    assert int(str(store.one("SELECT count(*) FROM suppressions"))) < 3 * MOST_ALIKE
    assert store.states("deliveries")["queued"] > 100


@pytest.mark.parametrize("reason", ["no_route", "content_rejected"])
def test_text_messages_nobody_may_get_are_not_burnt(clean_database: str, reason: str) -> None:
    channel = RecordingChannel(name=SMS)
    store = Store(clean_database, [channel])
    store.set(policy="everyone")
    store.deliveries = replace(store.deliveries, channels={SMS: channel})
    channel.answer = saying(reason)
    store.join(60, channel="sms")
    store.restock(60)
    store.deliveries.drain(SMS, 5)
    assert store.states("deliveries") == {"queued": 60}
    [down] = store.deliveries.outages(store.shop.id)
    assert (down.channel, down.reason, down.waiting_count) == (SMS, reason, 60)
    channel.answer = accepted
    for _ in range(4):
        due_again(store)
        store.deliveries.drain(SMS, 5)
    assert store.states("deliveries") == {"sent": 60}
    store.close()


def test_what_is_about_one_person_alone_pauses_nobody(store: Store) -> None:
    store.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.refused, "mailbox_full")
    wave(store, 60)
    assert store.states("deliveries") == {"failed": 60}
    assert store.deliveries.outages() == []
