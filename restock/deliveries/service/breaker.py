"""The breaker before each provider: while it is down, one message at a time asks whether it is back.

Nothing is lost meanwhile and nobody's place: the messages stay queued as they were, and no attempt of theirs counts.
Where a channel hands its messages to several services, each has a breaker of its own, and what is for one that is down
is held back while the others go on. It must never log whom a message is for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import structlog

from restock.channels.port import HELD_BACK, Channel
from restock.channels.values import ChannelName, Envelope, Outcome, Verdict
from restock.database import Database
from restock.deliveries.repository import lanes, providers
from restock.deliveries.repository.providers import Provider, Standing, shop_service
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
_PROBE_TAKES_SECONDS = 2.0
_WOKEN_AT_ONCE = 5000


@runtime_checkable
class Services(Protocol):
    """A channel that hands its messages to several services, and knows to which."""

    def service_of(self, envelope: Envelope) -> str | None:
        """Name the service a message goes to, as its outcome will; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Leave to claim up to `limit` messages. `failure_count`: how often a probe failed; None: this is no probe."""

    provider: Provider
    limit: int
    failure_count: int | None = None
    shut: Mapping[str, Standing] = field(default_factory=dict)  # services that are down
    own: bool = False  # the instance's provider is down: only shops with their own may be claimed for

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
        """Ask for leave to claim; None while the provider is down and no probe is due. A probe is one message.

        While the mail server is down, shops with a provider of their own are served as ever.
        """
        provider = self._provider(channel)
        with self.database.transaction() as session:
            known, shut = providers.standings(session, provider)
            if known is None or not known.is_open:
                return Entry(provider, claim_limit(full, known.back_seconds if known else None), shut=shut)
            if not known.probe_is_due or not providers.take_probe(session, provider, self.lease_seconds):
                return Entry(provider, full, shut=shut, own=True) if channel is ChannelName.email else None
        return Entry(provider, 1, known.failure_count, shut)

    def send(
        self, entry: Entry, channel: Channel, envelopes: Sequence[Envelope], shop_id: int = 0
    ) -> Iterator[Outcome]:
        """Hand over a shop's messages that may be handed over now; of what is down at most the one that asks.

        That is a service, or what refuses all of this shop's.
        """
        if not entry.shut:
            return channel.send(envelopes)
        own = shop_service(shop_id)
        services = channel if isinstance(channel, Services) else None
        held = self._held(entry, envelopes, lambda one: (services and services.service_of(one)) or own)
        return _send_rest(held, channel, [one for one in envelopes if one.delivery_id not in held])

    def leave(self, entry: Entry) -> None:
        """Say that nothing was handed over: whoever comes next may probe."""
        if entry.is_probe:
            with self.database.transaction() as session:
                providers.probe_again(session, entry.provider)

    def judge(self, entry: Entry, signs: Signs) -> bool:
        """Draw the conclusion from a batch whose outcomes are recorded; True when its provider is down."""
        for service, own in signs.services.items():
            known = entry.shut.get(service)
            own_entry = Entry(entry.provider.of(service), 1, known.failure_count if known else None)
            if not self._conclude(own_entry, own) and known is not None and own.works:
                self._wake_held(entry.provider.channel)
        if signs.services:  # each stands for itself: nothing is known of them all
            if entry.is_probe and entry.provider.channel is ChannelName.email and signs.says_nothing:
                self.leave(entry)  # a shop's own provider was asked, not the mail server that is down
                return False
            signs.works = True
        return self._conclude(entry, signs)

    def _conclude(self, entry: Entry, signs: Signs) -> bool:
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

    def _held(
        self, entry: Entry, envelopes: Sequence[Envelope], service_of: Callable[[Envelope], str]
    ) -> dict[int, tuple[str, float]]:
        """Choose what is held back: for which service, and for how long."""
        held: dict[int, tuple[str, float]] = {}
        asking: set[str] = set()
        for envelope in envelopes:
            service = service_of(envelope)
            known = entry.shut.get(service)
            if known is None:
                continue
            if known.probe_is_due and service not in asking:
                asking.add(service)
                if self._takes_probe(entry.provider.of(service)):
                    continue
            held[envelope.delivery_id] = (service, max(known.probe_seconds or 0.0, _PROBE_TAKES_SECONDS))
        return held

    def _takes_probe(self, provider: Provider) -> bool:
        with self.database.transaction() as session:
            return providers.take_probe(session, provider, self.lease_seconds)

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

    def _wake_held(self, channel: ChannelName) -> None:
        """Let what was held back be due again, at its places; what is for a service still down is held back anew."""
        woken = _WOKEN_AT_ONCE
        while woken == _WOKEN_AT_ONCE:
            with self.database.transaction() as session:
                held = providers.wake_held(session, channel, HELD_BACK, _WOKEN_AT_ONCE)
                lanes.advance(session, dict.fromkeys(held, 0.0), old_places=True)
            woken = len(held)

    def _keep_places(self, ids: Collection[int]) -> None:
        """Nobody whom a slow provider's batch did not come to is overtaken by those behind them."""
        with self.database.transaction() as session:
            held = providers.keep_places(session, ids, (), keep=True)
            lanes.advance(session, dict.fromkeys(held, 0.0), old_places=True)

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
            lanes.advance(session, dict.fromkeys(held, 0.0), old_places=True)
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


def _send_rest(
    held: Mapping[int, tuple[str, float]], channel: Channel, envelopes: Sequence[Envelope]
) -> Generator[Outcome, None, None]:
    for delivery_id, (service, seconds) in held.items():
        yield Outcome(delivery_id, Verdict.deferred, HELD_BACK, retry_after_seconds=seconds, service=service)
    stream = channel.send(envelopes)
    with closing(stream) if isinstance(stream, Generator) else nullcontext(stream) as answers:
        yield from answers
