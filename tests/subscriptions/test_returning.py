"""Who goes back to the old place."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from restock.subscriptions.rules.returning import Returns, ToldIntent, ToldPlace, decide_returns

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ADA, BOB = uuid.UUID(int=1), uuid.UUID(int=2)


def place(number: int, contact: int = 1, **more: object) -> ToldPlace:
    joined = NOON + timedelta(minutes=number)
    return replace(ToldPlace(number, contact, 7, 0, joined, 0, has_left=False, newer_id=None), **more)  # type: ignore[arg-type]


def intent(number: int, customer: uuid.UUID = ADA, *, has_newer: bool = False) -> ToldIntent:
    return ToldIntent(uuid.UUID(int=number), customer, "email", has_newer)


def test_everybody_who_was_told_goes_back_with_what_they_said() -> None:
    returns = decide_returns([place(1, 1, intents=(intent(11),)), place(2, 2), place(3, 3, intents=(intent(13, BOB),))])
    assert returns == Returns((1, 2, 3), {}, (uuid.UUID(int=11), uuid.UUID(int=13)))


def test_who_has_left_stays_told() -> None:
    assert decide_returns([place(1, has_left=True, newer_id=9)]) == Returns((), {}, ())


def test_who_has_asked_again_inherits_the_best_of_the_older_places() -> None:
    returns = decide_returns([place(4, newer_id=9), place(2, newer_id=9, priority=1)])
    assert returns == Returns((), {9: (NOON + timedelta(minutes=2), 1)}, ())


def test_of_two_old_places_of_one_address_the_first_is_kept() -> None:
    assert decide_returns([place(5), place(3)]).back == (3,)
    assert decide_returns([place(5), place(3, market_id=2)]).back == (3, 5)


def test_a_wish_taken_to_another_address_is_not_put_back_at_the_old_one() -> None:
    assert decide_returns([place(1, intents=(intent(11, has_newer=True),))]) == Returns((), {}, ())
    shared = place(1, intents=(intent(11, has_newer=True), intent(12, BOB)))
    assert decide_returns([shared]) == Returns((1,), {}, (uuid.UUID(int=12),))


def test_a_customer_with_two_addresses_has_one_wish_open_again() -> None:
    returns = decide_returns([place(1, 1, intents=(intent(11),)), place(2, 2, intents=(intent(12),))])
    assert returns == Returns((1, 2), {}, (uuid.UUID(int=11),))
