"""The words of a dry run: what is pretended, how far it goes, what came of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from restock.catalog.values import StockReading
from restock.restocks.values import PassReason
from restock.shops.values import NotificationPolicy


class RunEnd(StrEnum):
    """Why a dry run is over."""

    nobody_waits = "nobody_waits"
    no_stock = "no_stock"  # nothing can be bought: no restock begins
    below_minimum = "below_minimum"  # fewer units than a restock begins with
    all_told = "all_told"  # nobody is left whom this stock could serve
    sold_out = "sold_out"  # everything was bought
    too_few = "too_few"  # nobody left wants so little that a turn could be made of it
    horizon = "horizon"  # it would go on for longer than is played
    waves = "waves"  # it would take more waves than are played
    looks = "looks"  # more people would have to be looked at than is allowed
    crowd = "crowd"  # more people were passed over than can be kept in mind


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a dry run goes: `people` and `waves` are told one by one, the others end it.

    `looks` counts every look at somebody, in every wave; `kept` are people passed over whom a later wave may serve.
    """

    people: int = 50
    waves: int = 50
    looks: int = 5_000_000
    kept: int = 20_000
    most_waves: int = 10_000
    horizon: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Premise:
    """What is pretended.

    `bought_share`: so much of what a turn keeps is bought when it ends, 0 to 1. `running`: the units of turns that are
    under way already, by when they end.
    """

    reading: StockReading
    policy: NotificationPolicy
    at: datetime
    bought_share: float = 0.0
    running: Mapping[datetime, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedPerson:
    """One of the first in line. `wave` None: not told. `passed`: why somebody was passed over last, None: never."""

    subscription_id: int
    position: int
    channel: str
    quantity: int
    wave: int | None = None
    told_at: datetime | None = None
    ends_at: datetime | None = None
    passed: PassReason | None = None


@dataclass(frozen=True, slots=True)
class SimulatedWave:
    """One wave. `free_left` None: without limit."""

    number: int
    at: datetime
    people: int
    units: int
    passed_over: Mapping[PassReason, int]
    free_left: int | None


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a dry run.

    `told_by` counts those told by channel; `skipped` counts those looked at and never told, by the last reason. Whoever
    is in neither count was not reached. `over_at` is when the last turn ends; `looks` is how often somebody was looked
    at.
    """

    people: Sequence[SimulatedPerson] = ()
    waves: Sequence[SimulatedWave] = ()
    wave_count: int = 0
    told: int = 0
    told_units: int = 0
    told_by: Mapping[str, int] = field(default_factory=dict)
    bought_units: int = 0
    skipped: Mapping[PassReason, int] = field(default_factory=dict)
    over_at: datetime | None = None
    looks: int = 0
    ended_by: RunEnd = RunEnd.all_told


@dataclass(frozen=True, slots=True)
class Simulation:
    """A dry run of one variant's restock, with what it was asked. `units` None: without limit."""

    variant_id: int
    units: int | None
    policy: NotificationPolicy
    at: datetime
    bought_share: float
    waiting: int
    played: Played

    @property
    def not_reached(self) -> int:
        """How many were never looked at."""
        return max(0, self.waiting - self.played.told - sum(self.played.skipped.values()))


@dataclass(frozen=True, slots=True)
class VariantPreview:
    """How many people would be told of one variant now: `before` and `after` a change of settings.

    `held` would be told only once the merchant confirms: the change alone makes it a restock. `is_unread`: Shopify has
    to be asked anew before anybody can say. `is_cut`: it would be more than that, counting stopped early.
    """

    variant_id: int
    before: int = 0
    after: int = 0
    held: int = 0
    is_open: bool = False
    is_held: bool = False
    is_unread: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class SettingsPreview:
    """What a change of settings would do now, over all variants somebody waits for; `top` has those it changes most.

    `at_least`: counting stopped early.
    """

    before: int = 0
    after: int = 0
    held: int = 0
    open_variants: int = 0
    held_variants: int = 0
    unread_variants: int = 0
    at_least: bool = False
    top: Sequence[VariantPreview] = ()

    def plus(self, one: VariantPreview) -> SettingsPreview:
        """Count one more variant in."""
        return SettingsPreview(
            self.before + one.before,
            self.after + one.after,
            self.held + one.held,
            self.open_variants + one.is_open,
            self.held_variants + one.is_held,
            self.unread_variants + one.is_unread,
            self.at_least or one.is_cut,
        )
