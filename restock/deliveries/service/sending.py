"""The drain: claim, send, record, until nothing is due or the time is up. No connection is held while sending."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from restock.channels.port import Channel
from restock.channels.values import ChannelName, Doubt, Outcome, Verdict
from restock.clock import Clock, SystemClock
from restock.database import Database
from restock.deliveries.repository import outcomes
from restock.deliveries.service.breaker import Breaker, Entry
from restock.deliveries.service.breaker_rules import Signs
from restock.deliveries.service.claiming import Claiming
from restock.deliveries.service.recording import Recording
from restock.deliveries.values import Batch, Drained
from restock.failpoints import failpoint

log = structlog.get_logger(__name__)

# All that is claimed is in doubt when the worker is killed, so a claim is no larger than speed asks for. It begins
# small and grows to what is told in a moment, where a repeat replaces the first.
CLAIM_SIZES: Mapping[ChannelName, int] = {ChannelName.email: 200, ChannelName.push: 200, ChannelName.sms: 50}
LARGEST_CLAIM, CLAIM_SECONDS = 1000, 0.5
TOO_FAST = "rate_limited"
GROUP_SIZE = 100
GROUP_SECONDS = 0.2


Timer = Callable[[], float]


@dataclass
class _Lease:
    """How long a batch is ours, on this machine's monotonic clock, counted from before it was asked for.

    `lost`: others have taken some of it over.
    """

    seconds: float
    timer: Timer
    since: float
    lost: bool = False

    @property
    def left(self) -> float:
        return self.since + self.seconds - self.timer()

    def is_over(self) -> bool:
        return self.lost or self.left <= 0

    @property
    def wants_renewal(self) -> bool:
        return self.left < self.seconds * 2 / 3


@dataclass(frozen=True)
class Sending:
    """Hand the due deliveries of one channel to its provider. `timer`: seconds that only ever go forward."""

    database: Database
    channels: Mapping[ChannelName, Channel]
    claiming: Claiming
    recording: Recording
    breaker: Breaker
    lease_seconds: float
    clock: Clock = field(default_factory=SystemClock)
    timer: Timer = time.monotonic

    def drain(self, channel: ChannelName, seconds: float, give_way: Callable[[], bool]) -> Drained:
        """Send what is due for up to `seconds`; `give_way` is asked after each batch, from the first second on.

        Raises whatever the channel or the database raised after everything known was recorded.
        """
        began, sent_count, size = self.timer(), 0, CLAIM_SIZES[channel]
        while (spent := self.timer() - began) < seconds:
            if spent >= 1 and give_way():
                return Drained(sent_count, left=True)
            lease = _Lease(self.lease_seconds, self.timer, since=self.timer())
            entry = self.breaker.enter(channel, size)
            if entry is None:
                return Drained(sent_count, left=False, provider_down=True)
            batch = self.claiming.claim(channel, entry.limit, self.lease_seconds, own=entry.own)
            if batch is None or not batch.envelopes:
                self.breaker.leave(entry)
            if batch is None:
                return Drained(sent_count, left=False, provider_down=entry.own)
            if batch.envelopes:
                told = self._send(entry, batch, lease)
                sent_count += told.accepted_count
                self.claiming.give_back(batch, told.not_taken, told.slower_seconds)
                if self.breaker.judge(entry, told.signs):
                    return Drained(sent_count, left=False, provider_down=True)
                spent = self.timer() - lease.since
                size = next_claim(size, CLAIM_SIZES[channel], self._doubt(batch), len(told.ids), spent)
        return Drained(sent_count, left=True)

    def _doubt(self, batch: Batch) -> Doubt:
        own = batch.envelopes[0].sender
        return own.doubt if own and own.doubt else self.channels[batch.lane.channel].doubt

    def _send(self, entry: Entry, batch: Batch, lease: _Lease) -> _Told:
        """Send one batch, recording as the outcomes come; stop when it is no longer ours."""
        told, group = _Told(), _Group(self.timer, recorded_at=self.timer())
        if lease.is_over():  # the claim itself took too long, or this process stood still after it
            log.warning("lease_lost", channel=batch.lane.channel.value)
            return told
        stream = self.breaker.send(entry, self.channels[batch.lane.channel], batch.envelopes)
        try:
            with _ending(stream) as answers:
                for outcome in answers:
                    failpoint("send.answered")
                    told.count(outcome)
                    group.waiting.append(outcome)
                    if group.is_ripe:
                        self._record(batch, group.take(), lease)
                        self._keep(batch, told, lease)
                    if lease.is_over():  # others may have taken the rest over: sending it would tell people twice
                        log.warning("lease_lost", channel=batch.lane.channel.value)
                        break
        finally:
            if group.waiting:
                self._record(batch, group.take(), lease)
        return told

    def _record(self, batch: Batch, told: Sequence[Outcome], lease: _Lease) -> None:
        """Record a group, again and again while the database is away and the lease lasts."""
        pause = 0.05
        while True:
            try:
                return self.recording.record(batch, told, self.clock.now().timestamp())
            except (OperationalError, InterfaceError):
                if lease.left <= pause:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 1.0)

    def _keep(self, batch: Batch, told: _Told, lease: _Lease) -> None:
        """Prolong the lease of a batch that takes long; one that is over is others' already, and stays so."""
        if not lease.wants_renewal or lease.is_over():
            return
        asked, left = self.timer(), list(batch.rows.keys() - told.ids)
        with suppress(OperationalError, InterfaceError):  # the next group asks again, while the lease lasts
            with self.database.transaction() as session:
                lease.lost = not outcomes.renew_lease(session, left, batch.token, self.lease_seconds)
            lease.since = asked


@dataclass
class _Told:
    """What a batch has come to so far."""

    ids: set[int] = field(default_factory=set)
    accepted_count: int = 0
    not_taken: set[int] = field(default_factory=set)
    slower_seconds: float = 0.0  # the provider asks for a pause
    signs: Signs = field(default_factory=Signs)

    def count(self, outcome: Outcome) -> None:
        self.ids.add(outcome.delivery_id)
        self.accepted_count += outcome.verdict is Verdict.accepted
        if outcome.verdict in (Verdict.deferred, Verdict.refused):
            self.not_taken.add(outcome.delivery_id)
        if outcome.reason == TOO_FAST:
            self.slower_seconds = max(self.slower_seconds, outcome.retry_after_seconds or 1.0)
        self.signs.add(outcome)


@dataclass
class _Group:
    """Outcomes not recorded yet: as many, or as old, as may be lost in doubt."""

    timer: Timer
    recorded_at: float
    waiting: list[Outcome] = field(default_factory=list)

    @property
    def is_ripe(self) -> bool:
        return len(self.waiting) >= GROUP_SIZE or self.timer() - self.recorded_at >= GROUP_SECONDS

    def take(self) -> list[Outcome]:
        taken, self.waiting = self.waiting, []
        self.recorded_at = self.timer()
        return taken


def next_claim(size: int, smallest: int, doubt: Doubt, count: int, seconds: float) -> int:
    """Say how many to claim after a claim of `size`, of which `count` took so many seconds from claim to record."""
    if doubt is Doubt.at_most_once:
        return smallest
    quickly_told = int(count / max(seconds, 0.001) * CLAIM_SECONDS)
    return max(smallest, min(quickly_told, 2 * size, LARGEST_CLAIM))


def _ending(stream: Iterator[Outcome]) -> AbstractContextManager[Iterator[Outcome]]:
    """End a generator that is left early at once, so that a channel hands over nothing more."""
    return closing(stream) if isinstance(stream, Generator) else nullcontext(stream)
