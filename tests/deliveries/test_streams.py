"""Claiming, sending and recording at the same time: the guarantees are those of one after the other.

What each of them is under every interleaving is walked by `test_state_machine.py`; here is what overlapping adds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, ClassVar

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from restock.batches.pipeline import Flight, Pipeline
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, SenderChoice, Verdict
from restock.deliveries.limits.values import Admission
from restock.deliveries.service.claiming import Claiming, Taken
from restock.deliveries.service.recording import Recording
from restock.deliveries.service.sending import Sending, never
from restock.deliveries.service.streams.desk import Desk, Here, open_beside
from restock.deliveries.service.streams.holds import Hold
from restock.deliveries.service.streams.ledger import GROUP_SIZE, Group, Ledger
from restock.deliveries.values import Batch, Lane
from restock.shops.values import Shop
from restock.statements import Connection
from tests.deliveries.watched import LateDesk
from tests.restocks.store import RecordingChannel, Store

EMAIL = ChannelName.email
SIZE = 100
PASSING = ("in passing", "as it is")
SENT = "SELECT count(*) FROM deliveries WHERE state = 'sent'"
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%restock.notified%'
"""


@dataclass
class StreamingRecorder(RecordingChannel):
    """Remembers what it was handed, and draws as many as it has room for before it answers for the first of them."""

    in_hand: int = 8
    batch_seconds: float = 13.0
    streams: list[list[Envelope]] = field(default_factory=list)

    def stream(self, envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        assert count
        drawn: list[Envelope] = []
        self.streams.append(drawn)
        waiting: deque[Envelope] = deque()
        for envelope in envelopes:
            with self.lock:
                self.sent.append(envelope)
            drawn.append(envelope)
            waiting.append(envelope)
            if len(waiting) == self.in_hand:
                yield self.answer(waiting.popleft())
        yield from map(self.answer, waiting)


@dataclass(frozen=True)
class SeenClaiming(Claiming):
    """The real claim; `seen` gets a look at each, `before` is called before it."""

    seen: list[Batch] = field(default_factory=list)
    before: Callable[[int], object] = lambda _: None

    def claim(self, channel: ChannelName, limit: int, lease_seconds: float, *, own: bool = False) -> Batch | None:
        self.before(len(self.seen))
        batch = super().claim(channel, limit, lease_seconds, own=own)
        if batch is not None:
            self.seen.append(batch)
        return batch


@dataclass(frozen=True)
class Judged(Claiming):
    """The real claim, which notes when one is over."""

    seen: list[str] = field(default_factory=list)

    def give_back(self, batch: Batch, ids: Container[int], slower_seconds: float = 0.0) -> None:
        self.seen.append("judged")
        super().give_back(batch, ids, slower_seconds)


@dataclass(frozen=True)
class SlowRecording(Recording):
    """The real record, which takes its time and remembers what it has done."""

    done: list[int] = field(default_factory=list)

    def launch(self, group: Sequence[tuple[Batch, Sequence[Outcome]]]) -> Flight | None:
        return None

    def record(self, batch: Batch, told: Sequence[Outcome], now_seconds: float) -> None:
        time.sleep(0.02)
        super().record(batch, told, now_seconds)
        self.done.extend(outcome.delivery_id for outcome in told)


def of(part: Any, kind: type[Any], **more: object) -> Any:
    return kind(**{one.name: getattr(part, one.name) for one in fields(part)}, **more)


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database, [StreamingRecorder()])
    yield store
    store.close()


