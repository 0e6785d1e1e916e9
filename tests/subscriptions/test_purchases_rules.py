"""Whose waiting an order ends, and which message it is owed to: in tables, and for any list at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.subscriptions.rules.purchases import CLOCKS_DIFFER, Bought, Stranger, Told, match_purchase
from restock.subscriptions.values import Listed, SubscriptionState

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
active, pending, notified = SubscriptionState.active, SubscriptionState.pending, SubscriptionState.notified


def listed(
    number: int = 1,
    state: SubscriptionState = active,
    *,
    joined: timedelta = timedelta(days=-30),
    by_address: bool = True,
    shared: bool = False,
) -> Listed:
    return Listed(number, 111, state, NOON + joined, by_address, shared)


def told(ago: timedelta, offer: int = 5) -> Told:
    return Told(offer, 9, NOON - ago)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

CASES = [
    ("nobody is on the list", [], {}, Stranger()),
    ("waiting, never told: taken off, nothing recovered", [listed()], {}, Bought(1, (1,), None)),
    ("not confirmed yet: taken off too", [listed(state=pending)], {}, Bought(1, (1,), None)),
    ("told an hour ago: recovered", [listed(state=notified)], {1: told(HOUR)}, Bought(1, (1,), told(HOUR))),
    ("told exactly a window ago", [listed(state=notified)], {1: told(WEEK)}, Bought(1, (1,), told(WEEK))),
    ("told longer ago than the window", [listed(state=notified)], {1: told(WEEK + HOUR)}, Stranger()),
    (
        "told after the order: off the list, not recovered",
        [listed(state=notified)],
        {1: told(-HOUR)},
        Bought(1, (1,), None),
    ),
    (
        "told within the second the order's time is cut to",
        [listed(state=notified)],
        {1: told(-CLOCKS_DIFFER)},
        Bought(1, (1,), told(-CLOCKS_DIFFER)),
    ),
    ("notified, but its turn is gone from the books", [listed(state=notified)], {}, Stranger()),
    ("joined after the order: waits for the next one", [listed(joined=HOUR)], {}, Stranger()),
    ("known by Shopify's word alone", [listed(by_address=False)], {}, Bought(1, (1,), None)),
    ("by Shopify's word, but others stand behind it", [listed(by_address=False, shared=True)], {}, Stranger()),
    ("by address, though others stand behind it", [listed(shared=True)], {}, Bought(1, (1,), None)),
    (
        "two channels: both end, the older is written down",
        [listed(2, joined=-DAY), listed(1, joined=-HOUR)],
        {},
        Bought(2, (1, 2), None),
    ),
    (
        "told on one channel, waiting on the other",
        [listed(1), listed(2, notified)],
        {2: told(DAY)},
        Bought(2, (1, 2), told(DAY)),
    ),
    (
        "told on both: the later message has it",
        [listed(1, notified), listed(2, notified)],
        {1: told(HOUR, 5), 2: told(DAY, 6)},
        Bought(1, (1, 2), told(HOUR, 5)),
    ),
]


@pytest.mark.parametrize(("people", "messages", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_an_order_ends_the_buyers_own_waiting(
    people: list[Listed], messages: dict[int, Told], expected: Bought | Stranger
) -> None:
    assert match_purchase(NOON, people, messages, WEEK) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([active, pending, notified]),
            st.integers(-100, 100),
            st.booleans(),
            st.booleans(),
            st.none() | st.integers(-100, 400),
        ),
        max_size=6,
    )
)
def test_only_who_joined_before_is_ended_and_only_a_message_before_is_credited(
    drawn: list[tuple[SubscriptionState, int, bool, bool, int | None]],
) -> None:
    people, messages = [], {}
    for number, (state, joined, by_address, shared, ago) in enumerate(drawn):
        people.append(listed(number, state, joined=timedelta(hours=joined), by_address=by_address, shared=shared))
        if ago is not None:
            messages[number] = told(timedelta(hours=ago), offer=100 + number)
    decided = match_purchase(NOON, people, messages, WEEK)
    if isinstance(decided, Stranger):
        return
    assert decided.subscription_id in decided.close
    assert all(people[number].joined_at <= NOON + CLOCKS_DIFFER for number in decided.close)
    assert all(people[number].by_address or not people[number].is_shared for number in decided.close)
    if decided.credit is not None:
        assert decided.credit == messages[decided.subscription_id]
        assert NOON - WEEK - CLOCKS_DIFFER <= decided.credit.told_at <= NOON + CLOCKS_DIFFER
