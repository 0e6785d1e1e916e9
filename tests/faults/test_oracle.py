"""The judge of the fault runs is judged: each kind of failure is seen, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.oracle import Judgement, lies_of, repeats_of, told_twice
from tests.faults.town import Due
from tests.faults.witnesses import Accepted

ADA, BEA = Due("email", "ada@example.com"), Due("sms", "+447700000001")
GOOD = Judgement(
    due=2,
    accepted=2,
    never_sent=[],
    unknown=0,
    told_twice=[],
    repeats={},
    repeats_allowed=0,
    lies=[],
    webhooks_lost=0,
    settled_seconds=1.0,
    unsettled={},
    states={"sent": 2},
)
BAD: list[tuple[dict[str, object], str]] = [
    ({"never_sent": [ADA]}, "never sent"),
    ({"told_twice": [BEA]}, "told twice"),
    ({"repeats": {"email": 101}, "repeats_allowed": 100}, "101 repeats"),
    ({"lies": ["email sent, not taken"]}, "say what providers do not"),
    ({"webhooks_lost": 1}, "not stored once"),
    ({"settled_seconds": None, "unsettled": {"doubts open": 1}}, "doubts open"),
    ({"settled_seconds": 61.0}, "not settled within 60 s"),
]


def took(person: Due, identity: str) -> Accepted:
    return Accepted(person.channel, person.recipient, identity, 0.0)


def test_a_run_that_met_every_goal_has_no_faults() -> None:
    assert GOOD.faults() == []


@pytest.mark.parametrize(("change", "words"), BAD)
def test_each_missed_goal_is_named(change: dict[str, object], words: str) -> None:
    (sentence,) = replace(GOOD, **change).faults()  # type: ignore[arg-type]
    assert words in sentence


def test_the_same_name_twice_is_a_repeat_and_two_names_are_two_messages() -> None:
    taken = [took(ADA, "<r1@x>"), took(ADA, "<r1@x>"), took(BEA, "SM1"), took(BEA, "SM2")]
    assert repeats_of(taken) == {"email": 1, "sms": 0}
    assert told_twice(taken, {ADA, BEA}, set()) == [BEA]
    assert told_twice(taken, {ADA, BEA}, {BEA}) == [], "a reminder is a second message by right"


@pytest.mark.parametrize(
    ("states", "was_taken", "is_lie"),
    [
        ({"sent"}, True, False),
        ({"sent"}, False, True),
        ({"failed"}, True, True),
        ({"skipped"}, False, False),
        ({"sent", "skipped"}, True, False),
        ({"unknown"}, True, False),
        ({"unknown"}, False, False),
    ],
)
def test_a_row_that_says_other_than_its_provider_is_a_lie(states: set[str], was_taken: bool, is_lie: bool) -> None:
    assert bool(lies_of({ADA: states}, {ADA} if was_taken else set())) is is_lie
