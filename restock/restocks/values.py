"""The words of a restock. Standard library only."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from restock.shops.values import QueueOrder
from restock.subscriptions.values import Cursor

NO_TIME = datetime.min.replace(tzinfo=UTC)
NAMED_OFFERS = "restock.offers"  # the setting in which a transaction's statements hand offers on


class OfferState(StrEnum):
    """Where one subscriber's turn stands; only `open` offers count against the free units."""

    open = "open"  # it is this person's turn
    ended = "ended"  # the turn is over
    returned = "returned"  # never reached the person, or not while awake: back to the original place
    declined = "declined"  # "not now": the turn went to the next in line, the place is kept
    missed = "missed"  # sold out during the turn: back to the original place
    bought = "bought"  # the person has ordered it: an order closed the turn


class CloseReason(StrEnum):
    """Why an event is over."""

    sold_out = "sold_out"  # the variant can no longer be bought
    all_told = "all_told"  # nobody waits and every turn is over
    shop_uninstalled = "shop_uninstalled"  # the shop has removed the app


class PassReason(StrEnum):
    """Why somebody was passed over in a wave: others behind may go first, the place is kept.

    Whom a wave does not come to, because nothing is left to give, is not passed over: those are simply not next yet.
    """

    wants_more = "wants_more"  # more units wanted than can be bought at all
    not_enough_free = "not_enough_free"  # more units wanted than others have left free
    not_in_market = "not_in_market"  # not sold in the market the person signed up in
    tried = "tried"  # could not be reached in this restock
    declined = "declined"  # said "not now" in this restock
    asleep = "asleep"  # wakes too late for units to be kept until then
    lent_on = "lent_on"  # slept through the time the units were kept for; looked at again when awake
    paused = "paused"  # asked to hear nothing for now: stands in no page of the queue, the place is kept


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """A variant's open restock, as read at `seen_at`. `cursor` is the place in the queue a running wave has come to.

    `look_at`: when the first sleeper whom that wave has passed over wakes. `rest_until`: until then a walk ends where
    a page of the queue has nobody who fits.
    """

    id: int
    shop_id: int
    variant_id: int
    opened_at: datetime
    wave_count: int = 0
    cursor: Cursor | None = None
    look_at: datetime | None = None
    rest_until: datetime | None = None
    seen_at: datetime = NO_TIME


@dataclass(frozen=True, slots=True)
class ClosedEvent:
    """A variant's restock that has sold out, some of whose turns may still be running."""

    id: int
    shop_id: int
    variant_id: int


@dataclass(frozen=True, slots=True)
class WaveGround:
    """What a wave is planned on. `capacity`: units that may be out in open offers; None anywhere: without limit."""

    units: int | None
    capacity: int | None
    free_units: int | None
    order: QueueOrder


@dataclass(frozen=True, slots=True)
class RunningWave:
    """A walk under way: what it was planned on, and what it has left to give; None: without limit.

    `order` None: of a time when there was only one.
    """

    id: int
    capacity: int | None
    order: str | None
    free_left: int | None
    planned_at: datetime


@dataclass(frozen=True, slots=True)
class TurnsTaken:
    """What became of one subscription's earlier offers in the same restock. `returns`: why messages never arrived."""

    subscription_id: int
    returns: tuple[str, ...]
    declined: bool
    lent_on: bool


@dataclass(frozen=True, slots=True)
class HeldTurn:
    """One open offer about to end before its time. `contact_id` None: the person was erased, or is not asked for."""

    offer_id: int
    event_id: int
    subscription_id: int
    contact_id: int | None
    units: int


@dataclass(frozen=True, slots=True)
class OfferRef:
    """Which shop's offer a message was about."""

    shop_id: int
    offer_id: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One offer to be made: who, and how many units it keeps from others while it is open.

    `wakes_at`: the person sleeps; the units are kept, and the message leaves then. None: awake.
    """

    subscription_id: int
    contact_id: int
    channel: str
    units: int
    wakes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """What is known of this restock besides the queue: subscriptions, and markets where the variant is not sold.

    `tried` could not be reached in it, `declined` said "not now", `lent_on` slept too long.
    """

    tried: Set[int] = frozenset()
    declined: Set[int] = frozenset()
    closed_markets: Set[int] = frozenset()
    lent_on: Set[int] = frozenset()


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What becomes of one page of the queue. `free_left` None means without limit.

    `next_look_at` is when the first of those passed over for their sleep wakes; None: nobody was.
    """

    offers: tuple[Turn, ...]
    passed_over: tuple[tuple[int, PassReason], ...]  # subscription id and why
    free_left: int | None
    next_look_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfferNotice:
    """An offer that is to be told to one person on one channel. `due_at`: when the person wakes; None: now."""

    shop_id: int
    event_id: int
    offer_id: int
    subscription_id: int
    contact_id: int
    channel: str
    due_at: datetime | None = None


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
