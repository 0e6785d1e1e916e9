"""How a walk along a queue goes on, and when it rests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from restock.restocks.rules.walking import (
    CROWD,
    LONGEST_REST,
    GoOn,
    WalkEnds,
    WalkFacts,
    after_page,
    earliest,
    fewer,
    pause_after_counting,
    rest_after,
)
from restock.restocks.values import Turn, WavePlan

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SOON, LATER = NOON + timedelta(seconds=30), NOON + timedelta(hours=1)
LONG, SHORT = timedelta(seconds=3), timedelta(0)


def plan(*, offers: int = 0, free: int | None = 5, look: datetime | None = None) -> WavePlan:
    return WavePlan(tuple(Turn(n, n, "email", 1) for n in range(offers)), (), free, look)


def test_a_walk_goes_on_while_something_is_left_and_somebody_may_stand_further_on() -> None:
    assert after_page(plan(offers=1), WalkFacts(NOON), page_is_full=True) == GoOn(None)
    assert after_page(plan(free=None), WalkFacts(NOON, LONG), page_is_full=True) == GoOn(None)


def test_a_walk_ends_where_nothing_is_left_or_nobody_comes_after() -> None:
    assert after_page(plan(offers=5, free=0), WalkFacts(NOON, LONG), page_is_full=True) == WalkEnds(None)
    assert after_page(plan(offers=5), WalkFacts(NOON, LONG), page_is_full=False) == WalkEnds(None)
    assert after_page(plan(), WalkFacts(NOON), page_is_full=False) == WalkEnds(None)


def test_a_walk_of_many_pages_that_found_nobody_at_its_end_rests_ten_times_as_long() -> None:
    assert after_page(plan(), WalkFacts(NOON, LONG), page_is_full=False) == WalkEnds(None, timedelta(seconds=30))
    assert rest_after(timedelta(minutes=5)) == LONGEST_REST
    assert rest_after(SHORT) == SHORT


def test_while_it_rests_a_walk_goes_as_far_as_people_fit() -> None:
    resting = WalkFacts(NOON, rest_until=SOON)
    assert after_page(plan(), resting, page_is_full=True) == WalkEnds(SOON)
    assert after_page(plan(offers=1), resting, page_is_full=True) == GoOn(None)
    assert after_page(plan(), WalkFacts(NOON, rest_until=NOON), page_is_full=True) == GoOn(None)


def test_a_crowd_of_open_offers_is_not_counted_all_the_time() -> None:
    assert pause_after_counting(CROWD - 1) is None
    assert pause_after_counting(1_000_000) == timedelta(seconds=4)


@pytest.mark.parametrize(("before", "page", "first"), [(LATER, SOON, SOON), (None, LATER, LATER), (SOON, None, SOON)])
def test_the_first_sleeper_of_all_pages_is_remembered(before, page, first) -> None:
    facts = WalkFacts(NOON, LONG, look_at=before)
    assert after_page(plan(look=page), facts, page_is_full=True) == GoOn(first)
    assert after_page(plan(offers=1, look=page), facts, page_is_full=False) == WalkEnds(first)


def test_never_and_without_limit() -> None:
    assert (earliest(None, None), earliest(None, SOON), earliest(LATER, SOON)) == (None, SOON, SOON)
    assert (fewer(None, None), fewer(None, 3), fewer(4, 3)) == (None, 3, 3)
