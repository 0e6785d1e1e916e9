"""How a walk along a queue goes on from page to page, and when the next one may begin. Pure.

A walk stops where nothing is left to give. Where something is left that nobody fits, it goes on to the end of the
queue; how often that may happen is bounded here, or every turn that ends would lead past a million people again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from restock.restocks.values import WavePlan

# A walk in vain takes a tenth of the time, along a million people a sixth; and nobody at the far end, whom something
# that is free again would fit after all, waits longer than that to be looked at.
RESTS_TIMES = 10
LONGEST_REST = timedelta(minutes=2)
# What open offers keep is counted when a walk begins, in about 0.2 s for a million. As turns end all the time, walks
# could begin every moment; where a crowd is to be counted, they begin as often as costs a twentieth of the time.
CROWD = 50_000
PAUSE_PER_OFFER = timedelta(microseconds=4)


@dataclass(frozen=True, slots=True)
class GoOn:
    """There may be somebody further on. `look_at`: when the first sleeper passed over so far wakes."""

    look_at: datetime | None


@dataclass(frozen=True, slots=True)
class WalkEnds:
    """It is over; the queue is looked at again at `next_at`, None: when something changes.

    `rest`: for so long a walk ends where a page has nobody who fits, None: there is no need.
    """

    next_at: datetime | None
    rest: timedelta | None = None


@dataclass(frozen=True, slots=True)
class WalkFacts:
    """Where a walk stands before a page. `walked`: for how long it has been under way, None: it begins with this page.

    `look_at`: when the first sleeper of the pages before wakes. `rest_until`: the last long walk found nobody.
    """

    now: datetime
    walked: timedelta | None = None
    look_at: datetime | None = None
    rest_until: datetime | None = None


def after_page(plan: WavePlan, facts: WalkFacts, *, page_is_full: bool) -> GoOn | WalkEnds:
    """Decide how a walk goes on after a page. While it rests, no further than people fit."""
    look_at = earliest(facts.look_at, plan.next_look_at)
    if page_is_full and plan.free_left != 0:
        is_resting = facts.rest_until is not None and facts.rest_until > facts.now
        if is_resting and not plan.offers:
            return WalkEnds(earliest(facts.rest_until, look_at))
        return GoOn(look_at)
    in_vain = facts.walked is not None and not plan.offers and plan.free_left != 0
    return WalkEnds(look_at, rest_after(facts.walked) if in_vain and facts.walked is not None else None)


def rest_after(walked: timedelta) -> timedelta:
    """Say how long the far end of a queue is left alone after a walk that found nobody there."""
    return min(walked * RESTS_TIMES, LONGEST_REST)


def pause_after_counting(offers: int) -> timedelta | None:
    """Say how long no other walk begins after so many open offers were counted; None: there is no need."""
    return offers * PAUSE_PER_OFFER if offers >= CROWD else None


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Take the earlier of two moments; None counts as never."""
    return min((at for at in (one, other) if at is not None), default=None)


def fewer(one: int | None, other: int | None) -> int | None:
    """Take the smaller of two counts; None counts as without limit."""
    return min((units for units in (one, other) if units is not None), default=None)