@pytest.fixture(params=["a thread", "here", "late", "in passing", "as it is"])
def sending(store: Store, request: pytest.FixtureRequest) -> Sending:
    """The drain with small claims, its desk beside it, in its midst, or as late as can be; or no record waited for.

    As it is: no claim either.
    """
    desks: dict[str, Callable[[], Any]] = {
        "a thread": open_beside,
        "here": lambda: nullcontext(Here()),
        "late": lambda: nullcontext(LateDesk()),
        "in passing": lambda: nullcontext(Here()),
        "as it is": lambda: nullcontext(Here()),
    }
    part = store.deliveries._sending
    return replace(
        part,
        open_desk=desks[request.param],
        open_claims=part.open_claims if request.param == "as it is" else nullcontext,
        claim_sizes={EMAIL: SIZE},
        claiming=of(part.claiming, SeenClaiming),
        recording=part.recording if request.param in PASSING else replace(part.recording, pipeline=None),
    )


def drain(sending: Sending, stopping: Callable[[], bool] = never, seconds: float = 20) -> Any:
    return sending.drain(EMAIL, seconds, never, stopping)


def claims(sending: Sending) -> list[Batch]:
    assert isinstance(sending.claiming, SeenClaiming)
    return sending.claiming.seen


def settle(store: Store) -> None:
    """Let what lost workers held come back, and send what is left."""
    store.pass_time("deliveries", "lease_until", 4000)
    store.deliveries.expire_leases()
    store.pass_time("deliveries", "next_at", 4000)
    while store.deliveries.resolve_unknown():
        pass
    store.pass_time("deliveries", "next_at", 4000)
    store.pass_time("delivery_lanes", "next_at", 4000)
    store.deliveries.drain(EMAIL)


def test_a_fan_out_goes_in_one_stream_and_everybody_is_told_once(store: Store, sending: Sending) -> None:
    store.join(700)
    store.restock(None)
    drained = drain(sending)
    assert (drained.sent_count, drained.left) == (700, False)
    told = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(told) == len(set(told)) == 700
    assert store.states("deliveries") == {"sent": 700}
    assert isinstance(store.channel, StreamingRecorder)
    assert len(store.channel.streams) <= 2
    assert len(claims(sending)) >= 3


def test_the_next_claim_is_taken_before_the_channel_has_nothing_left(store: Store, sending: Sending) -> None:
    store.join(300)
    store.restock(None)
    under_way: list[int] = []

    def look(number: int) -> None:
        if number == 1:
            under_way.append(len(store.channel.sent))

    drain(replace(sending, claiming=of(store.deliveries._sending.claiming, SeenClaiming, before=look)))
    assert SIZE // 2 - 1 <= under_way[0] <= SIZE


def test_messages_leave_while_the_next_claim_is_taken(store: Store) -> None:
    """The database may take its time for it: the channel has the rest of the first claim to send."""
    store.join(300)
    store.restock(None)
    at: list[int] = []

    def look(number: int) -> None:
        if number == 1:
            at.append(len(store.channel.sent))
            until = time.monotonic() + 10
            while len(store.channel.sent) < SIZE - 1 and time.monotonic() < until:
                time.sleep(0.001)
            at.append(len(store.channel.sent))

    part = replace(store.deliveries._sending, claim_sizes={EMAIL: SIZE})
    drained = drain(replace(part, claiming=of(part.claiming, SeenClaiming, before=look)))
    began, ended = at
    assert began < SIZE - 20
    assert ended >= SIZE - 1
    assert drained.sent_count == len({one.delivery_id for one in store.channel.sent}) == len(store.channel.sent) == 300
    assert store.states("deliveries") == {"sent": 300}


def test_no_more_than_a_group_is_taken_and_not_recorded_whichever_claim_it_is_of(
    store: Store, sending: Sending
) -> None:
    """That much may be sent again after a crash: both claims together, while writing is slower than sending."""
    store.join(500)
    store.restock(None)
    recording = of(sending.recording, SlowRecording)
    answered, most = 0, 0

    def answer(envelope: Envelope) -> Outcome:
        nonlocal answered, most
        answered += 1
        most = max(most, answered - len(recording.done))
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = answer
    drain(replace(sending, recording=recording))
    assert GROUP_SIZE // 2 <= most <= GROUP_SIZE
    assert store.states("deliveries") == {"sent": 500}


