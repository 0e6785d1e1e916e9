"""The words of an answer. Standard library only; no value here holds a whole address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from restock.reports.values.standing import Place, StockNow

Gauges = dict[str, dict[tuple[tuple[str, str], ...], float]]  # name -> labels -> figure


@dataclass(frozen=True, slots=True)
class VariantStock:
    """One variant on the shelf. `sellable` None: never read yet. `units` None: without limit, or never read.

    `levels` is what each stocked location has, by Shopify's location id.
    """

    variant_id: int
    sellable: bool | None
    units: int | None
    levels: Mapping[int, int]
    waiting_count: int
    waiting_units: int


@dataclass(frozen=True, slots=True)
class Waitlist:
    """One variant's queue in order, and the people it let go last, newest first."""

    variant_id: int
    now: StockNow
    waiting: Sequence[Place]
    left: Sequence[Place]


@dataclass(frozen=True, slots=True)
class MessageOrigin:
    """What one message goes back to; `turn_came_at` as in PlaceFacts."""

    delivery_id: int
    variant_id: int
    wave_number: int
    turn_came_at: datetime
