"""Every way of a delivery through the real services, walked at random, against what a provider and the rows must say.

Workers stand still behind every claim, every hand-over and every look-up, and come back late or never; receipts come
early, doubled and in any order; people leave, buy, are erased; goods sell out; time jumps. After every step each arrow
that the database saw is held against the table of engine.md section 4 and against who may go it. At the end everything
comes to rest, and nobody was forgotten or told twice. `DELIVERY_WALKS=long` walks longer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Receipt, ReceiptStatus
from restock.deliveries.service import DeliveryNotices
from restock.deliveries.service.streams.desk import Here
from restock.ids import address_hash
from restock.links import Vault
from restock.privacy.service import PrivacyService
from restock.privacy.values import Identity, NewRequest, RequestKind
from restock.restocks.service.purchases import PurchaseService
from restock.subscriptions.values import ContactFacts, Order, OrderLine, Provenance, Signup
from tests.deliveries.mutants import MUTANTS, ROOT, Mutant
from tests.deliveries.watched import (
    REACTIONS,
    Arrow,
    ArrowLog,
    Hours,
    LateDesk,
    MortalRecording,
    Provider,
    StandingChannel,
    StandingClaiming,
    StandingStream,
    Worker,
    of,
)
from tests.restocks.store import KEY, VARIANT, Store

EMAIL, SMS = ChannelName.email, ChannelName.sms
LEASE_SECONDS = 30.0
MOST_WORKERS, MOST_PEOPLE = 3, 10
DESKS = ("one after the other", "in a stream", "in a stream, recorded late")
TOLD = {"sent", "delivered", "bounced", "complained"}
GOODS_GONE = {"sold_out", "event_closed"}
OVER = {"failed", "skipped", "delivered", "bounced", "complained"}

# engine.md section 4, by who goes the arrow. A receipt may overtake our own record; a late answer ends a doubt.
WORKERS = {
    ("queued", "sending"), ("queued", "skipped"), ("queued", "queued"), ("queued", "unknown"),
    ("sending", "sent"), ("sending", "failed"), ("sending", "queued"), ("sending", "unknown"), ("sending", "sending"),
    ("unknown", "sent"), ("unknown", "failed"), ("unknown", "queued"),
}  # fmt: skip
RESOLVERS = {("unknown", "unknown"), ("unknown", "sent"), ("unknown", "queued")}
RECEIPTS = {
    ("queued", "sent"), ("queued", "delivered"),
    *((was, now) for was in ("sending", "unknown") for now in TOLD),
    ("sent", "delivered"), ("sent", "bounced"), ("sent", "complained"),
    ("delivered", "complained"), ("delivered", "bounced"),  # an e-mail comes back after it was taken for delivered
}  # fmt: skip
ERASURES = {("queued", "skipped"), *((state, state) for state in ("sending", "unknown", "sent", *OVER))}
TAKEN_BACK = {("queued", "skipped")}
PLANS = {(None, "queued"), *TAKEN_BACK}  # what is sold out is not waited for by its messages

WORLD = {
    "somebody comes": "_somebody_comes",
    "somebody leaves": "_leaves",
    "somebody buys": "_buys",
    "somebody says not now": "_declines",
    "somebody is erased": "_is_erased",
    "goods come": "_goods_come",
    "goods are sold out": "_goods_are_sold_out",
    "turns end": "_turns_end",
}

_SNAPSHOT = """
    SELECT d.id, d.state, d.kind, d.token, d.lease_until, d.finished_at, d.doubts, d.contact_id, d.reason, d.attempt,
        d.lease_until < now() AS lease_over, lane.next_at AS lane_next_at,
        lane.next_at <= greatest(d.next_at, now() + interval '10 min') AS lane_in_time,
        d.offer_id, o.state AS offer_state, o.accepted_at, o.ends_at, o.units,
        s.state AS subscription_state, s.open_offer_id, x.reason AS suppression
    FROM deliveries d JOIN delivery_lanes lane ON lane.id = d.lane_id
    LEFT JOIN offers o ON o.id = d.offer_id LEFT JOIN subscriptions s ON s.id = d.subscription_id
    LEFT JOIN contacts c ON c.id = d.contact_id
    LEFT JOIN suppressions x ON x.shop_id = c.shop_id AND x.address_hash = c.address_hash
