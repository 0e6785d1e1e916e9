"""How long it took from a restock to a message. Standard library only; nobody is named here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Half, 95 and 99 of 100 of what was counted took at most so long, in seconds; None: nothing was measured."""

    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """How long the last `hours` took, each counted from the moment the stock changed, or the person's turn came.

    `decided`: until the first wave of a restock was planned. `first`: until a provider had a restock's first message.
    `sent`: until a provider had a person's message. `delivered`: until it was with the person, where providers say so.
    """

    hours: float
    decided: Percentiles
    first: Percentiles
    sent: Percentiles
    delivered: Percentiles


@dataclass(frozen=True, slots=True)
class EventSpeed:
    """How long one restock took. `changed_at` is when its stock changed, as far as we know; the rest as in Speed."""

    event_id: int
    changed_at: datetime
    decided_seconds: float | None
    first_sent_seconds: float | None
    sent: Percentiles
    delivered: Percentiles


@dataclass(frozen=True, slots=True)
class Incident:
    """Messages of one channel that do not leave; where `service` is named, only those that go through it."""

    channel: str
    since: datetime
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What anybody may know of an instance. `backlog_seconds` is how long the oldest due message has waited."""

    at: datetime
    speed: Speed
    backlog_seconds: float
    incidents: Sequence[Incident]