def test_a_worker_killed_between_two_claims_costs_nobody_the_message(store: Store, sending: Sending) -> None:
    """Of what was taken at most a group was not recorded, and only that is repeated, under the same name."""
    store.join(300)
    store.restock(None)
    taken: list[Envelope] = []

    class Killed(BaseException):
        pass

    def answer(envelope: Envelope) -> Outcome:
        if len(claims(sending)) == 2 and store.states("deliveries")["sending"] > SIZE:
            raise Killed
        taken.append(envelope)
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = answer
    with pytest.raises(Killed):
        drain(sending)
    assert len(claims(sending)) == 2
    store.channel.answer = lambda envelope: Outcome(envelope.delivery_id, Verdict.accepted)
    settle(store)
    assert store.states("deliveries") == {"sent": 300}
    names: dict[int, set[str]] = {}
    for envelope in store.channel.sent:
        names.setdefault(envelope.delivery_id, set()).add(envelope.identity)
    assert len(names) == 300
    assert all(len(known) == 1 for known in names.values())


@pytest.mark.parametrize("sending", ["here"], indirect=True)
def test_a_second_claim_whose_lease_runs_out_while_the_first_is_sent_is_left_to_others(
    store: Store, sending: Sending
) -> None:
    """The first is prolonged as it is told; of the second nothing was told, and nothing may be begun any more."""
    store.join(150)
    store.restock(None)
    now = 0.0

    def slowly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 15.0 if len(claims(sending)) == 2 and now < 40 else 0.0001
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = slowly
    assert isinstance(store.channel, StreamingRecorder)
    store.channel.batch_seconds = 1000.0
    drained = drain(replace(sending, timer=lambda: now, lease_seconds=30.0))
    assert drained.sent_count == len(store.channel.sent) == SIZE
    assert len(claims(sending)) == 2
    assert store.states("deliveries") == {"sent": SIZE, "sending": 50}
    settle(store)
    told = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(told) == len(set(told)) == 150
    assert store.states("deliveries") == {"sent": 150}


def test_asked_to_end_a_worker_hears_what_is_under_way_and_gives_the_rest_back(store: Store, sending: Sending) -> None:
    """At its place, with no attempt counted, at once: of the claim in hand as of the one taken ahead."""
    store.join(400)
    store.restock(None)
    drained = drain(sending, stopping=lambda: len(claims(sending)) == 2)
    taken = len(store.channel.sent)
    assert drained == replace(drained, sent_count=taken, left=True)
    assert taken < 2 * SIZE
    assert store.states("deliveries") == {"sent": taken, "queued": 400 - taken}
    assert store.one("SELECT max(attempt) FROM deliveries WHERE state = 'queued'") == 0
    assert store.deliveries.due() == {EMAIL: 400 - taken}
    store.send()
    told = [envelope.delivery_id for envelope in store.channel.sent]
    assert told == sorted(told), "nobody was overtaken"
    assert len(set(told)) == len(told) == 400