"""
_ASTRAY = """
    SELECT 'a subscription holds an offer that is not open for it' AS fault, s.id FROM subscriptions s
    LEFT JOIN offers o ON o.id = s.open_offer_id AND o.subscription_id = s.id
    WHERE s.open_offer_id IS NOT NULL AND (o.state IS DISTINCT FROM 'open' OR o.accepted_at IS NOT NULL
        OR s.state <> 'active')
    UNION ALL
    SELECT 'an open offer is held by nobody', o.id FROM offers o JOIN subscriptions s ON s.id = o.subscription_id
    WHERE o.state = 'open' AND o.accepted_at IS NULL AND s.open_offer_id IS DISTINCT FROM o.id
      AND s.state NOT IN ('cancelled', 'purchased')
    UNION ALL
    SELECT 'an open offer has no message under way', o.id FROM offers o
    WHERE o.state = 'open' AND o.accepted_at IS NULL AND NOT EXISTS (
        SELECT FROM deliveries d WHERE d.offer_id = o.id
          AND (d.state IN ('queued', 'sending') OR d.state = 'unknown' AND d.finished_at IS NULL))
    UNION ALL
    SELECT 'a turn that has no end', id FROM offers WHERE state = 'open' AND accepted_at IS NOT NULL AND ends_at IS NULL
    UNION ALL
    SELECT 'somebody has two turns', subscription_id FROM offers WHERE state = 'open'
    GROUP BY subscription_id HAVING count(*) > 1
    UNION ALL
    SELECT 'somebody told still waits', s.id FROM offers o JOIN subscriptions s ON s.id = o.subscription_id
    WHERE o.state = 'open' AND o.accepted_at IS NOT NULL AND s.state IN ('pending', 'active')
