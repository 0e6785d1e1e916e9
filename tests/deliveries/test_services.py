"""One of several push services is down: what is for it waits, everybody else is told as usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from restock.channels.port import HELD_BACK
from restock.channels.values import Blame, ChannelName, Envelope, Outcome, Verdict
from restock.commands.outages import say_outage
from restock.deliveries.rules import RetryAt, next_step
from restock.deliveries.service.breaker_rules import TROUBLED_ARE_DOWN, Signs
from restock.reports.service import ReportService
from restock.reports.service.standing import Installation
from restock.reports.values.reason import ReasonCode
from tests.restocks.store import RecordingChannel, Store, together

GOOGLE, MOZILLA = "fcm.googleapis.com", "updates.push.services.mozilla.com"
Answer = Callable[[Envelope, str], Outcome]


def accepted(envelope: Envelope, service: str) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.accepted, service=service)


def told(reason: str, blame: Blame = Blame.provider, verdict: Verdict = Verdict.deferred) -> Answer:
    return lambda envelope, service: Outcome(envelope.delivery_id, verdict, reason, blame, service=service)


@dataclass
class TwoServices(RecordingChannel):
    """A channel before two push services, each with an answer of its own."""

    name: ChannelName = ChannelName.push
    answers: dict[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer = lambda envelope: self.answers.get(self.service_of(envelope), accepted)(
            envelope, self.service_of(envelope)
        )

    def service_of(self, envelope: Envelope) -> str:
        return envelope.recipient.address.split("/")[2]

    def count(self, service: str) -> int:
        return sum(self.service_of(envelope) == service for envelope in self.sent)


@pytest.fixture
def channel() -> TwoServices:
    return TwoServices()


@pytest.fixture
def store(clean_database: str, channel: TwoServices) -> Iterator[Store]:
    store = Store(clean_database, [channel])
    store.deliveries = replace(store.deliveries, providers={ChannelName.push: "push services"})
    yield store
    store.close()


def people(store: Store, count: int) -> None:
    """Half of them have their browsers at Google, half at Mozilla, in turn."""
    store.join(count, channel="push")
    store.sql(
        "UPDATE contacts SET address = 'https://' || CASE WHEN id % 2 = 0 THEN :google ELSE :mozilla END || '/' || id",
        google=GOOGLE,
        mozilla=MOZILLA,
    )


def of(store: Store, service: str) -> dict[str, int]:
    rows = store.sql(
        "SELECT d.state, count(*) FROM deliveries d JOIN contacts c ON c.id = d.contact_id"
        " WHERE split_part(c.address, '/', 3) = :service GROUP BY 1",
        service=service,
    )
    return {str(state): int(str(count)) for state, count in rows}


def minutes_pass(store: Store, minutes: int, seconds: float = 60) -> None:
    for _ in range(minutes):
        for table, column in (
            ("deliveries", "next_at"),
            ("delivery_lanes", "next_at"),
            ("provider_states", "next_probe_at"),
        ):
            store.pass_time(table, column, seconds)
        store.send()


@pytest.mark.parametrize(
    ("reason", "blame"),
    [("vapid_rejected", Blame.provider), ("push_service_unavailable", Blame.message)],
)
def test_a_service_that_is_down_holds_up_nobody_elses_messages(
    store: Store, channel: TwoServices, reason: str, blame: Blame
) -> None:
    people(store, 600)
    store.restock(None)
    channel.answers[GOOGLE] = told(reason, blame)
    store.send()
    assert of(store, MOZILLA) == {"sent": 300}
    assert of(store, GOOGLE) == {"queued": 300}
    assert channel.count(GOOGLE) <= 200, "what one claim holds, and then no more"
    channel.sent.clear()
    minutes_pass(store, 20)
    assert 3 <= channel.count(GOOGLE) <= 21, "one message at a time asks whether it is back"
    assert of(store, GOOGLE) == {"queued": 300}
    assert store.sql("SELECT DISTINCT attempt FROM deliveries WHERE state = 'queued'") == [(0,)]
    channel.answers.clear()
    minutes_pass(store, 6)
    assert store.states("deliveries") == {"sent": 600}
    assert store.sql("SELECT DISTINCT state FROM provider_states") == [("closed",)]
    assert store.states("subscriptions") == {"notified": 600}, "nobody's address was given up"
    assert store.one("SELECT count(*) FROM suppressions") == 0


def test_those_held_back_are_told_in_their_order(store: Store, channel: TwoServices) -> None:
    people(store, 500)
    store.restock(None)
    channel.answers[GOOGLE] = told("vapid_rejected")
    store.send()
    minutes_pass(store, 5)
    channel.answers.clear()
    channel.sent.clear()
    minutes_pass(store, 6)
    held = [one.delivery_id for one in channel.sent]
    assert len(held) == 250
    assert held[1:] == sorted(held[1:]), "but for the one that asked"


def test_one_worker_of_many_asks(store: Store, channel: TwoServices) -> None:
    people(store, 400)
    store.restock(None)
    channel.answers[GOOGLE] = told("vapid_rejected")
    store.send()
    channel.sent.clear()
    for table, column in (
        ("deliveries", "next_at"),
        ("delivery_lanes", "next_at"),
        ("provider_states", "next_probe_at"),
    ):
        store.pass_time(table, column, 600)
    assert together(*[store.send] * 4) == []
    assert channel.count(GOOGLE) == 1


def test_the_merchant_is_told_which_service_it_is_and_what_waits(store: Store, channel: TwoServices) -> None:
    people(store, 60)
    store.restock(None)
    channel.answers[GOOGLE] = told("vapid_rejected")
    store.send()
    [outage] = store.deliveries.outages()
    assert (outage.service, outage.reason, outage.waiting_count) == (GOOGLE, "vapid_rejected", 30)
    assert say_outage(outage).startswith(f"through {GOOGLE} cannot be sent since")
    assert [one.waiting_count for one in store.deliveries.outages(store.shop.id)] == [30]
    assert [one.waiting_count for one in store.deliveries.outages(store.shop.id + 1)] == [0]
    assert store.deliveries.breaker.shut() == {}, "the channel as a whole is not down"


def test_one_endpoints_own_trouble_stops_nobody(store: Store, channel: TwoServices) -> None:
    people(store, 40)
    store.restock(None)
    first = int(str(store.one("SELECT min(id) FROM deliveries")))
    strange = told("vapid_rejected")
    for service in (GOOGLE, MOZILLA):
        channel.answers[service] = lambda e, s: strange(e, s) if e.delivery_id == first else accepted(e, s)
    store.send()
    assert store.states("deliveries") == {"queued": 1, "sent": 39}
    assert store.one("SELECT count(*) FROM provider_states") == 0


def test_what_is_held_back_comes_again_when_its_service_may_be_asked_and_costs_no_attempt() -> None:
    held = Outcome(7, Verdict.deferred, HELD_BACK, retry_after_seconds=42.0, service=GOOGLE)
    assert next_step(held, 5, 3600.0) == RetryAt(42.0, HELD_BACK, counts=False)
    signs = Signs()
    signs.add(held)
    assert signs == Signs(), "it says nothing of anybody"


def test_what_is_said_of_a_service_is_said_of_it_alone() -> None:
    signs = Signs()
    for number in range(TROUBLED_ARE_DOWN):
        signs.add(Outcome(number, Verdict.deferred, "push_service_unreachable", service=GOOGLE))
    signs.add(Outcome(99, Verdict.accepted, service=MOZILLA))
    assert signs.failure(is_probe=False) is None
    assert signs.services[GOOGLE].failure(is_probe=False) == "push_service_unreachable"
    assert signs.services[MOZILLA].failure(is_probe=False) is None


def test_whoever_is_held_back_is_explained_by_the_service_and_the_others_are_not(
    store: Store, channel: TwoServices
) -> None:
    people(store, 60)
    store.restock(None)
    channel.answers[GOOGLE] = told("vapid_rejected")
    store.send()
    held = int(
        str(store.one("SELECT subscription_id FROM deliveries WHERE reason = :why ORDER BY id LIMIT 1", why=HELD_BACK))
    )
    reports = ReportService(store.database, Installation(providers={ChannelName.push: "push services"}))
    place = reports.explain(store.shop, held)
    assert place is not None
    assert place.why.code is ReasonCode.provider_down
    assert place.why.next_look is not None
    assert place.why.next_look.at is not None
