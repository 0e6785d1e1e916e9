"""The drain: claim, send, record, until nothing is due or the time is up. No connection is held while sending.

With a channel that streams the three overlap: the next claim is taken, and what has been told is recorded, while the
connections are kept full. With any other they come one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field

import psycopg
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from restock.batches.pipeline import Flight
from restock.channels.port import Channel, StreamingChannel
from restock.channels.values import ChannelName, Doubt, Outcome
from restock.clock import Clock, SystemClock
from restock.database import Database
from restock.deliveries.repository import outcomes
from restock.deliveries.repository.providers import shop_service
from restock.deliveries.service.breaker import Breaker
from restock.deliveries.service.claiming import Claiming
from restock.deliveries.service.recording import Recording
from restock.deliveries.service.streams.alike import Alike
from restock.deliveries.service.streams.desk import Desk, Here
from restock.deliveries.service.streams.feed import Ahead, Feed
from restock.deliveries.service.streams.flying import Flying
from restock.deliveries.service.streams.holds import Claimed, Hold, Lease, NothingDue, Timer
from restock.deliveries.service.streams.ledger import Group, Ledger, Written
from restock.deliveries.service.streams.stream import Stream
from restock.deliveries.values import Batch, Drained

log = structlog.get_logger(__name__)

# All that is claimed is in doubt when the worker is killed, so a claim is no larger than speed asks for. It begins
# small and grows to what is told in a moment, where a repeat replaces the first.
CLAIM_SIZES: Mapping[ChannelName, int] = {ChannelName.email: 200, ChannelName.push: 200, ChannelName.sms: 50}
LARGEST_CLAIM, CLAIM_SECONDS = 1000, 0.5
_AT_ONCE = 2  # times what a channel has in hand: a first claim that fills all its connections


def never() -> bool:
    """Say that nothing has come up."""
    return False


@dataclass
class _Pace:
    """How many are claimed at once."""

    smallest: int
    size: int
    told_count: int = 0  # when the last claim was taken
    asked_at: float = 0.0

    def go_on(self, doubt: Doubt, told_count: int, now: float) -> None:
        """Choose the next size by what was told since the last claim."""
        count, seconds = told_count - self.told_count, now - self.asked_at
        self.size = next_claim(self.size, self.smallest, doubt, count, seconds)
        self.told_count = told_count


@dataclass(frozen=True)
class _Order:
    """What one drain is to do, and when it is to end."""

    channel: ChannelName
    began: float
    seconds: float
    give_way: Callable[[], bool]
    stopping: Callable[[], bool]
    desk: Desk
    claims: Desk
    pace: _Pace


def _here() -> AbstractContextManager[Desk]:
    return nullcontext(Here())


@dataclass(frozen=True)
class Sending:
    """Hand the due deliveries of one channel to its provider. `timer`: seconds that only ever go forward.

    `open_desk` says where rows are read and written beside a channel that streams: at once, unless told otherwise.
    `open_claims`: where the next claim is taken meanwhile; None: there as well.
    """

    database: Database
    channels: Mapping[ChannelName, Channel]
    claiming: Claiming
    recording: Recording
    breaker: Breaker
    lease_seconds: float
    clock: Clock = field(default_factory=SystemClock)
    timer: Timer = time.monotonic
    open_desk: Callable[[], AbstractContextManager[Desk]] = _here
    open_claims: Callable[[], AbstractContextManager[Desk | None]] = nullcontext
    claim_sizes: Mapping[ChannelName, int] = field(default_factory=lambda: CLAIM_SIZES)
    alike: Alike = field(default_factory=Alike)

    def drain(
        self,
        channel: ChannelName,
        seconds: float,
        give_way: Callable[[], bool],
        stopping: Callable[[], bool] = never,
    ) -> Drained:
        """Send what is due for up to `seconds`; `give_way` is asked before each claim, from the first second on.

        Once it is `stopping`, what a channel that streams has in hand is ended, and the rest given back. Raises
        whatever the channel or the database raised after everything known was recorded.
        """
        smallest = self._smallest(channel)
        pace = _Pace(smallest, smallest)
        with self.open_desk() if self._streaming(channel) else _here() as desk, self.open_claims() as claims:
            began = self.timer()
            return self._drain(_Order(channel, began, seconds, give_way, stopping, desk, claims or desk, pace))

    def _drain(self, order: _Order) -> Drained:
        sent_count, following = 0, None
        while following or self._goes_on(order):
            claimed, following = following or self._claim(order), None
            if isinstance(claimed, NothingDue):
                return Drained(sent_count, left=False, provider_down=claimed.provider_down)
            if not claimed.batch.envelopes:
                continue
            stream, is_down = self._send(order, claimed)
            sent_count += stream.accepted_count
            following = stream.feed.following()
            if following and (is_down or order.stopping() or following.lease.wants_renewal):
                self._let_go(order, following)
                following = None
            if is_down:
                return Drained(sent_count, left=False, provider_down=True)
        return Drained(sent_count, left=True)

    def _goes_on(self, order: _Order) -> bool:
        """Say whether there may be another claim: its time is not over, and nobody else waits."""
        spent = self.timer() - order.began
        return spent < order.seconds and not order.stopping() and not (spent >= 1 and order.give_way())

    def _claim(self, order: _Order) -> Claimed:
        order.pace.asked_at = self.timer()
        return self._take(order, order.pace.size, order.pace.asked_at)

    def _take(self, order: _Order, size: int, asked: float) -> Claimed:
        """Take a batch where the provider lets us, and note for how long it is ours; in whatever thread."""
        lease = Lease(self.lease_seconds, self.timer, since=asked)
        entry = self.breaker.enter(order.channel, size)
        if entry is None:
            return NothingDue(provider_down=True)
        batch = self.claiming.claim(order.channel, entry.limit, self.lease_seconds, own=entry.own)
        if batch is None or not batch.envelopes:
            self.breaker.leave(entry)
        if batch is None:
            return NothingDue(provider_down=entry.own)
        hold = Hold(entry, batch, lease)
        channel = self._streaming(order.channel)
        if channel and batch.envelopes and entry.limit == size and not (entry.is_probe or entry.own):
            is_calm = shop_service(batch.lane.shop_id) not in entry.shut
            hold.flows = is_calm and batch.envelopes[0].sender is None and channel.doubt is not Doubt.at_most_once
            hold.until = asked + channel.batch_seconds if hold.flows else hold.until
        return hold

    def _send(self, order: _Order, hold: Hold) -> tuple[Stream, bool]:
        """Send a claim and, where it flows, those behind it; True when the provider is down."""
        ahead = self._ahead(order, hold)
        feed = Feed(hold, self.timer, ahead)
        stream, order.pace.told_count = self._stream(order, feed), 0
        channel = self.channels[order.channel]
        answers: Iterator[Outcome] = iter(())
        if hold.lease.is_over():  # the claim itself took too long, or this process stood still after it
            log.warning("lease_lost", channel=order.channel.value)
        elif ahead is not None and isinstance(channel, StreamingChannel):
            answers = channel.stream(iter(feed), len(hold.batch.envelopes))
        else:
            feed.begin_all()
            answers = self.breaker.send(hold.entry, channel, hold.batch.envelopes, hold.batch.lane.shop_id)
        with ExitStack() as ending:
            ending.push(lambda kind, *_: self._break_off(order, feed, kind))
            is_down = stream.run(answers)
        order.pace.go_on(self._doubt(hold.batch), feed.told_count, self.timer())
        return stream, is_down

    def _break_off(self, order: _Order, feed: Feed, kind: type[BaseException] | None) -> None:
        """Where a stream has failed, give back what was not begun of it: nobody is in doubt about that."""
        if kind is not None and issubclass(kind, Exception):
            for hold in list(feed.holds):
                self._let_go(order, hold)
            if (following := feed.following()) is not None:
                self._let_go(order, following)

    def _let_go(self, order: _Order, hold: Hold) -> None:
        """Give back what nobody has begun of a claim."""
        self._stream(order, Feed(hold, self.timer)).run(iter(()))

    def _stream(self, order: _Order, feed: Feed) -> Stream:
        ledger = Ledger(lambda group: self._write(order.desk, group), self.timer, at_once=self._waits(order.desk))
        return Stream(feed, ledger, order.desk, self._judge, order.stopping, self.alike)

    def _ahead(self, order: _Order, hold: Hold) -> Ahead | None:
        """Say how the next claim is taken while this one is sent; None where they come one after the other.

        So do claims that are too small to be worth all connections.
        """
        channel = self._streaming(order.channel)
        if channel is None or not hold.flows or len(hold.batch.envelopes) < order.pace.smallest // 2:
            return None

        def ask(told_count: int) -> Future[Claimed] | None:
            if order.stopping() or not self._goes_on(order):
                return None
            order.pace.go_on(channel.doubt, told_count, self.timer())
            order.pace.asked_at = self.timer()
            return order.claims.submit(self._take, order, order.pace.size, order.pace.asked_at)

        return Ahead(ask, channel.in_hand)

    def _streaming(self, name: ChannelName) -> StreamingChannel | None:
        channel = self.channels.get(name)
        return channel if isinstance(channel, StreamingChannel) and channel.in_hand else None

    def _smallest(self, name: ChannelName) -> int:
        channel, least = self._streaming(name), self.claim_sizes[name]
        return least if channel is None else max(least, min(_AT_ONCE * channel.in_hand, LARGEST_CLAIM))

    def _doubt(self, batch: Batch) -> Doubt:
        own = batch.envelopes[0].sender
        return own.doubt if own and own.doubt else self.channels[batch.lane.channel].doubt

    def _judge(self, hold: Hold) -> bool:
        """Settle a claim that is recorded; True when its provider is down."""
        self.claiming.give_back(hold.batch, hold.told.not_taken, hold.told.slower_seconds)
        return self.breaker.judge(hold.entry, hold.told.signs)

    def _waits(self, desk: Desk) -> bool:
        return isinstance(desk, Here) and self.recording.pipeline is None

    def _write(self, desk: Desk, group: Group) -> Written:
        """Have a group recorded: in passing where that can be, else at the desk."""
        flight: Flight | None = None
        if isinstance(desk, Here):
            with suppress(psycopg.Error):
                flight = self.recording.launch([(hold.batch, told) for hold, told in group.items()])
        if flight is None:
            return desk.submit(self._record, group)
        for hold in group:
            self._keep(hold)
        return Flying(flight, lambda: self._record(group))

    def _record(self, group: Group) -> None:
        for hold, told in group.items():
            self._record_of(hold, told)
            self._keep(hold)

    def _record_of(self, hold: Hold, told: Sequence[Outcome]) -> None:
        """Record a group, again and again while the database is away and the lease lasts."""
        pause = 0.05
        while True:
            try:
                return self.recording.record(hold.batch, told, self.clock.now().timestamp())
            except (OperationalError, InterfaceError):
                if hold.lease.left <= pause:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 1.0)

    def _keep(self, hold: Hold) -> None:
        """Prolong the lease of a batch that takes long; one that is over is others' already, and stays so."""
        lease = hold.lease
        if not lease.wants_renewal or lease.is_over():
            return
        asked, left = self.timer(), list(hold.batch.rows.keys() - hold.told.ids)
        with suppress(OperationalError, InterfaceError):  # the next group asks again, while the lease lasts
            with self.database.transaction() as session:
                lease.lost = not outcomes.renew_lease(session, left, hold.batch.token, self.lease_seconds)
            lease.since = asked


def next_claim(size: int, smallest: int, doubt: Doubt, count: int, seconds: float) -> int:
    """Say how many to claim after a claim of `size`, of which `count` took so many seconds from claim to record."""
    if doubt is Doubt.at_most_once:
        return smallest
    quickly_told = int(count / max(seconds, 0.001) * CLAIM_SECONDS)
    return max(smallest, min(quickly_told, 2 * size, LARGEST_CLAIM))
