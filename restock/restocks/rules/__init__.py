"""The decisions of a restock: when it is on, and whose turn it is. Pure: facts in, a decision out.

Level-triggered, like a thermostat: what counts is what is so, never what has just changed, so a message that is lost,
doubled or late cannot mislead it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from restock.catalog.values import StockReading
from restock.restocks.values import CloseReason, PassReason, Turn, TurnsTaken, WaveFacts, WavePlan
from restock.shops.values import NotificationPolicy, QuantityRule
from restock.subscriptions.values import HistoryEntry, HistoryKind, QueuePlace

MAX_OFFERS_PER_EVENT = 3
LONGEST_KEPT = timedelta(hours=12)  # for so long at most units are kept for somebody who sleeps
SLEEPING = frozenset({PassReason.asleep, PassReason.lent_on})
NO_FACTS = WaveFacts()
PASS_PAGE = 250  # variants a question, Shopify's limit
_POINTS_A_VARIANT = 3
_POINTS_A_SECOND = 80  # of the 100 that the smallest plan has; the rest is left to what webhooks tell of
_SHARE_OF_INTERVAL = 0.8
# The goods were the reason, or the person's own wish; not an address that cannot be reached.
RETRYABLE_RETURNS = frozenset({"sold_out", "stale", "paused"})


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


def free_units(reading: StockReading, policy: NotificationPolicy, open_units: int) -> int | None:
    """Count the units a wave may give out while open offers keep `open_units`; None means without limit."""
    limit = capacity(reading, policy)
    return None if limit is None else max(0, limit - open_units)


def plan_wave(  # noqa: PLR0917 (said with these words by all who plan or pretend to)
    queue_page: Sequence[QueuePlace],
    reading: StockReading,
    free: int | None,
    policy: NotificationPolicy,
    now: datetime,
    facts: WaveFacts = NO_FACTS,
) -> WavePlan:
    """Decide who of one page of the queue gets a turn, in the order of the page, counted in units.

    `free` is what `free_units` says, or what the page before has left. A person who does not fit is passed over for
    this wave and keeps the place; a smaller request behind may go first. With nothing free the wave is over: whoever
    comes after is not reached, and not passed over either.
    """
    offers: list[Turn] = []
    passed_over: list[tuple[int, PassReason]] = []
    wakes: list[datetime] = []
    for place in queue_page:
        if free == 0:
            break
        wanted = units_wanted(place.quantity, policy)
        sleeps_until = place.wakes_at if place.wakes_at is not None and place.wakes_at > now else None
        reason = _pass_reason(place, wanted, reading, free, facts) or _sleep_reason(
            place, sleeps_until, free, now, facts
        )
        if reason is not None:
            passed_over.append((place.subscription_id, reason))
            if reason in SLEEPING and sleeps_until is not None:
                wakes.append(sleeps_until)
            continue
        offers.append(Turn(place.subscription_id, place.contact_id, place.channel, wanted, sleeps_until))
        free = None if free is None else free - wanted
    return WavePlan(tuple(offers), tuple(passed_over), free, min(wakes, default=None))


def _pass_reason(
    place: QueuePlace, wanted: int, reading: StockReading, free: int | None, facts: WaveFacts
) -> PassReason | None:
    """Say why an awake person is passed over: what can be changed least comes first."""
    if place.market_id in facts.closed_markets:
        return PassReason.not_in_market
    if place.subscription_id in facts.declined:
        return PassReason.declined
    if place.subscription_id in facts.tried:
        return PassReason.tried
    if not can_be_bought(reading) or (reading.units is not None and wanted > reading.units):
        return PassReason.wants_more
    return PassReason.not_enough_free if free is not None and wanted > free else None


def _sleep_reason(
    place: QueuePlace, sleeps_until: datetime | None, free: int | None, now: datetime, facts: WaveFacts
) -> PassReason | None:
    """Say whether a sleeper's units would be kept in vain. Where units are without limit, sleep costs nobody anything.

    Whoever certainly sleeps longer than units are kept lets others go first at once, instead of after LONGEST_KEPT.
    """
    if sleeps_until is None or free is None:
        return None
    if place.subscription_id in facts.lent_on:
        return PassReason.lent_on
    return PassReason.asleep if sleeps_until > now + LONGEST_KEPT else None


def tried_enough(returns: Sequence[str]) -> bool:
    """Say whether a person whose offers of one event came back for these reasons is left alone until the next.

    A message that failed for good would fail again; goods that were sold out for a moment deserve another try, but
    not for ever.
    """
    return len(returns) >= MAX_OFFERS_PER_EVENT or any(reason not in RETRYABLE_RETURNS for reason in returns)


def wave_facts(taken: Sequence[TurnsTaken], closed_markets: Set[int]) -> WaveFacts:
    """Sum up who has had which turn in this restock already."""
    return WaveFacts(
        tried=frozenset(one.subscription_id for one in taken if tried_enough(one.returns)),
        declined=frozenset(one.subscription_id for one in taken if one.declined),
        closed_markets=closed_markets,
        lent_on=frozenset(one.subscription_id for one in taken if one.lent_on),
    )


def passed_over(
    event_id: int, queue_page: Sequence[QueuePlace], plan: WavePlan, free: int | None, policy: NotificationPolicy
) -> list[HistoryEntry]:
    """Say for the history who of a page was passed over and why; `free` is what the page began with."""
    reasons, units = dict(plan.passed_over), {turn.subscription_id: turn.units for turn in plan.offers}
    entries = []
    for place in queue_page:
        person = place.subscription_id
        if person in reasons:
            wanted = units_wanted(place.quantity, policy)
            entries.append(
                HistoryEntry(person, HistoryKind.passed_over, reasons[person], event_id, units=wanted, free_units=free)
            )
        free = None if free is None else free - units.get(person, 0)
    return entries


def pass_pause(variant_count: int, interval_seconds: float) -> float:
    """Say how long a pass over so many variants rests after each page of PASS_PAGE, in seconds.

    As long as the smallest plan's points need to come back; shorter where the interval asks for it. Whoever has fewer
    points than that is told by Shopify to wait.
    """
    pages = max(1, math.ceil(variant_count / PASS_PAGE))
    return min(PASS_PAGE * _POINTS_A_VARIANT / _POINTS_A_SECOND, interval_seconds * _SHARE_OF_INTERVAL / pages)