def test_a_channel_that_is_left_early_has_ended_before_its_claim_is_judged(store: Store, sending: Sending) -> None:
    """Its lease is over: others may have the rest by then, and nothing more may be handed over."""
    store.join(60)
    store.restock(None)
    now, seen = 0.0, []
    assert isinstance(store.channel, StreamingRecorder)
    stream = store.channel.stream

    def ending(envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        try:
            yield from stream(envelopes, count)
        finally:
            seen.append("ended")

    def slowly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 50.0 if len(store.channel.sent) == 40 else 0.0
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.stream, store.channel.answer = ending, slowly  # type: ignore[method-assign]  # a fake's own
    claiming = of(store.deliveries._sending.claiming, Judged, seen=seen)
    drain(replace(sending, claiming=claiming, timer=lambda: now))
    assert seen[:2] == ["ended", "judged"]


def test_what_takes_too_long_is_given_back_and_claimed_anew(store: Store, sending: Sending) -> None:
    """Nothing is begun so late that it could outlast its lease."""
    store.join(150)
    store.restock(None)
    now = 0.0

    def slowly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 0.5
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = slowly
    drained = drain(replace(sending, timer=lambda: now, lease_seconds=30.0), seconds=10_000)
    assert drained.sent_count == 150
    told = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(set(told)) == len(told) == 150
    assert store.states("deliveries") == {"sent": 150}
    assert store.one("SELECT max(attempt) FROM deliveries") == 1


class SmallPurse:
    """A gate that lets so many leave, and no more."""

    def __init__(self, count: int) -> None:
        self.left, self.returned = count, 0

    def is_allowed(self, shop: Shop, address: str) -> bool:
        return True

    def room(self, channel: ChannelName) -> int | None:
        return self.left

    def admit(self, session: Session, shop: Shop, envelopes: Sequence[Envelope], now: datetime) -> Admission:
        self.left -= len(envelopes)
        return Admission(frozenset(envelope.delivery_id for envelope in envelopes))

    def pause(self, channel: ChannelName, seconds: float) -> None: ...

    def give_back(self, shop: Shop, envelopes: Sequence[Envelope], claimed_at: datetime) -> None:
        self.returned += len(envelopes)

    def count_filtered(self, shop: Shop, now: datetime) -> None: ...


def test_a_limit_that_is_reached_meanwhile_holds(store: Store, sending: Sending) -> None:
    store.join(400)
    store.restock(None)
    gate = SmallPurse(SIZE + 30)
    drained = drain(replace(sending, claiming=replace(sending.claiming, gates={EMAIL: gate})))
    assert drained.sent_count == len(store.channel.sent) == SIZE + 30
    assert (gate.left, gate.returned) == (0, 0)
    assert store.states("deliveries") == {"sent": SIZE + 30, "queued": 270}


def test_what_was_claimed_ahead_and_given_back_is_not_paid_for(store: Store, sending: Sending) -> None:
    store.join(400)
    store.restock(None)
    gate = SmallPurse(1000)
    part = replace(sending, claiming=replace(sending.claiming, gates={EMAIL: gate}))
    drain(part, stopping=lambda: len(claims(sending)) == 2)
    assert 1000 - gate.left - gate.returned == len(store.channel.sent)


def test_a_provider_that_fails_in_the_middle_is_claimed_for_once_more_at_most(store: Store, sending: Sending) -> None:
    """The breaker decides; what was claimed ahead waits at its place like everybody else."""
    store.join(600)
    store.restock(None)

    def answer(envelope: Envelope) -> Outcome:
        if len(store.channel.sent) > SIZE + 20:
            return Outcome(envelope.delivery_id, Verdict.deferred, "mail_server_unreachable", Blame.provider)
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = answer
    drained = drain(sending)
    assert drained.provider_down
    assert len(claims(sending)) <= 4
    assert set(store.states("deliveries")) == {"sent", "queued"}
    assert store.states("deliveries")["sent"] == drained.sent_count
    assert [outage.reason for outage in store.deliveries.outages()] == ["mail_server_unreachable"]


@pytest.mark.parametrize("verdict", [Verdict.deferred, Verdict.unanswered])
def test_nothing_is_claimed_ahead_of_a_provider_that_has_taken_nothing_yet(
    store: Store, sending: Sending, verdict: Verdict
) -> None:
    store.join(600)
    store.restock(None)
    store.channel.answer = lambda one: Outcome(one.delivery_id, verdict, "mail_server_silent", Blame.provider)
    drain(sending, stopping=lambda: len(store.channel.sent) == SIZE)
    assert len(claims(sending)) == 1
    left = store.one("SELECT count(*) FROM deliveries WHERE attempt = 0 AND state = 'queued'")
    assert int(str(left)) >= 600 - SIZE


def test_a_claim_ahead_that_fails_ends_nothing_under_way(store: Store, sending: Sending) -> None:
    """The database was away for it alone: what was taken is recorded, and the fault is told then."""
    store.join(300)
    store.restock(None)

    def fail(number: int) -> None:
        if number == 1:
            raise OperationalError("SELECT", {}, RuntimeError("away"))

    part = replace(sending, claiming=of(store.deliveries._sending.claiming, SeenClaiming, before=fail))
    with pytest.raises(OperationalError):
        drain(part)
    assert store.states("deliveries") == {"sent": SIZE, "queued": 200}


def test_a_claim_that_cannot_be_judged_leaves_nothing_of_the_next_in_doubt(store: Store, sending: Sending) -> None:
    """The database was away for that alone: what the next claim has under way is heard, and the fault told then."""
    store.join(300)
    store.restock(None)

    class Unjudged(SeenClaiming):
        calls: ClassVar[list[int]] = []

        def give_back(self, *given: Any) -> None:
            self.calls.append(1)
            if len(self.calls) == 1:
                raise OperationalError("SELECT", {}, RuntimeError("away"))
            super().give_back(*given)

    with pytest.raises(OperationalError):
        drain(replace(sending, claiming=of(store.deliveries._sending.claiming, Unjudged)))
    assert set(store.states("deliveries")) <= {"sent", "queued"}
    assert store.one(SENT) == len(store.channel.sent) > SIZE


def test_a_record_that_fails_is_told_and_holds_nothing_else_up(store: Store) -> None:
    store.join(300)
    store.restock(None)

    class Failing(Recording):
        calls: ClassVar[list[int]] = []

        def launch(self, group: Sequence[tuple[Batch, Sequence[Outcome]]]) -> Flight | None:
            return None

        def record(self, *given: Any) -> None:
            self.calls.append(1)
            if len(self.calls) == 1:
                raise RuntimeError("broken")
            super().record(*given)

    part = store.deliveries._sending
    with pytest.raises(RuntimeError, match="broken"):
        drain(replace(part, claim_sizes={EMAIL: SIZE}, recording=of(part.recording, Failing)))
    lost = len(store.channel.sent) - int(str(store.one(SENT)))
    assert 0 < lost <= GROUP_SIZE + 8


def test_where_the_last_group_cannot_be_written_what_is_on_its_way_is_landed_all_the_same() -> None:
    """A flight that fails is written anew by whoever waits for it, and by nobody else."""
    landed: list[str] = []

    class OnTheWay:
        def done(self) -> bool:
            return bool(landed)

        def exception(self) -> None:
            landed.append("landed")

        result = exception

    def write(group: Group) -> OnTheWay:
        if len(groups) == 1:
            raise RuntimeError("broken")
        groups.append(group)
        return OnTheWay()

    groups: list[Group] = []
    ledger, hold = Ledger(write, lambda: 0.0), object.__new__(Hold)
    ledger.add(hold, Outcome(1, Verdict.accepted))
    ledger.hand_over()
    ledger.add(hold, Outcome(2, Verdict.accepted))
    with pytest.raises(RuntimeError, match="broken"):
        ledger.close()
    assert landed


def test_what_is_written_in_passing_is_no_more_than_a_group_either(store: Store) -> None:
    """As the database sees it: what a provider has taken and no committed row says."""
    store.join(500)
    store.restock(None)
    answered, most = 0, 0
    with store.database.engine.connect() as watching:

        def answer(envelope: Envelope) -> Outcome:
            nonlocal answered, most
            answered += 1
            most = max(most, answered - int(str(watching.execute(text(SENT)).scalar_one())))
            watching.commit()
            return Outcome(envelope.delivery_id, Verdict.accepted)

        store.channel.answer = answer
        drain(replace(store.deliveries._sending, claim_sizes={EMAIL: SIZE}, timer=lambda: 0.0))
    assert GROUP_SIZE // 2 <= most <= GROUP_SIZE
    assert store.states("deliveries") == {"sent": 500}
    assert store.states("subscriptions") == {"notified": 500}
    assert store.one("SELECT count(*) FROM offers WHERE accepted_at IS NULL OR ends_at IS NULL") == 0


@pytest.mark.parametrize(
    "fault",
    [
        "somebody holds a row",
        "the connection is lost",
        "no connection is to be had",
        "a pooler knows nothing of what is prepared",
    ],
)
def test_what_cannot_be_written_in_passing_is_waited_for(store: Store, fault: str) -> None:
    store.join(300)
    store.restock(None)
    part = store.deliveries._sending
    pipeline = part.recording.pipeline
    assert pipeline is not None
    others = store.database.engine.connect()

    def answer(envelope: Envelope) -> Outcome:
        if len(store.channel.sent) == 60 and fault == "somebody holds a row":
            others.execute(text("SELECT FROM deliveries WHERE id = :id FOR UPDATE"), {"id": envelope.delivery_id})
            threading.Timer(0.6, others.close).start()
        if len(store.channel.sent) == 130 and fault == "the connection is lost":
            others.execute(text(KILL))
        return Outcome(envelope.delivery_id, Verdict.accepted)

    if fault == "no connection is to be had":

        def refuse() -> Connection:
            raise psycopg.OperationalError("too many")

        part = replace(part, recording=replace(part.recording, pipeline=Pipeline(refuse)))
    if fault == "a pooler knows nothing of what is prepared":

        def used() -> Connection:
            connection = store.database.connect_for_batches()
            connection.execute("PREPARE accept_offers AS SELECT 1")  # for another client of the pooler
            return connection

        part = replace(part, recording=replace(part.recording, pipeline=Pipeline(used)))
    store.channel.answer = answer
    assert drain(replace(part, claim_sizes={EMAIL: SIZE})).sent_count == 300
    others.close()
    assert store.states("deliveries") == {"sent": 300}
    assert len(store.channel.sent) == 300


def test_a_shop_with_a_provider_of_its_own_is_sent_for_by_itself(store: Store, sending: Sending) -> None:
    """What was claimed ahead for it waits for the end of the stream, and goes as it would alone."""

    class OwnSender:
        def choice(self, session: Session, shop_id: int) -> SenderChoice | None:
            own = SenderChoice("postmark", "own:1", "ada@example.com", doubt=Doubt.resend_once)
            return own if shop_id != store.shop.id else None

    store.join(60)
    store.restock(None)
    other = store.shops.add("other")
    store.join(60, shop=other)
    store.restock(None, shop=other)
    drained = drain(replace(sending, claiming=replace(sending.claiming, senders=OwnSender())))
    assert isinstance(store.channel, StreamingRecorder)
    streamed = [envelope for stream in store.channel.streams for envelope in stream]
    assert drained.sent_count == 120
    assert all(envelope.sender is None for envelope in streamed)
    assert len(streamed) == 60
    assert len({envelope.delivery_id for envelope in store.channel.sent}) == len(store.channel.sent) == 120


class OtherSender:
    """One shop's own provider, which cannot be asked and takes a repeat for another message; nobody else has one."""

    def __init__(self, store: Store, doubt: Doubt) -> None:
        self.instances, self.doubt = store.shop.id, doubt

    def choice(self, session: Session, shop_id: int) -> SenderChoice | None:
        own = SenderChoice("resend", "own:1", "ada@example.com", doubt=self.doubt)
        return None if shop_id == self.instances else own


def two_shops(store: Store, count: int) -> None:
    store.join(count)
    store.restock(None)
    other = store.shops.add("other")
    store.join(count, shop=other)
    store.restock(None, shop=other)


def test_what_was_claimed_ahead_is_given_back_when_the_stream_breaks(store: Store, sending: Sending) -> None:
    """Nobody has begun it: it is in no doubt, which of some providers would be its end."""
    two_shops(store, 60)

    def break_down(envelope: Envelope) -> Outcome:
        if len(claims(sending)) == 2:
            raise RuntimeError("broken")
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = break_down
    claiming = replace(sending.claiming, senders=OtherSender(store, Doubt.at_most_once))
    with pytest.raises(RuntimeError, match="broken"):
        drain(replace(sending, claiming=claiming))
    ahead = claims(sending)[1]
    assert ahead.shop.id != store.shop.id
    states = {row[0]: row[1] for row in store.sql("SELECT id, state FROM deliveries")}
    assert {states[number] for number in ahead.rows} == {"queued"}


def test_of_a_stream_that_breaks_what_was_not_begun_is_queued_again_at_once(store: Store, sending: Sending) -> None:
    """In doubt is only what the channel had in hand."""
    store.join(SIZE)
    store.restock(None)

    def break_down(envelope: Envelope) -> Outcome:
        if len(store.channel.sent) == 40:
            raise RuntimeError("broken")
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = break_down
    with pytest.raises(RuntimeError, match="broken"):
        drain(sending)
    assert isinstance(store.channel, StreamingRecorder)
    in_hand = store.channel.in_hand
    assert store.states("deliveries") == {"sent": 40 - in_hand, "sending": in_hand, "queued": SIZE - 40}
    assert store.one("SELECT max(attempt) FROM deliveries WHERE state = 'queued'") == 0


def test_a_shop_that_is_erased_while_its_lane_is_picked_leaves_the_next_one_its_turn(
    store: Store, sending: Sending
) -> None:
    two_shops(store, 10)
    erased: list[int] = []

    @dataclass(frozen=True)
    class Meeting(SeenClaiming):
        def _take(self, lane: Lane, limit: int, lease_seconds: float) -> Taken | None:
            if not erased:
                erased.append(lane.shop_id)
                store.sql(f"DELETE FROM deliveries WHERE shop_id = {lane.shop_id}")
                store.sql(f"DELETE FROM shops WHERE id = {lane.shop_id}")
            return super()._take(lane, limit, lease_seconds)

    drained = drain(replace(sending, claiming=of(sending.claiming, Meeting)))
    assert (drained.sent_count, drained.left) == (10, False)
    assert {batch.shop.id for batch in claims(sending)} != set(erased)
    assert len(store.channel.sent) == 10


def test_what_was_claimed_ahead_and_has_waited_long_is_claimed_anew(store: Store, sending: Sending) -> None:
    """A silent provider holds the first claim up: the second would be sent on old facts, and outlast its lease."""
    two_shops(store, 60)
    now = 0.0

    def silently(envelope: Envelope) -> Outcome:
        nonlocal now
        if len(claims(sending)) == 2 and now < 20:
            now += 25.0
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = silently
    claiming = replace(sending.claiming, senders=OtherSender(store, Doubt.resend_once))
    drained = drain(replace(sending, claiming=claiming, timer=lambda: now, lease_seconds=60.0), seconds=1000)
    assert (drained.sent_count, drained.left) == (120, False)
    first, ahead, *later = claims(sending)
    assert first.shop.id == store.shop.id != ahead.shop.id
    assert ahead.rows.keys() in [batch.rows.keys() for batch in later]
    assert store.states("deliveries") == {"sent": 120}
    assert store.one("SELECT max(attempt) FROM deliveries") == 1


def test_the_desk_works_in_order_in_one_thread_beside_the_caller() -> None:
    done: list[int] = []
    threads: set[int] = set()

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        done.append(number)
        return number

    def submit(desk: Desk) -> list[int]:
        return [future.result() for future in [desk.submit(work, number) for number in range(20)]]

    with open_beside() as desk:
        assert submit(desk) == list(range(20))
    assert done == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
