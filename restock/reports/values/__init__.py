"""The words of an answer. Standard library only; no value here holds a whole address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
class StockNow:
    """What the places of one queue are judged by.

    `free_units` is what may still be offered; None means without limit. `event_is_open` False: no restock is going on.
    """

    sellable: bool
    units: int | None
    event_is_open: bool
    free_units: int | None


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What is recorded about one place: the subscription, its last offer, and that offer's delivery.

    `turn_came_at` is when the restock began, for people of its first wave; for later ones, when theirs was planned.
    """

    subscription_id: int
    channel: str
    masked_address: str
    quantity: int
    state: str
    end_reason: str | None
    queued_at: datetime
    offer_state: str | None
    turn_ends_at: datetime | None
    delivery_state: str | None
    delivery_reason: str | None
    sent_at: datetime | None
    turn_came_at: datetime | None
    wave_number: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """One place with its current reason. `position` is None for people who no longer wait."""

    facts: PlaceFacts
    position: int | None
    reason: str


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
