"""When shops are told, what becomes of a message, and what it says: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.alerts.rules import Again, Done, next_digest, read_facts, rearms_below, what_next
from restock.channels.alerts.values import AlertFacts, VariantLine
from restock.channels.values import Outcome, Verdict
from restock.shops.values import AlertRhythm

BERLIN = "Europe/Berlin"


@given(
    st.integers(1_700_000_000, 1_900_000_000),
    st.sampled_from([AlertRhythm.daily, AlertRhythm.weekly]),
    st.integers(0, 23),
    st.sampled_from([BERLIN, "America/St_Johns", "Pacific/Apia", "UTC", None, "nowhere"]),
)
def test_a_digest_is_always_ahead_at_its_hour_and_never_far(
    seconds: int, rhythm: AlertRhythm, hour: int, zone: str | None
) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    at = next_digest(now, rhythm, hour, zone)
    assert at is not None
    assert now < at <= now + timedelta(days=8 if rhythm is AlertRhythm.weekly else 2)
    local = at.astimezone(ZoneInfo(zone if zone and "/" in zone else "UTC"))
    assert rhythm is AlertRhythm.daily or local.weekday() == 0
    assert abs(local.hour - hour) <= 1, "the hour a clock jumps over is the next"


@pytest.mark.parametrize("rhythm", [AlertRhythm.off, AlertRhythm.each])
def test_other_rhythms_have_no_digest(rhythm: AlertRhythm) -> None:
    assert next_digest(datetime.now(UTC), rhythm, 8, BERLIN) is None


@pytest.mark.parametrize(
    ("verdict", "doubts", "age", "found"),
    [
        (Verdict.accepted, 0, 0, Done("sent")),
        (Verdict.refused, 0, 0, Done("failed", "why")),
        (Verdict.deferred, 0, 0, Again(30, "why", 0)),
        (Verdict.deferred, 0, 100, Done("failed", "why")),
        (Verdict.unanswered, 0, 0, Again(120, "why", 1)),
        (Verdict.unanswered, 2, 0, Done("unknown", "why")),
    ],
)
def test_what_follows_from_an_outcome(verdict: Verdict, doubts: int, age: int, found: Done | Again) -> None:
    reason = "why" if verdict is not Verdict.accepted else ""
    assert what_next(Outcome(1, verdict, reason), 1, doubts, timedelta(hours=age)) == found


@pytest.mark.parametrize(("threshold", "below"), [(1, 1), (2, 1), (3, 2), (10, 5), (11, 6)])
def test_a_waitlist_is_told_of_again_after_it_has_halved(threshold: int, below: int) -> None:
    assert rearms_below(threshold) == below


def test_facts_survive_their_keeping() -> None:
    from dataclasses import asdict

    facts = AlertFacts(2, 3, 4, "x", [VariantLine("Mug", 3, 4)], 5, 6, 1, ["email"], weekly=True)
    assert read_facts({**asdict(facts), "of_a_later_version": 1}) == facts
    assert AlertFacts().is_empty
