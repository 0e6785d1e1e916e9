"""The breaker before each provider: while it is down, one message at a time asks whether it is back.

Nothing is lost meanwhile and nobody's place: the messages stay queued as they were, and no attempt of theirs counts. It
must never log whom a message is for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from restock.channels.values import ChannelName
from restock.database import Database
from restock.deliveries.repository import lanes, providers
from restock.deliveries.repository.providers import Provider
from restock.deliveries.service.breaker_rules import (
    LONGEST_WISH_SECONDS,
    Signs,
    claim_limit,
    keeps_its_place,
    pause_seconds,
)
from restock.deliveries.values import Outage

log = structlog.get_logger(__name__)

_MOST_COUNTED_PER_LANE = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Leave to claim up to `limit` messages. `failure_count`: how often a probe failed; None: this is no probe."""

    provider: Provider
    limit: int
    failure_count: int | None = None

    @property
    def is_probe(self) -> bool:
        return self.failure_count is not None


@dataclass(frozen=True)
class Breaker:
    """Decide who may hand something to a provider now. `names`: each channel's provider, by a name of its own."""

    database: Database
    lease_seconds: float
    names: Mapping[ChannelName, str] = field(default_factory=dict)
    longest_pause_seconds: float = LONGEST_WISH_SECONDS

    def enter(self, channel: ChannelName, full: int) -> Entry | None:
        """Ask for leave to claim; None while the provider is down and no probe is due. A probe is one message."""
        provider = self._provider(channel)
        with self.database.transaction() as session:
            known = providers.standing(session, provider)
            if known is None or not known.is_open:
                return Entry(provider, claim_limit(full, known.back_seconds if known else None))
            if not known.probe_is_due or not providers.take_probe(session, provider, self.lease_seconds):
                return None
        return Entry(provider, 1, known.failure_count)

    def leave(self, entry: Entry) -> None:
        """Say that nothing was handed over: whoever comes next may probe."""
        if entry.is_probe:
            with self.database.transaction() as session:
                providers.probe_again(session, entry.provider)

    def judge(self, entry: Entry, signs: Signs) -> bool:
        """Draw the conclusion from a batch whose outcomes are recorded; True when its provider is down."""
        reason = signs.failure(is_probe=entry.is_probe)
        if signs.unreached:
            self._keep_places(signs.unreached)
        if reason is not None:
            self._failed(entry, signs, reason)
        elif entry.is_probe and signs.works:
            self._back(entry.provider)
        elif entry.is_probe:
            self.leave(entry)
        return reason is not None

    def outages(self, shop_id: int | None = None) -> Sequence[Outage]:
        """List the providers that are down, with the messages that wait for them: of one shop, or of all."""
        with self.database.transaction() as session:
            return providers.outages(session, list(self._all()), shop_id, _MOST_COUNTED_PER_LANE)

    def shut(self) -> Mapping[ChannelName, bool]:
        """Say which channels are down, and of each whether a probe is due."""
        with self.database.transaction() as session:
            known = providers.open_breakers(session)
        found = {provider.channel: known.get((provider.channel.value, provider.name)) for provider in self._all()}
        return {channel: probe_is_due for channel, probe_is_due in found.items() if probe_is_due is not None}

    def _keep_places(self, ids: Collection[int]) -> None:
        """Nobody whom a slow provider's batch did not come to is overtaken by those behind them."""
        with self.database.transaction() as session:
            held = providers.keep_places(session, ids, (), keep=True)
            lanes.advance(session, dict.fromkeys(held, 0.0))

    def _failed(self, entry: Entry, signs: Signs, reason: str) -> None:
        provider, failure_count = entry.provider, (entry.failure_count or 0) + 1
        pause = min(pause_seconds(reason, failure_count, signs.wish_seconds), self.longest_pause_seconds)
        opened = False
        with self.database.transaction() as session:
            keep = keeps_its_place(reason, is_probe=entry.is_probe)
            held = providers.keep_places(session, {*signs.down, *signs.troubled}, signs.counted, keep=keep)
            if entry.is_probe:
                providers.fail_probe(session, provider, reason, pause)
            else:
                opened = providers.open_breaker(session, provider, reason, pause)
            lanes.advance(session, dict.fromkeys(held, 0.0))
        if opened:
            log.warning("provider_down", channel=provider.channel.value, provider=provider.name, reason=reason)

    def _back(self, provider: Provider) -> None:
        with self.database.transaction() as session:
            seconds = providers.close_breaker(session, provider)
        if seconds is not None:
            channel = provider.channel.value
            log.info("provider_back", channel=channel, provider=provider.name, down_seconds=round(seconds, 1))

    def _all(self) -> Sequence[Provider]:
        return [self._provider(channel) for channel in ChannelName]

    def _provider(self, channel: ChannelName) -> Provider:
        return Provider(channel, self.names.get(channel, channel.value))
