"""A provider that is down for an hour: nobody is lost, nobody overtaken, nobody told what is no longer true."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict
from restock.deliveries.service.breaker_rules import FIRST_CLAIM, Signs, claim_limit, keeps_its_place, pause_seconds
from tests.restocks.store import VARIANT, RecordingChannel, Store, together

EMAIL, SMS = ChannelName.email, ChannelName.sms


def away(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.deferred, "mail_server_unreachable", Blame.provider)


def told(reason: str, blame: Blame = Blame.provider) -> Callable[[Envelope], Outcome]:
    return lambda envelope: Outcome(envelope.delivery_id, Verdict.deferred, reason, blame)


def accepted(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.accepted)


def an_hour_passes(store: Store, *, drain: bool = True) -> None:
    """Move every moment of the queue into the past, minute by minute, and do each minute what a sweeper would."""
    for _ in range(60):
        for table, column in (
            ("deliveries", "next_at"),
            ("deliveries", "created_at"),
            ("delivery_lanes", "next_at"),
            ("delivery_lanes", "served_at"),
            ("provider_states", "next_probe_at"),
            ("provider_states", "opened_at"),
            ("provider_states", "last_failure_at"),
            ("stock_readings", "read_at"),
        ):
            store.pass_time(table, column, 60)
        if drain and EMAIL in store.deliveries.due():
            store.send()


def back(store: Store, answer: Callable[[Envelope], Outcome] = accepted) -> None:
    """The provider works again, and the next probe is due."""
    store.channel.sent.clear()
    store.channel.answer = answer
    store.pass_time("provider_states", "next_probe_at", 600)


def queue_order(store: Store) -> list[int]:
    """The deliveries in the order in which their people asked."""
    rows = store.sql(
        "SELECT d.id FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id ORDER BY s.queued_at"
    )
    return [int(str(row[0])) for row in rows]


def test_an_hour_without_a_mail_server_loses_nothing_and_keeps_the_order(store: Store) -> None:
    """600 people wait; it fails for an hour, then everybody hears, in the order of the queue, one message first."""
    store.join(600)
    store.restock(None)
    store.channel.answer = away
    store.send()
    assert store.states("deliveries") == {"queued": 600}
    tried_first = len(store.channel.sent)
    assert tried_first <= 200, "what one claim holds, and then no more"
    an_hour_passes(store)
    tried = len(store.channel.sent) - tried_first
    assert 20 <= tried <= 61, f"one message at a time asks whether it is back: {tried}"
    assert store.states("deliveries") == {"queued": 600}
    assert store.sql("SELECT DISTINCT attempt FROM deliveries") == [(0,)], "an outage uses up nobody's attempts"
    back(store)
    store.send()
    assert [envelope.delivery_id for envelope in store.channel.sent] == queue_order(store)
    assert store.states("deliveries") == {"sent": 600}
    assert store.states("subscriptions") == {"notified": 600}
    assert store.sql("SELECT state FROM provider_states") == [("closed",)]


def test_sold_out_during_the_outage_tells_nobody_and_keeps_every_place(store: Store) -> None:
    people = store.join(300)
    store.restock(None)
    store.channel.answer = away
    store.send()
    before = store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id")
    an_hour_passes(store)
    store.stock(0)
    store.check()
    back(store)
    store.send()
    assert store.channel.sent == []
    assert store.states("deliveries") == {"skipped": 300}
    assert store.states("offers") == {"returned": 300}
    assert store.states("subscriptions") == {"active": 300}
    assert store.sql("SELECT id, queued_at FROM subscriptions ORDER BY id") == before
    store.restock(None)
    store.send()
    sent = [
        store.one("SELECT subscription_id FROM deliveries WHERE id = :id", id=e.delivery_id) for e in store.channel.sent
    ]
    assert sent == people, "the next restock finds them at their old places"


def test_after_the_outage_stock_is_read_again_before_anybody_is_told(store: Store) -> None:
    """The reading is an hour old: the whole line waits for the new one, and nobody in it overtakes."""
    store.join(450)
    store.restock(None)
    store.sql("UPDATE stock_readings SET source = 'admin'")
    store.channel.answer = away
    store.send()
    an_hour_passes(store)
    back(store)
    store.send()
    assert store.channel.sent == [], "nobody is told on an old reading"
    assert store.one("SELECT count(*) FROM stock_checks") == 1
    store.check()
    store.pass_time("delivery_lanes", "next_at", 60)
    store.send()
    assert [envelope.delivery_id for envelope in store.channel.sent] == queue_order(store)


def test_of_many_workers_one_probes(store: Store) -> None:
    store.join(500)
    store.restock(None)
    store.channel.answer = away
    store.send()
    for _ in range(5):
        store.channel.sent.clear()
        store.pass_time("provider_states", "next_probe_at", 600)
        assert together(*[store.send] * 6) == []
        assert len(store.channel.sent) == 1


def test_of_many_workers_one_opens_it_and_all_keep_the_order(store: Store) -> None:
    """Each fails with what it had claimed; what they had goes back to its places, and the line is as it was."""
    store.join(900)
    store.restock(None)
    store.channel.answer = away
    assert together(*[store.send] * 4) == []
    assert store.one("SELECT count(*) FROM provider_states") == 1
    back(store)
    store.send()
    assert [envelope.delivery_id for envelope in store.channel.sent] == queue_order(store)


def test_the_line_that_waited_longest_is_served_first_after_the_return(store: Store) -> None:
    lines = [VARIANT + n for n in range(4)]
    for variant in lines:
        store.join(3, variant=variant)
        store.restock(None, variant=variant)
    store.channel.answer = away
    store.send()
    for _ in range(3):
        store.pass_time("provider_states", "next_probe_at", 600)
        store.send()  # each probe is another line's, and none loses its turn by it
    back(store)
    store.send()
    first_of_each = [envelope.delivery_id for envelope in store.channel.sent]
    events = [store.one("SELECT event_id FROM deliveries WHERE id = :id", id=number) for number in first_of_each]
    assert list(dict.fromkeys(events))[1:] == sorted(set(events) - {events[0]})
    assert len(first_of_each) == 12


def test_after_the_return_claims_are_small_at_first(store: Store) -> None:
    sizes: list[int] = []

    @dataclass
    class Measuring(RecordingChannel):
        def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
            sizes.append(len(envelopes))
            return super().send(envelopes)

    store.deliveries.channels[EMAIL] = store.channel = Measuring(answer=away)  # type: ignore[index]
    store.join(1000)
    store.restock(None)
    store.send()
    sizes.clear()
    back(store)
    store.send()
    assert sizes[0] == 1
    assert sizes[1] <= FIRST_CLAIM * 2
    assert sum(sizes) == 1000


def test_one_that_fails_again_at_once_has_been_down_all_the_time(store: Store) -> None:
    store.join(300)
    store.restock(None)
    store.channel.answer = away
    store.send()
    store.pass_time("provider_states", "opened_at", 1800)
    since = store.one("SELECT opened_at FROM provider_states")
    taken: list[int] = []

    def takes_three(envelope: Envelope) -> Outcome:
        taken.append(envelope.delivery_id)
        return accepted(envelope) if len(taken) <= 1 else away(envelope)

    back(store, takes_three)
    store.send()
    assert store.sql("SELECT state, opened_at, failure_count FROM provider_states") == [("open", since, 2)]


def test_a_reason_that_may_be_one_persons_own_does_not_hold_up_the_others(store: Store) -> None:
    """The account may not write to one country: the probe goes on to the next person, who is told."""
    channel = RecordingChannel(SMS, Doubt.at_most_once)
    store.deliveries.channels[SMS] = channel  # type: ignore[index]
    store.join(3, channel="sms")
    store.restock(None)
    forbidden = {int(str(row[0])) for row in store.sql("SELECT id FROM deliveries ORDER BY id LIMIT 1")}
    channel.answer = told("account_rejected")
    store.send()
    channel.answer = lambda e: told("account_rejected")(e) if e.delivery_id in forbidden else accepted(e)
    for _ in range(2):
        store.pass_time("provider_states", "next_probe_at", 600)
        store.send()
    assert store.states("deliveries") == {"queued": 1, "sent": 2}
    assert store.one("SELECT state FROM provider_states") == "closed"


def test_what_many_messages_in_a_row_cannot_do_is_the_providers_fault(store: Store) -> None:
    """A mail server that says "try later" to everybody: no attempt of theirs is used up by it."""
    store.join(60)
    store.restock(None)
    store.channel.answer = told("temporarily_refused", Blame.message)
    store.send()
    assert store.one("SELECT state FROM provider_states") == "open"
    assert store.sql("SELECT DISTINCT attempt FROM deliveries") == [(0,)]
    back(store)
    store.send()
    assert [envelope.delivery_id for envelope in store.channel.sent] == queue_order(store)


def test_a_message_that_fails_by_itself_stops_nobody(store: Store) -> None:
    store.join(3)
    store.restock(None)
    store.channel.answer = told("temporarily_refused", Blame.message)
    store.send()
    assert store.one("SELECT count(*) FROM provider_states") == 0
    assert store.sql("SELECT DISTINCT attempt FROM deliveries") == [(1,)]


def test_a_doubt_is_not_ended_while_nobody_could_answer(store: Store) -> None:
    """A text message handed over without an answer stays in doubt, and is looked up when Twilio is back."""
    channel = RecordingChannel(SMS, Doubt.at_most_once)
    channel.answer = lambda e: Outcome(e.delivery_id, Verdict.unanswered, "no_answer")
    store.deliveries.channels[SMS] = channel  # type: ignore[index]
    store.join(12, channel="sms")
    store.restock(None)
    store.send()
    assert store.states("deliveries") == {"unknown": 12}
    assert store.one("SELECT state FROM provider_states") == "open"
    store.pass_time("deliveries", "next_at", 600)
    assert store.deliveries.resolve_unknown() == 0
    channel.known = {int(str(row[0])): True for row in store.sql("SELECT id FROM deliveries")}
    store.pass_time("provider_states", "next_probe_at", 600)
    store.deliveries.resolve_unknown()
    assert store.states("deliveries") == {"sent": 12}


def test_a_worker_that_dies_with_the_probe_holds_up_nobody_beyond_its_lease(store: Store) -> None:
    store.join(5)
    store.restock(None)
    store.channel.answer = away
    store.send()
    store.pass_time("provider_states", "next_probe_at", 600)
    assert store.deliveries.breaker.enter(EMAIL, 200) is not None, "taken, and never heard of again"
    back_at = store.one(
        "SELECT next_probe_at <= now() + interval '30 s' AND next_probe_at > now() FROM provider_states"
    )
    assert back_at
    entry = store.deliveries.breaker.enter(EMAIL, 200)
    assert entry is not None
    assert entry.own, "nothing is asked of the provider that is down"
    back(store)
    store.send()
    assert store.states("deliveries") == {"sent": 5}


def test_another_mail_server_is_another_provider(store: Store) -> None:
    """Who mends SMTP_URL need not wait for a probe of the old server."""
    store.join(5)
    store.restock(None)
    store.channel.answer = away
    store.send()
    store.channel.answer = accepted
    mended = Store.__new__(Store)
    mended.__dict__ |= store.__dict__
    mended.deliveries = replace(store.deliveries, providers={EMAIL: "smtp.example.com:587"})
    mended.send()
    assert store.states("deliveries") == {"sent": 5}


def test_while_it_is_down_nobody_is_rung_for_but_the_one_who_probes(store: Store) -> None:
    store.join(50)
    store.restock(None)
    assert store.deliveries.due() == {EMAIL: 50}
    store.channel.answer = away
    store.send()
    assert store.deliveries.due() == {}
    store.pass_time("provider_states", "next_probe_at", 600)
    assert store.deliveries.due() == {EMAIL: 1}


def test_an_outage_counts_what_waits_for_one_shop_or_all(store: Store) -> None:
    other = store.shops.add("other")
    store.join(4)
    store.join(3, shop=other)
    store.restock(None)
    store.restock(None, shop=other)
    assert store.deliveries.outages() == []
    store.channel.answer = told("login_rejected")
    store.send()
    (outage,) = store.deliveries.outages()
    assert (outage.channel, outage.reason, outage.waiting_count) == (EMAIL, "login_rejected", 7)
    assert [one.waiting_count for one in store.deliveries.outages(store.shop.id)] == [4]
    assert [one.waiting_count for one in store.deliveries.outages(other.id)] == [3]
    back(store)
    store.send()
    assert store.deliveries.outages() == []


@dataclass
class SlowChannel(RecordingChannel):
    """A provider that takes its time with each message."""

    seconds: float = 0.02

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for outcome in super().send(envelopes):
            time.sleep(self.seconds)
            yield outcome


def test_a_slow_provider_lets_no_claims_pile_up_and_no_lease_run_out(clean_database: str) -> None:
    """Three workers, 20 ms a message, a lease of 3 s for claims that take 4 s: each holds one claim, and renews it."""
    store = Store(clean_database, [SlowChannel()], lease_seconds=3)
    store.join(500)
    store.restock(None)
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(int(str(store.one("SELECT count(*) FROM deliveries WHERE state = 'sending'"))))
            store.deliveries.expire_leases()
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert together(*[lambda: store.deliveries.drain(EMAIL, seconds=25)] * 3) == []
    finally:
        done.set()
        watcher.join()
    assert max(seen) <= 3 * 200
    assert store.states("deliveries") == {"sent": 500}
    assert store.sql("SELECT DISTINCT doubts FROM deliveries") == [(0,)], "no lease ran out"
    assert len(store.channel.sent) == 500
    store.close()


def outcome(verdict: Verdict, reason: str = "", blame: Blame = Blame.message, number: int = 1) -> Outcome:
    return Outcome(number, verdict, reason, blame)


DOWN = outcome(Verdict.deferred, "login_rejected", Blame.provider)
GREY = outcome(Verdict.deferred, "temporarily_refused")
LOST = outcome(Verdict.unanswered, "connection_lost")
FULL = outcome(Verdict.deferred, "mailbox_full")
TAKEN, REFUSED = outcome(Verdict.accepted), outcome(Verdict.refused, "mailbox_unknown", Blame.address)


@pytest.mark.parametrize(
    ("outcomes", "is_probe", "why"),
    [
        ([DOWN], False, "login_rejected"),
        ([DOWN, TAKEN], False, None),
        ([DOWN, REFUSED], False, None),
        ([DOWN, FULL], False, None),
        ([LOST], False, None),
        ([LOST], True, "connection_lost"),
        ([GREY], True, "temporarily_refused"),
        ([GREY] * 9, False, None),
        ([TAKEN], True, None),
        ([REFUSED], True, None),
        ([outcome(Verdict.deferred, "batch_time_over")], True, None),
        ([], True, None),
    ],
)
def test_what_outcomes_say_about_the_provider(outcomes: list[Outcome], is_probe: bool, why: str | None) -> None:
    signs = Signs()
    for number, one in enumerate(outcomes):
        signs.add(Outcome(number, one.verdict, one.reason, one.blame))
    assert signs.failure(is_probe=is_probe) == why


def test_ten_troubled_messages_and_none_taken_are_an_outage() -> None:
    signs = Signs()
    for number in range(10):
        signs.add(outcome(Verdict.deferred, "push_service_unavailable", number=number))
    assert signs.failure(is_probe=False) == "push_service_unavailable"


def test_pauses_grow_to_a_minute_or_to_five_where_somebody_must_mend_it() -> None:
    assert [pause_seconds("mail_server_unreachable", n) for n in (1, 2, 3, 6, 99)] == [2, 5, 10, 60, 60]
    assert [pause_seconds("login_rejected", n) for n in (1, 2, 99)] == [15, 30, 300]
    assert pause_seconds("provider_unreachable", 1, wish_seconds=90) == 90
    assert pause_seconds("provider_unreachable", 1, wish_seconds=86_400) == 1800


def test_claims_grow_from_a_few_to_all_within_seconds_of_a_return() -> None:
    assert claim_limit(200, None) == 200
    assert claim_limit(200, 0) == FIRST_CLAIM
    sizes = [claim_limit(200, seconds) for seconds in range(90)]
    assert sizes == sorted(sizes)
    assert sizes[5] == 200
    assert claim_limit(50, 1e9) == 50


def test_the_first_in_line_asks_again_unless_the_reason_may_be_their_own() -> None:
    assert keeps_its_place("login_rejected", is_probe=True)
    assert keeps_its_place("account_rejected", is_probe=False)
    assert not keeps_its_place("account_rejected", is_probe=True)
