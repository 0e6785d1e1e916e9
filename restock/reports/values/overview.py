"""The words of the merchant's first page. Standard library only; nobody is named here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from restock.reports.values.subscribers import Goods


@dataclass(frozen=True, slots=True)
class VariantDemand:
    """How many people wait for one variant, and how many units they want."""

    goods: Goods
    people: int
    units: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Everybody who waits, and the variants most waited for."""

    people: int
    units: int
    variants: int
    top: Sequence[VariantDemand]


@dataclass(frozen=True, slots=True)
class Newcomers:
    """How many signed up for one variant within some span, and how many units they want."""

    variant_id: int
    people: int
    units: int


@dataclass(frozen=True, slots=True)
class DayState:
    """How many asked on one day (UTC), by the state they are in now."""

    day: date
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class DaySent:
    """How many restock messages went out on one day (UTC) on one channel, by what became of them."""

    day: date
    channel: str
    state: str
    count: int
    clicked: int


@dataclass(frozen=True, slots=True)
class ChannelSent:
    """What was sent on one channel. `delivered` counts what the provider confirmed; not every provider does."""

    channel: str
    sent: int
    delivered: int
    clicked: int
    undelivered: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the chart."""

    day: date
    signups: int
    messages: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the people who asked within the period."""

    asked: int = 0
    waiting: int = 0
    told: int = 0
    bought: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What people bought after they were told, in one currency."""

    orders: int
    units: int
    revenue_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class OpenRestock:
    """A restock going on. `units` None: without limit. `units_at_open` is what it began with."""

    event_id: int
    goods: Goods
    opened_at: datetime
    units_at_open: int | None
    units: int | None
    wave_count: int
    offered: int
    sent: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The merchant's first page, for the last `days` days; `last_webhook_at` None: none is kept."""

    days: int
    demand: Demand
    outcomes: Outcomes
    sent: Sequence[ChannelSent]
    chart: Sequence[Day]
    recovered: Sequence[Recovered]
    restocks: Sequence[OpenRestock]
    last_webhook_at: datetime | None
    ever_asked: bool
