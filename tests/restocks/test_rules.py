"""When a restock is on, and whose turn it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from restock.catalog.values import ReadingSource, StockReading
from restock.restocks.rules import (
    LONGEST_KEPT,
    NO_FACTS,
    Close,
    Keep,
    Nothing,
    Open,
    capacity,
    detect_restock,
    free_units,
    plan_wave,
    tried_enough,
)
from restock.restocks.values import CloseReason, PassReason, WaveFacts, WavePlan
from restock.shops.values import NotificationPolicy, QuantityRule
from restock.subscriptions.values import QueuePlace

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ONE_EACH = NotificationPolicy(factor=1)
SOLD_OUT, ALL_TOLD = Close(CloseReason.sold_out), Close(CloseReason.all_told)


def reading(units: int | None, *, sellable: bool | None = None) -> StockReading:
    can = units is None or units > 0 if sellable is None else sellable
    return StockReading(1, 2, can, units, ReadingSource.webhook, NOON)


def place(number: int, quantity: int = 1, *, market: int = 0, wakes_at: datetime | None = None) -> QueuePlace:
    joined = NOON + timedelta(seconds=number)
    return QueuePlace(number, number + 1000, "email", quantity, joined, market, wakes_at=wakes_at)


@pytest.mark.parametrize(
    ("units", "minimum", "waiting", "turns", "decision"),
    [
        (5, 1, 3, None, Open()),
        (None, 1, 3, None, Open()),
        (5, 1, 0, None, Nothing()),
        (0, 1, 3, None, Nothing()),
        (4, 5, 3, None, Nothing()),
        (5, 5, 3, None, Open()),
        (None, 5, 3, None, Open()),
        (5, 1, 3, 0, Keep()),
        (5, 1, 0, 2, Keep()),
        (5, 1, 0, 0, ALL_TOLD),
        (0, 1, 3, 2, SOLD_OUT),
        (0, 1, 0, 0, SOLD_OUT),
        (4, 5, 3, 0, Keep()),
    ],
)
def test_the_thermostat(units, minimum, waiting, turns, decision) -> None:
    """`turns` are the open turns of the open event, None where no event is open."""
    policy, is_open = NotificationPolicy(minimum_units=minimum), turns is not None
    assert detect_restock(reading(units), policy, waiting, event_is_open=is_open, open_turns=turns or 0) == decision


def test_units_that_cannot_be_bought_are_none() -> None:
    """An archived product may still have stock."""
    hidden = reading(9, sellable=False)
    assert detect_restock(hidden, NotificationPolicy(), 3, event_is_open=False, open_turns=0) == Nothing()
    assert capacity(hidden, NotificationPolicy()) == 0
    assert wave([place(1)], hidden).offers == ()


def wave(
    queue: list[QueuePlace],
    now: StockReading,
    open_units: int = 0,
    policy: NotificationPolicy = ONE_EACH,
    facts: WaveFacts = NO_FACTS,
) -> WavePlan:
    """A wave at noon, while open offers keep so many units."""
    return plan_wave(queue, now, free_units(now, policy, open_units), policy, NOON, facts)


def offered(plan: WavePlan) -> list[int]:
    return [turn.subscription_id for turn in plan.offers]


def test_the_first_in_line_go_first_until_the_units_are_given_out() -> None:
    plan = wave([place(n) for n in range(1, 6)], reading(3))
    assert offered(plan) == [1, 2, 3]
    assert plan.free_left == 0


def test_whom_a_wave_does_not_come_to_is_not_passed_over() -> None:
    """Nobody went before them, so there is nothing to explain."""
    plan = wave([place(n) for n in range(1, 6)], reading(3))
    assert plan.passed_over == ()
    assert wave([place(1)], reading(3), 3).passed_over == ()


def test_a_smaller_request_behind_may_go_first() -> None:
    plan = wave([place(1, 2), place(2, 4), place(3, 1)], reading(3), 2)
    assert offered(plan) == [3]
    assert plan.passed_over == ((1, PassReason.not_enough_free), (2, PassReason.wants_more))


def test_of_three_units_one_person_wanting_two_is_told_and_one_wanting_one() -> None:
    plan = wave([place(1, 2), place(2, 2), place(3, 2), place(4, 1)], reading(3))
    assert offered(plan) == [1, 4]


def test_open_offers_count_against_the_free_units() -> None:
    assert offered(wave([place(1), place(2)], reading(3), 2)) == [1]


def test_when_others_buy_meanwhile_nobody_more_is_offered() -> None:
    plan = wave([place(1)], reading(1), 5)
    assert (plan.offers, plan.free_left) == ((), 0)


@pytest.mark.parametrize(
    ("units", "factor", "open_units", "free"),
    [(10, 1.0, 0, 10), (10, 2.0, 5, 15), (3, 0.5, 0, 1), (10, 1.5, 20, 0), (None, 1.0, 7, None), (4, None, 7, None)],
)
def test_free_units_are_those_of_the_reading_times_the_factor_less_what_open_offers_keep(
    units, factor, open_units, free
) -> None:
    assert free_units(reading(units), NotificationPolicy(factor=factor), open_units) == free


def test_everybody_at_once_still_asks_whether_the_wish_can_be_met() -> None:
    plan = wave([place(1), place(2, 9), place(3)], reading(2), policy=NotificationPolicy(factor=None))
    assert offered(plan) == [1, 3]
    assert plan.free_left is None


def test_stock_without_limit_is_offered_to_everybody_whatever_they_want() -> None:
    plan = wave([place(1, 500), place(2), place(3, 9)], reading(None), 10_000)
    assert offered(plan) == [1, 2, 3]


def test_ignoring_quantities_counts_everybody_as_one() -> None:
    policy = NotificationPolicy(factor=1, quantity_rule=QuantityRule.ignore)
    plan = wave([place(1, 9), place(2, 9), place(3, 9)], reading(2), policy=policy)
    assert [(turn.subscription_id, turn.units) for turn in plan.offers] == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (WaveFacts(tried={1}), PassReason.tried),
        (WaveFacts(declined={1}), PassReason.declined),
        (WaveFacts(closed_markets={7}), PassReason.not_in_market),
        (WaveFacts(tried={1}, declined={1}, closed_markets={7}), PassReason.not_in_market),
        (WaveFacts(tried={1}, declined={1}), PassReason.declined),
    ],
)
def test_who_cannot_have_a_turn_is_passed_over_with_the_reason_that_lasts_longest(facts, reason) -> None:
    plan = wave([place(1, market=7), place(2)], reading(1), facts=facts)
    assert offered(plan) == [2]
    assert plan.passed_over == ((1, reason),)


def test_a_sleepers_units_are_kept_and_the_message_waits() -> None:
    wakes = NOON + timedelta(hours=9)
    plan = wave([place(1, wakes_at=wakes), place(2)], reading(1))
    assert [(turn.subscription_id, turn.wakes_at) for turn in plan.offers] == [(1, wakes)]
    assert plan.next_look_at is None


def test_who_sleeps_longer_than_units_are_kept_lets_others_go_first_and_is_looked_at_on_waking() -> None:
    wakes = NOON + LONGEST_KEPT + timedelta(minutes=1)
    plan = wave([place(1, wakes_at=wakes), place(2, wakes_at=wakes + timedelta(hours=1)), place(3)], reading(2))
    assert offered(plan) == [3]
    assert plan.passed_over == ((1, PassReason.asleep), (2, PassReason.asleep))
    assert plan.next_look_at == wakes


def test_whose_units_were_lent_on_waits_until_awake() -> None:
    wakes, facts = NOON + timedelta(hours=1), WaveFacts(lent_on={1})
    plan = wave([place(1, wakes_at=wakes), place(2)], reading(1), facts=facts)
    assert (offered(plan), plan.passed_over, plan.next_look_at) == ([2], ((1, PassReason.lent_on),), wakes)
    assert offered(wave([place(1), place(2)], reading(1), facts=facts)) == [1]
    assert offered(wave([place(1, wakes_at=NOON), place(2)], reading(1), facts=facts)) == [1]


def test_sleep_costs_nobody_anything_where_there_is_no_limit() -> None:
    wakes = NOON + timedelta(hours=30)
    plan = wave([place(1, wakes_at=wakes)], reading(None), facts=WaveFacts(lent_on={1}))
    assert [(turn.subscription_id, turn.wakes_at) for turn in plan.offers] == [(1, wakes)]


@pytest.mark.parametrize(
    ("returns", "enough"),
    [
        ([], False),
        (["sold_out"], False),
        (["stale", "sold_out"], False),
        (["sold_out"] * 3, True),
        (["mailbox_full"], True),
        (["sold_out", "channel_off"], True),
    ],
)
def test_who_is_tried_again_within_one_restock(returns, enough) -> None:
    assert tried_enough(returns) is enough
