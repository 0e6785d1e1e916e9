"""How long restocks take to become messages. Reads, but for the figures of what is over, which are kept once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from restock.channels.values import ChannelName
from restock.database import Database
from restock.deliveries.values import Outage
from restock.reports.repository import latency, overview
from restock.reports.rules.latency import incidents_of, latency_gauges
from restock.reports.values import Gauges
from restock.reports.values.latency import EventSpeed, Pulse, Speed
from restock.reports.values.subscribers import Goods
from restock.shops.values import Shop

SHOP_HOURS = 24.0
INSTANCE_HOURS = 1.0
CALM_SECONDS = 600.0
KEPT_SECONDS = 10.0
LATEST = 5


@dataclass
class _Kept:
    """The last answer of one process, for whoever asks again within seconds."""

    pulse: Pulse | None = None
    until: float = 0.0


def _none_down() -> Sequence[Outage]:
    return ()


@dataclass(frozen=True)
class LatencyReports:
    """The figures. `outages` says which providers are down."""

    database: Database
    outages: Callable[[], Sequence[Outage]] = _none_down
    _kept: _Kept = field(default_factory=_Kept)

    def of_event(self, shop: Shop, event_id: int) -> EventSpeed | None:
        """Say how long one restock took; None when the shop has no such restock."""
        with self.database.transaction() as session:
            return latency.of_event(session, shop.id, event_id)

    def latest(self, shop: Shop) -> Sequence[tuple[Goods, EventSpeed]]:
        """Say how long each of the latest restocks of a shop took, those going on first."""
        with self.database.transaction() as session:
            restocks = overview.told_restocks(session, shop.id, LATEST)
            found = [(goods, latency.of_event(session, shop.id, event_id)) for event_id, goods in restocks]
        return [(goods, speed) for goods, speed in found if speed is not None]

    def of_shop(self, shop: Shop) -> Speed:
        """Say how long the last day of a shop took."""
        with self.database.transaction() as session:
            return latency.speed(session, shop.id, SHOP_HOURS)

    def pulse(self) -> Pulse:
        """Say how the instance is: its last hour, its backlog, what does not leave. At most KEPT_SECONDS old."""
        if self._kept.pulse is None or time.monotonic() >= self._kept.until:
            self._kept.pulse = self._take_pulse()
            self._kept.until = time.monotonic() + KEPT_SECONDS
        return self._kept.pulse

    def gauges(self) -> Gauges:
        """Read the figures operators watch."""
        outages = self.outages()
        found: Gauges = {"provider_down": {}, "provider_down_waiting": {}}
        for one in outages:
            labels = (("channel", one.channel.value),)
            found["provider_down"][labels] = 1.0
            waiting = found["provider_down_waiting"]
            waiting[labels] = waiting.get(labels, 0.0) + one.waiting_count  # a channel may have several services
        return found | latency_gauges(self.pulse().speed)

    def settle(self, limit: int = 20) -> int:
        """Keep the figures of restocks that are over, each in a transaction of its own; return of how many."""
        with self.database.transaction() as session:
            events = latency.calm_events(session, CALM_SECONDS, limit)
        for event_id in events:
            with self.database.transaction() as session:
                latency.keep(session, event_id)
        return len(events)

    def _take_pulse(self) -> Pulse:
        # A shop's own e-mail provider, or what refuses that shop's messages alone, is its own affair.
        outages = [one for one in self.outages() if one.service is None or one.channel is ChannelName.push]
        with self.database.transaction() as session:
            at, seconds = latency.backlog(session)
            speed = latency.speed(session, None, INSTANCE_HOURS)
        down = [(one.channel.value, one.service, one.since, one.last_failure_at, one.waiting_count) for one in outages]
        return Pulse(at, speed, seconds, incidents_of(down, at))
