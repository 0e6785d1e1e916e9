"""When a restock is on, and whose turn it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.catalog.values import ReadingSource, StockReading
from restock.restocks.rules import Close, Keep, Nothing, Open, capacity, detect_restock, plan_wave, tried_enough
from restock.restocks.values import CloseReason, PassReason
from restock.shops.values import NotificationPolicy, QuantityRule
from restock.subscriptions.values import QueuePlace

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SOLD_OUT, ALL_TOLD = Close(CloseReason.sold_out), Close(CloseReason.all_told)


def reading(units: int | None, *, sellable: bool | None = None) -> StockReading:
    can = units is None or units > 0 if sellable is None else sellable
    return StockReading(1, 2, can, units, ReadingSource.webhook, NOON)


def place(number: int, quantity: int = 1) -> QueuePlace:
    return QueuePlace(number, number + 1000, "email", quantity, NOON + timedelta(seconds=number))


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
    assert plan_wave([place(1)], hidden, 0, NotificationPolicy()).offers == ()


def test_the_first_in_line_go_first_until_the_units_are_given_out() -> None:
    plan = plan_wave([place(n) for n in range(1, 6)], reading(3), 0, NotificationPolicy(factor=1))
    assert [turn.subscription_id for turn in plan.offers] == [1, 2, 3]
    assert plan.passed_over == ((4, PassReason.not_enough_free), (5, PassReason.not_enough_free))
    assert plan.free_left == 0


def test_a_smaller_request_behind_may_go_first() -> None:
    plan = plan_wave([place(1, 2), place(2, 4), place(3, 1)], reading(3), 0, NotificationPolicy(factor=1))
    assert [turn.subscription_id for turn in plan.offers] == [1, 3]
    assert plan.passed_over == ((2, PassReason.wants_more),)


def test_open_offers_count_against_the_free_units() -> None:
    plan = plan_wave([place(1), place(2)], reading(3), 2, NotificationPolicy(factor=1))
    assert [turn.subscription_id for turn in plan.offers] == [1]


def test_when_others_buy_meanwhile_nobody_more_is_offered() -> None:
    assert plan_wave([place(1)], reading(1), 5, NotificationPolicy(factor=1)).offers == ()


def test_everybody_at_once_still_asks_whether_the_wish_can_be_met() -> None:
    plan = plan_wave([place(1), place(2, 9), place(3)], reading(2), 0, NotificationPolicy(factor=None))
    assert [turn.subscription_id for turn in plan.offers] == [1, 3]
    assert plan.free_left is None


def test_ignoring_quantities_counts_everybody_as_one() -> None:
    policy = NotificationPolicy(factor=1, quantity_rule=QuantityRule.ignore)
    plan = plan_wave([place(1, 9), place(2, 9), place(3, 9)], reading(2), 0, policy)
    assert [(turn.subscription_id, turn.units) for turn in plan.offers] == [(1, 1), (2, 1)]


def test_whoever_could_not_be_reached_is_not_offered_again() -> None:
    plan = plan_wave([place(1), place(2)], reading(1), 0, NotificationPolicy(factor=1), tried={1})
    assert [turn.subscription_id for turn in plan.offers] == [2]


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


policies = st.builds(
    NotificationPolicy,
    factor=st.none() | st.sampled_from([0.5, 1.0, 1.5, 2.0, 5.0]),
    quantity_rule=st.sampled_from(QuantityRule),
)
queues = st.lists(st.integers(1, 12), max_size=40).map(lambda wants: [place(n, q) for n, q in enumerate(wants, 1)])
units = st.none() | st.integers(0, 60)


@given(queues, units, st.integers(0, 80), policies, st.sets(st.integers(1, 40), max_size=5))
def test_a_wave_never_gives_out_more_than_there_is_and_forgets_nobody(
    queue, available, open_units, policy, tried
) -> None:
    """Open offers stay within the factor; nobody is offered twice or passed over who fits; nobody is lost."""
    now = reading(available)
    plan = plan_wave(queue, now, open_units, policy, tried)
    offered = [turn.subscription_id for turn in plan.offers]
    passed = [person for person, _ in plan.passed_over]
    assert sorted(offered + passed) == [p.subscription_id for p in queue]
    limit = capacity(now, policy)
    given_out = sum(turn.units for turn in plan.offers)
    if limit is not None:
        assert given_out <= max(0, limit - open_units)
        assert plan.free_left == max(0, limit - open_units) - given_out
    free = None if limit is None else max(0, limit - open_units)
    for person in queue:  # a second, independent account: one pass in order
        wanted = 1 if policy.quantity_rule is QuantityRule.ignore else person.quantity
        fits = (
            now.sellable
            and (now.units is None or wanted <= now.units)
            and (free is None or wanted <= free)
            and person.subscription_id not in tried
        )
        assert (person.subscription_id in offered) is fits
        if fits and free is not None:
            free -= wanted


@given(queues, policies)
def test_everybody_is_offered_when_there_is_enough(queue, policy) -> None:
    plan = plan_wave(queue, reading(10_000), 0, policy)
    assert len(plan.offers) == len(queue)


@given(queues, st.integers(1, 60), st.integers(1, 7))
def test_planning_page_by_page_gives_what_planning_at_once_gives(queue, available, size) -> None:
    policy = NotificationPolicy(factor=1)
    at_once = plan_wave(queue, reading(available), 0, policy)
    offered, open_units = [], 0
    for start in range(0, len(queue), size):
        plan = plan_wave(queue[start : start + size], reading(available), open_units, policy)
        offered += plan.offers
        open_units += sum(turn.units for turn in plan.offers)
    assert tuple(offered) == at_once.offers
