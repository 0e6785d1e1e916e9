"""The words of a restock. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OfferState(StrEnum):
    """Where one subscriber's turn stands; only `open` offers count against the free units."""

    open = "open"  # it is this person's turn
    ended = "ended"  # the turn is over
    returned = "returned"  # never reached the person: back to the original place


class CloseReason(StrEnum):
    """Why an event is over."""

    sold_out = "sold_out"  # the variant can no longer be bought
    all_told = "all_told"  # nobody waits and every turn is over


@dataclass(frozen=True, slots=True)
class Waiting:
    """One place in the queue of a variant."""

    subscription_id: int
    contact_id: int
    channel: str
    quantity: int
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """A variant's open restock."""

    id: int
    shop_id: int
    variant_id: int
    opened_at: datetime
