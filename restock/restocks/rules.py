"""The decisions of a restock: when it is on, and whose turn it is. Pure: facts in, a decision out.

Level-triggered, like a thermostat: what counts is what is so, never what has just changed, so a message that is lost,
doubled or late cannot mislead it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

from restock.catalog.values import StockReading
from restock.restocks.values import CloseReason, PassReason, Turn, WavePlan
from restock.shops.values import NotificationPolicy, QuantityRule
from restock.subscriptions.values import QueuePlace

MAX_OFFERS_PER_EVENT = 3
PASS_PAGE = 250  # variants a question, Shopify's limit
_POINTS_A_VARIANT = 3
_POINTS_A_SECOND = 80  # of the 100 that the smallest plan has; the rest is left to what webhooks tell of
_SHARE_OF_INTERVAL = 0.8
RETRYABLE_RETURNS = frozenset({"sold_out", "stale"})  # the goods were the reason, not the person


@dataclass(frozen=True, slots=True)
class Open:
    """Open an event: it can be bought, and somebody waits."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The event goes on; look at the queue again."""


@dataclass(frozen=True, slots=True)
class Close:
    """The event is over."""

    reason: CloseReason


@dataclass(frozen=True, slots=True)
class Nothing:
    """No event, and none needed."""


def detect_restock(
    reading: StockReading, policy: NotificationPolicy, waiting_count: int, *, event_is_open: bool, open_turns: int
) -> Open | Keep | Close | Nothing:
    """Decide whether a variant's restock is on.

    `minimum_units` opens an event but does not close it: those who were promised a turn by ten units are not forgotten
    when four are left. What only changed settings made possible opens nothing until the merchant confirms.
    """
    if not can_be_bought(reading):
        return Close(CloseReason.sold_out) if event_is_open else Nothing()
    if event_is_open:
        return Keep() if waiting_count or open_turns else Close(CloseReason.all_told)
    enough = reading.units is None or reading.units >= policy.minimum_units
    return Open() if waiting_count and enough and not reading.held else Nothing()


def can_be_bought(reading: StockReading) -> bool:
    """Say whether at least one unit can be bought by this reading."""
    return reading.sellable and (reading.units is None or reading.units > 0)


def capacity(reading: StockReading, policy: NotificationPolicy) -> int | None:
    """Count the units that may be out in open offers at once; None means without limit."""
    if not can_be_bought(reading):
        return 0
    if reading.units is None or policy.factor is None:
        return None
    return math.floor(reading.units * policy.factor)


def units_wanted(quantity: int, policy: NotificationPolicy) -> int:
    """Count the units one person's turn stands for."""
    return 1 if policy.quantity_rule is QuantityRule.ignore else quantity


def plan_wave(
    queue_page: Sequence[QueuePlace],
    reading: StockReading,
    open_units: int,
    policy: NotificationPolicy,
    tried: Set[int] = frozenset(),
    *,
    closed_markets: Set[int] = frozenset(),
) -> WavePlan:
    """Decide who of one page of the queue gets a turn, first come first served, counted in units.

    `open_units` are those of the event's open offers. A person who does not fit is passed over for this wave and keeps
    the place; a smaller request behind may go first. `tried` are subscriptions that must not be offered again,
    `closed_markets` those where the variant is not sold.
    """
    limit = capacity(reading, policy)
    free = None if limit is None else max(0, limit - open_units)
    offers: list[Turn] = []
    passed_over: list[tuple[int, PassReason]] = []
    for place in queue_page:
        wanted = units_wanted(place.quantity, policy)
        reason = _pass_reason(wanted, reading, free, place.subscription_id in tried)
        if place.market_id in closed_markets:
            reason = PassReason.not_in_market
        if reason is not None:
            passed_over.append((place.subscription_id, reason))
            continue
        offers.append(Turn(place.subscription_id, place.contact_id, place.channel, wanted))
        free = None if free is None else free - wanted
    return WavePlan(tuple(offers), tuple(passed_over), free)


def _pass_reason(wanted: int, reading: StockReading, free: int | None, was_tried: bool) -> PassReason | None:
    if not can_be_bought(reading) or (reading.units is not None and wanted > reading.units):
        return PassReason.wants_more
    if free is not None and wanted > free:
        return PassReason.not_enough_free
    return PassReason.tried if was_tried else None


def tried_enough(returns: Sequence[str]) -> bool:
    """Say whether a person whose offers of one event came back for these reasons is left alone until the next.

    A message that failed for good would fail again; goods that were sold out for a moment deserve another try, but
    not for ever.
    """
    return len(returns) >= MAX_OFFERS_PER_EVENT or any(reason not in RETRYABLE_RETURNS for reason in returns)


def pass_pause(variant_count: int, interval_seconds: float) -> float:
    """Say how long a pass over so many variants rests after each page of PASS_PAGE, in seconds.

    As long as the smallest plan's points need to come back; shorter where the interval asks for it. Whoever has fewer
    points than that is told by Shopify to wait.
    """
    pages = max(1, math.ceil(variant_count / PASS_PAGE))
    return min(PASS_PAGE * _POINTS_A_VARIANT / _POINTS_A_SECOND, interval_seconds * _SHARE_OF_INTERVAL / pages)