"""


class DeliveryMachine(RuleBasedStateMachine):
    """The rules of the walk. `store` and `clean` are given by the test that walks."""

    store: Store
    clean: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.clean()
        self.workers: list[Worker] = []
        self.people: list[tuple[ChannelName, str]] = []
        self.numbers = 0

    @initialize(
        policy=st.sampled_from(["everyone", "fair", "strict"]),
        knows=st.booleans(),
        units=st.sampled_from([2, 5, None]),
        busy=st.lists(st.sampled_from([EMAIL, SMS]), max_size=2),
    )
    def open_shop(self, policy: str, knows: bool, units: int | None, busy: list[ChannelName]) -> None:
        providers = [Provider(EMAIL, Doubt.resend_once, False), Provider(SMS, Doubt.at_most_once, knows)]
        self.providers = {one.name: one for one in providers}
        database = self.store.database
        self.store.shop = self.store.shops.add("demo")
        self.store.deliveries = replace(self.store.deliveries, channels=self.providers, lease_seconds=LEASE_SECONDS)
        for table in ("contacts", "subscriptions", "offers", "deliveries"):  # a wait is spread by the delivery's id
            database.hot().execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1, false)")
        for provider in providers:
            provider.before = self._may_hand_over
        self.store.set(policy=policy, send_hours__sms="any")
        self.purchases = PurchaseService(database, DeliveryNotices(), 0)
        self.privacy = PrivacyService(database, Vault([KEY]), self.store.restocks, 365)
        self.hours, self.log = Hours(database), ArrowLog(database)
        self.worker_now: Worker | None = None
        for _ in range(3):
            self._sign_up(EMAIL)
            self._sign_up(SMS)
        self.store.restock(units)
        self._went(PLANS)
        for channel in busy:
            self.a_worker_starts(channel)

    # -- people and goods ------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(sorted(WORLD)), who=st.integers(0, MOST_PEOPLE - 1))
    def something_happens(self, what: str, who: int) -> None:
        getattr(self, WORLD[what])(*self.people[who % len(self.people)])

    def _somebody_comes(self, channel: ChannelName, _: str) -> None:
        if len(self.people) < MOST_PEOPLE:
            self._sign_up(channel)
            self.store.check()
        self._went(PLANS)

    def _goods_come(self, *_: object) -> None:
        self.store.restock(5)
        self._went(PLANS)

    def _goods_are_sold_out(self, *_: object) -> None:
        self.store.restock(0)
        self._went(PLANS)

    def _turns_end(self, *_: object) -> None:
        self._time_passes(8000)
        self.store.restocks.end_turns()
        self.store.plan()
        self._went(PLANS)

    def _leaves(self, channel: ChannelName, address: str) -> None:
        found = self.store.sql("SELECT id FROM contacts WHERE address = :address", address=address)
        for (contact_id,) in found:
            self.store.subscriptions.unsubscribe(int(str(contact_id)))
        self._went(set())

    def _declines(self, _: ChannelName, address: str) -> None:
        for (delivery_id,) in self.store.sql("SELECT d.id FROM deliveries d JOIN contacts c ON c.id = d.contact_id "
                                             "WHERE c.address = :address", address=address):  # fmt: skip
            self.store.restocks.decline(int(str(delivery_id)))
        self._went(TAKEN_BACK)

    def _buys(self, channel: ChannelName, address: str) -> None:
        self.numbers += 1
        line, hashes = OrderLine(self.numbers, VARIANT, 1, 100), frozenset({address_hash(channel.value, address)})
        order = Order(self.numbers, datetime.now(UTC), "EUR", (line,), None, hashes)
        with self.store.database.transaction() as session:
            self.purchases.record(session, self.store.shop, order)
        self.purchases.close_due()
        self._went(TAKEN_BACK)

    def _is_erased(self, channel: ChannelName, address: str) -> None:
        identity = Identity(email=address) if channel is EMAIL else Identity(phone=address)
        request = NewRequest(self.store.shop.domain, RequestKind.customer_redact, identity)
        self.store.in_transaction(lambda session: self.privacy.receive(session, request))
        assert self.privacy.work_due(0) == 1
        self._went(ERASURES)

    # -- providers -------------------------------------------------------------------------------------------------

    @rule(
        channel=st.sampled_from([EMAIL, SMS]), plan=st.lists(st.sampled_from(list(REACTIONS)), min_size=1, max_size=4)
    )
    def the_provider_will(self, channel: ChannelName, plan: list[str]) -> None:
        self.providers[channel].plan = plan

    @precondition(lambda self: any(one.taken for one in self.providers.values()))
    @rule(which=st.integers(0, 99), status=st.sampled_from(ReceiptStatus), blames=st.booleans(), again=st.booleans())
    def a_receipt_comes(self, which: int, status: ReceiptStatus, blames: bool, again: bool) -> None:
        taken = [one for provider in self.providers.values() for one in provider.taken]
        one = taken[which % len(taken)]
        bad = status in {ReceiptStatus.bounced, ReceiptStatus.complained}
        blame = Blame.address if bad and blames else Blame.message
        receipt = Receipt(one.delivery_id, status, "unreachable" if bad else "", blame, one.message_id)
        news = [self.store.deliveries.record_receipt(receipt) for _ in range(1 + again)]
        arrows = self._went(RECEIPTS)
        assert len(arrows) == sum(news) <= 1, "one receipt is news once, and moves its own delivery alone"
        assert all(arrow.id == one.delivery_id for arrow in arrows)

    # -- workers ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule(channel=st.sampled_from([EMAIL, SMS]), size=st.sampled_from([2, 200]), desk=st.sampled_from(DESKS))
    def a_worker_starts(self, channel: ChannelName, size: int = 200, desk: str = "one after the other") -> None:
        """By claims of `size`; in a stream, the next claim and the records come in between, or as late as can be."""
        worker = Worker(f"worker {self.numbers}")
        sending = self.store.deliveries._sending
        kind = StandingChannel if desk == DESKS[0] else StandingStream
        drain = replace(
            sending,
            channels={channel: kind(self.providers[channel], worker)},
            claiming=of(sending.claiming, StandingClaiming, worker),
            recording=of(sending.recording, MortalRecording, worker),
            timer=self.hours,
            open_desk=lambda: nullcontext(LateDesk() if desk == DESKS[2] else Here()),
            claim_sizes={channel: size},
        ).drain
        self._work(worker, WORKERS, lambda: worker.start(lambda: drain(channel, 20, lambda: False)))

    @precondition(lambda self: not self.workers)
    @rule(channel=st.sampled_from([EMAIL, SMS]), times=st.integers(0, 2), first=st.sampled_from([*REACTIONS]))
    def a_worker_stands_still_too_long(self, channel: ChannelName, times: int, first: str) -> None:
        """Somebody else has its messages by the time it goes on, if it ever does."""
        self.providers[channel].plan = [first]
        self.a_worker_starts(channel)
        if self.workers:
            self.a_worker_goes_on(0, times + 1)
            self.the_sweeper_comes(45, looks_into_doubts=True)
            self.a_worker_starts(channel)

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule()
    def somebody_looks_into_doubts(self) -> None:
        worker = Worker(f"resolver {self.numbers}")
        channels = {name: StandingChannel(one, worker) for name, one in self.providers.items()}
        resolve = replace(self.store.deliveries, channels=channels).resolve_unknown
        self._work(worker, RESOLVERS, lambda: worker.start(resolve))

    @precondition(lambda self: not self.workers)
    @rule(
        channel=st.sampled_from([EMAIL, SMS]),
        was=st.sampled_from(["is lost on the way", "accepts, and its answer is lost"]),
        knew=st.booleans(),
        knows=st.booleans(),
        again=st.booleans(),
    )
    def a_look_into_doubts_takes_too_long(
        self, channel: ChannelName, was: str, knew: bool, knows: bool, again: bool
    ) -> None:
        """Others have ended the doubt meanwhile, and there may be another; the provider is not asked twice alike."""
        provider = self.providers[channel]
        provider.plan = [was]
        self.a_worker_starts(channel)
        while self.workers:
            self.a_worker_goes_on(0, 1)
        self.the_sweeper_comes(12, looks_into_doubts=False)
        provider.knows = knew and channel is SMS
        self.somebody_looks_into_doubts()
        provider.knows = knows and channel is SMS
        self.the_sweeper_comes(45, looks_into_doubts=True)
        if again:
            self.a_worker_starts(channel)
            self.the_sweeper_comes(45, looks_into_doubts=False)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, MOST_WORKERS - 1), times=st.integers(1, 3))
    def a_worker_goes_on(self, which: int, times: int) -> None:
        worker = self.workers[which % len(self.workers)]
        for _ in range(times):
            if worker.at is not None:
                self._work(worker, RESOLVERS if worker.name.startswith("resolver") else WORKERS, worker.step)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, MOST_WORKERS - 1))
    def a_worker_is_lost(self, which: int) -> None:
        self.workers.pop(which % len(self.workers)).kill()
        self._went(set())

    @rule(seconds=st.sampled_from([0, 12, 45, 45, 45, 3000]), looks_into_doubts=st.sampled_from([True, True, False]))
    def the_sweeper_comes(self, seconds: int, looks_into_doubts: bool) -> None:
        self._time_passes(seconds)
        self.store.deliveries.expire_leases()
        for arrow in self._went({("sending", "unknown")}):
            assert arrow.lease_was_over, "a worker was robbed within its lease"
        assert not any(row.lease_over for row in self._rows() if row.state == "sending")
        if looks_into_doubts:
            self.store.deliveries.resolve_unknown()
            self._went(RESOLVERS)

    # -- what must always be so ------------------------------------------------------------------------------------

    @invariant()
    def what_must_always_be_so(self) -> None:
        rows = self._rows()
        self._rows_are_whole(rows)
        self._nobody_is_told_twice({row.id: row for row in rows})
        assert self.log.look(_ASTRAY) == []

    def _rows_are_whole(self, rows: Sequence[Any]) -> None:
        for row in rows:
            assert (row.lease_until is not None) == (row.state == "sending"), row
            assert row.token is None or row.state in {"sending", "unknown"}, row
            assert row.token is not None or row.state != "sending", row
            assert (row.finished_at is not None) or row.state not in OVER, row
            assert not (row.doubts and row.reason in GOODS_GONE and row.state == "skipped"), ("told anew", row)
            assert row.state != "queued" or (row.lane_next_at is not None and row.lane_in_time), ("forgotten", row)

    def _nobody_is_told_twice(self, rows: Mapping[int, Any]) -> None:
        for provider in self.providers.values():
            assert len({(one.delivery_id, one.identity) for one in provider.taken}) == len(
                {one.delivery_id for one in provider.taken}
            ), "a repeat has another identity"
            for delivery_id, times in Counter(one.delivery_id for one in provider.taken).items():
                most = 1 if provider.doubt is Doubt.at_most_once else 1 + rows[delivery_id].doubts
                assert times <= most, f"told {times} times: {rows[delivery_id]}"

    def teardown(self) -> None:
        """After calm everything settles; not looked at when the walk itself has failed."""
        for worker in self.workers:
            worker.kill()
        if not hasattr(self, "worker_now"):
            return
        for provider in self.providers.values():
            provider.plan, provider.before = [], lambda _: None
        for _ in range(12):
            self._calm_down()
            if not self._unsettled():
                break
        assert self._unsettled() == []
        self.what_must_always_be_so()
        taken = {one.delivery_id for provider in self.providers.values() for one in provider.taken}
        for row in self._rows():
            assert row.id in taken or row.state not in TOLD, f"never taken: {row}"
            assert row.id not in taken or row.doubts or row.state not in {"failed", "skipped"}, f"taken: {row}"

    # -- how it is done --------------------------------------------------------------------------------------------

    def _time_passes(self, seconds: int) -> None:
        self.hours.go_on(seconds)
        self.log.take()

    def _sign_up(self, channel: ChannelName) -> None:
        number = len(self.people)
        address = f"ada{number}@example.com" if channel is EMAIL else f"+49151000000{number:02d}"
        contact = ContactFacts(channel, address, address_hash(channel.value, address))
        wish = Signup(VARIANT, VARIANT, 0, 1 + number % 2, "api", contact)
        self.store.subscriptions.register(self.store.shop, wish, Provenance())
        self.people.append((channel, address))

    def _rows(self) -> Sequence[Any]:
        return self.log.look(_SNAPSHOT)

    def _went(self, allowed: set[tuple[str, str]] | set[tuple[None, str]] | set[Any]) -> list[Arrow]:
        arrows = self.log.take()
        for arrow in arrows:
            assert (arrow.was, arrow.now) in allowed, arrow
            assert arrow.was not in OVER - {"delivered"} or arrow.was == arrow.now, f"what is over stays over: {arrow}"
        return arrows

    def _work(self, worker: Worker, allowed: set[tuple[str, str]], go: Callable[[], None]) -> None:
        """Let a worker go on, and hold what it did against what it may do."""
        if worker not in self.workers:
            self.workers.append(worker)
            self.numbers += 1
        mine, self.worker_now = set(worker.tokens), worker
        try:
            go()
        finally:
            if worker.at is None:
                self.workers.remove(worker)
        claimed = []
        for arrow in self._went(allowed):
            if arrow.was == "queued" and arrow.now == "sending":
                assert arrow.was_due, f"claimed before its time: {arrow}"
                claimed.append(arrow.id)
            elif (arrow.was, arrow.now) == ("queued", "unknown"):
                assert arrow.was_doubts, f"nobody has been handed this: {arrow}"
            elif arrow.was in {"sending", "unknown"} and allowed is WORKERS:
                assert arrow.was_token in mine, f"another's message: {arrow}"
            elif allowed is RESOLVERS:
                self._resolved(worker, arrow)
        self._may_leave(claimed)

    def _resolved(self, worker: Worker, arrow: Arrow) -> None:
        assert not arrow.was_finished, f"a doubt that was over: {arrow}"
        seen = worker.seen_doubts.setdefault(arrow.id, arrow.was_doubts or 0)
        assert seen == arrow.was_doubts, f"another doubt than the one that was asked about: {arrow}"

    def _may_leave(self, claimed: Sequence[int]) -> None:
        for row in self._rows() if claimed else ():
            if row.id in claimed and row.state == "sending":
                assert row.suppression is None, row
                assert (row.offer_state, row.subscription_state) == ("open", "active"), row
                assert row.open_offer_id == row.offer_id, row

    def _may_hand_over(self, envelope: Envelope) -> None:
        """A message is handed over by whoever holds it, within the lease; what a receipt overtook may be as well."""
        (row,) = (row for row in self._rows() if row.id == envelope.delivery_id)
        assert self.worker_now is not None
        assert row.state in TOLD or (row.token in self.worker_now.tokens and not row.lease_over), f"not held: {row}"

    def _calm_down(self) -> None:
        store = self.store
        self.hours.go_on(8000)
        store.deliveries.expire_leases()
        store.deliveries.resolve_unknown()
        self.purchases.close_due()
        store.restocks.end_turns()
        store.restocks.check_due()
        store.plan()
        for channel in self.providers:
            store.deliveries.drain(channel, 20)

    def _unsettled(self) -> list[tuple[object, ...]]:
        return self.store.sql("""
            SELECT 'message', id, state FROM deliveries
            WHERE state IN ('queued', 'sending') OR state = 'unknown' AND finished_at IS NULL
            UNION ALL SELECT 'turn', id, state FROM offers WHERE state = 'open'
            UNION ALL SELECT 'lane', id, 'due' FROM delivery_lanes WHERE next_at IS NOT NULL
            UNION ALL SELECT 'place', id, state FROM subscriptions WHERE open_offer_id IS NOT NULL
        """)


_WITHOUT_SHRINKING = (Phase.explicit, Phase.generate)
PROFILES: Mapping[str, settings] = {
    "short": settings(max_examples=18, stateful_step_count=25, derandomize=True, phases=_WITHOUT_SHRINKING),
    "long": settings(max_examples=1000, stateful_step_count=60),
    "hunt": settings(max_examples=300, stateful_step_count=30, derandomize=True, phases=_WITHOUT_SHRINKING),
}


@pytest.fixture
def machine(clean_database: str, _cleaner: Callable[[], None]) -> Iterator[type[DeliveryMachine]]:
    """The machine on this worker's database, with a log of every arrow."""
    store = Store(clean_database)
    log = ArrowLog(store.database)
    log.begin()

    def clean() -> None:
        _cleaner()
        log.take()

    yield type("Machine", (DeliveryMachine,), {"store": store, "clean": staticmethod(clean)})
    log.end()
    store.close()


def test_every_walk_goes_allowed_arrows_tells_nobody_twice_and_comes_to_rest(machine: type[DeliveryMachine]) -> None:
    profile = PROFILES[os.environ.get("DELIVERY_WALKS", "short")]
    run_state_machine_as_test(machine, settings=settings(profile, deadline=None, print_blob=False, database=None))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_finds_its_text(mutant: Mutant) -> None:
    """`python -m tests.deliveries.mutants` shows that each is caught."""
    assert mutant.found(ROOT), f"{mutant.path} says {mutant.text!r} no more, or more than once: mend the list"
