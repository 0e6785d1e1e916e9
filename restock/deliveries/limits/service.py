"""The gate before text messages: asked inside the claim what of it may leave now.

What it holds back stays queued as it was, and no attempt is counted. It must never log whom a message is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from restock.channels.port import ChannelError
from restock.channels.sms.countries import allowed_countries, is_allowed
from restock.channels.sms.message import compose
from restock.channels.sms.segments import cost_of
from restock.channels.values import ChannelName, Envelope
from restock.database import Database
from restock.deliveries.limits import repository, rules
from restock.deliveries.limits.rules import Text
from restock.deliveries.limits.values import Admission, Pace, TextsToday
from restock.shops.values import Shop

log = structlog.get_logger(__name__)

BURST_SECONDS = 2.0  # so much of a rate may leave at once: the sweeper rings for what waits about once a second
LONGEST_PAUSE_SECONDS = 60.0
_SHORTEST_REST = 0.05


@dataclass
class _Length:
    """How long this process's messages are, so that a claim is about as large as what may leave."""

    segments: float = 1.0

    def learn(self, texts: Sequence[Text]) -> None:
        if texts:
            average = sum(text.segment_count for text in texts) / len(texts)
            self.segments += (average - self.segments) / 4


@dataclass(frozen=True)
class TextGate:
    """Let text messages go as fast as their sender carries them, and as many a day as their shop wants to pay for.

    `pace` None: as fast as it goes. `ceiling`: the only countries written to, empty: what each shop allows.
    """

    database: Database
    pace: Pace | None = None
    ceiling: tuple[str, ...] = ()
    _length: _Length = field(default_factory=_Length)

    def is_allowed(self, shop: Shop, address: str) -> bool:
        """Say whether a shop's text messages may go to a number (E.164)."""
        return is_allowed(address, countries_for(shop, self.ceiling))

    def room(self, channel: ChannelName) -> int | None:
        """Say how many messages are worth claiming now; 0: none, None: as many as are due."""
        if self.pace is None:
            return None
        rate = self.pace.segments_per_second
        with self.database.transaction() as session:
            free = repository.room(session, channel.value, self.pace.sender, rate, BURST_SECONDS)
        return 0 if free <= 0 else max(1, int(free / self._length.segments))

    def admit(self, session: Session, shop: Shop, envelopes: Sequence[Envelope], now: datetime) -> Admission:
        """Decide about messages that may leave otherwise, in the caller's transaction, which takes what is let go."""
        texts = [_text(envelope) for envelope in envelopes]
        if not texts:
            return Admission()
        self._length.learn(texts)
        day, seconds_left = rules.shop_day(now, shop.time_zone)
        cap = shop.settings.sms.daily_cap
        so_far = repository.hold_day(session, shop.id, day, sorted({text.block for text in texts}))
        said = rules.judge_day(texts, so_far, cap)
        granted = self._take([text.segment_count for text in said.leaving], session)
        leaving, waiting = said.leaving[:granted], said.leaving[granted:]
        if leaving:
            blocks = Counter(text.block for text in leaving)
            repository.spend(session, shop.id, day, sum(text.segment_count for text in leaving), blocks)
        if said.flooding:
            log.warning("text_messages_flood_one_block", shop=shop.domain, count=len(said.flooding))
        return Admission(
            leaving=_ids(leaving),
            held=_ids(said.held),
            flooding=_ids(said.flooding),
            why=said.why,
            held_seconds=min(seconds_left, rules.LOOK_AGAIN_SECONDS),
            rest_seconds=self._rest(len(waiting)),
        )

    def pause(self, channel: ChannelName, seconds: float) -> None:
        """Let nothing go for a while, at most LONGEST_PAUSE_SECONDS: the provider says that it is too fast."""
        if self.pace is not None:
            with self.database.transaction() as session:
                repository.pause(session, channel.value, self.pace.sender, min(seconds, LONGEST_PAUSE_SECONDS))

    def give_back(self, shop: Shop, envelopes: Sequence[Envelope], claimed_at: datetime) -> None:
        """Take messages that were not taken out of the counts of their day; lost, that day ends a little early."""
        day, _ = rules.shop_day(claimed_at, shop.time_zone)
        texts = [_text(envelope) for envelope in envelopes]
        blocks = Counter(text.block for text in texts)
        with self.database.transaction() as session:
            repository.give_back(session, shop.id, day, sum(text.segment_count for text in texts), blocks)

    def count_filtered(self, shop: Shop, now: datetime) -> None:
        """Count a message that carriers filtered, in a transaction of its own: it is held before any event."""
        with self.database.transaction() as session:
            repository.count_filtered(session, shop.id, rules.shop_day(now, shop.time_zone)[0])

    def _take(self, segments: Sequence[int], session: Session) -> int:
        if self.pace is None or not segments:
            return len(segments)
        rate = self.pace.segments_per_second
        return repository.take(session, ChannelName.sms.value, self.pace.sender, rate, BURST_SECONDS, segments)

    def _rest(self, waiting: int) -> float:
        if not waiting or self.pace is None:
            return 0.0
        return max(_SHORTEST_REST, self._length.segments / self.pace.segments_per_second)


def texts_today(database: Database, shop: Shop, now: datetime) -> TextsToday:
    """Say how far the text messages of a shop's day have come, and how many wait for the next."""
    day, _ = rules.shop_day(now, shop.time_zone)
    with database.transaction() as session:
        waiting = repository.waiting(session, shop.id, (rules.DAY_CAP, rules.FILTERED))
        sent = repository.segments_on(session, shop.id, day)
    capped, filtered = waiting.get(rules.DAY_CAP, 0), waiting.get(rules.FILTERED, 0)
    return TextsToday(sent, shop.settings.sms.daily_cap, capped, filtered)


def countries_for(shop: Shop, ceiling: Sequence[str]) -> frozenset[str] | None:
    """Say where a shop's text messages may go; None: anywhere."""
    settings = shop.settings
    return allowed_countries(settings.sms.countries, settings.country, (m.country for m in settings.markets), ceiling)


def _text(envelope: Envelope) -> Text:
    try:
        segments = cost_of(compose(envelope)).segment_count
    except ChannelError:  # refused by the channel, which says why
        segments = 1
    return Text(envelope.delivery_id, rules.block_of(envelope.recipient.address), max(1, segments))


def _ids(texts: Sequence[Text]) -> frozenset[int]:
    return frozenset(text.delivery_id for text in texts)
