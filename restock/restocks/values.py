"""The words of a restock. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from restock.subscriptions.values import Cursor


class OfferState(StrEnum):
    """Where one subscriber's turn stands; only `open` offers count against the free units."""

    open = "open"  # it is this person's turn
    ended = "ended"  # the turn is over
    returned = "returned"  # never reached the person: back to the original place
    bought = "bought"  # the person has ordered it: an order closed the turn


class CloseReason(StrEnum):
    """Why an event is over."""

    sold_out = "sold_out"  # the variant can no longer be bought
    all_told = "all_told"  # nobody waits and every turn is over
    shop_uninstalled = "shop_uninstalled"  # the shop has removed the app


class PassReason(StrEnum):
    """Why somebody was passed over in a wave; the place is kept."""

    wants_more = "wants_more"  # more units wanted than can be bought at all
    not_enough_free = "not_enough_free"  # more units wanted than others have left free
    not_in_market = "not_in_market"  # not sold in the market the person signed up in
    tried = "tried"  # could not be reached in this restock


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """A variant's open restock. `cursor` is the place in the queue that a running wave has come to."""

    id: int
    shop_id: int
    variant_id: int
    opened_at: datetime
    wave_count: int = 0
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One offer to be made: who, and how many units it keeps from others while it is open."""

    subscription_id: int
    contact_id: int
    channel: str
    units: int


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What becomes of one page of the queue. `free_left` None means without limit."""

    offers: tuple[Turn, ...]
    passed_over: tuple[tuple[int, PassReason], ...]  # subscription id and why
    free_left: int | None


@dataclass(frozen=True, slots=True)
class OfferNotice:
    """An offer that is to be told to one person on one channel."""

    shop_id: int
    event_id: int
    offer_id: int
    subscription_id: int
    contact_id: int
    channel: str


@dataclass(frozen=True, slots=True)
class StockDue:
    """What is waiting to be done about stock."""

    checks: bool
    plans: bool
    passes: bool = False


@dataclass(frozen=True, slots=True)
class ShopPass:
    """A pass over one shop's waiting variants that is under way: where it has come to."""

    shop_id: int
    started_at: datetime
    cursor_variant_id: int
    seen_count: int
    last_variant_count: int


@dataclass(frozen=True, slots=True)
class ReconcileState:
    """How often a shop's waiting variants are looked at, whatever webhooks tell.

    `interval_seconds` is what is reached: the one wanted, or as long as a whole pass takes where that is more. None:
    no pass has ended yet.
    """

    started_at: datetime | None
    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_variant_count: int | None
    interval_seconds: float | None

    def exceeds(self, wanted_seconds: float) -> bool:
        """Say whether a pass takes noticeably longer than wanted; a twentieth more is no news."""
        return self.interval_seconds is not None and self.interval_seconds > 1.05 * wanted_seconds


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What would be told as back in stock by changed settings alone."""

    variant_count: int
    people_count: int
