"""When a shop is told, and what becomes of a message to it. Pure: facts in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from restock.channels.alerts.values import AlertFacts, VariantLine
from restock.channels.values import Outcome, Verdict
from restock.shops.values import AlertRhythm

PAUSE_SECONDS = 300  # between two messages about new sign-ups, whatever happens
LADDER_SECONDS = (30, 120, 600, 1800, 3600)
LONGEST_AGE = timedelta(days=3)
MOST_DOUBTS = 3


@dataclass(frozen=True, slots=True)
class Done:
    """The provider has it, or it will never leave; `state` is where the message ends."""

    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Not now: try again after `seconds`, with the same identity."""

    seconds: float
    reason: str
    doubts: int


def next_digest(now: datetime, rhythm: AlertRhythm, hour: int, zone_name: str | None) -> datetime | None:
    """Say when the next digest is due after `now`, on the shop's clock; None: none is wanted."""
    if rhythm not in (AlertRhythm.daily, AlertRhythm.weekly):
        return None
    zone = _zone(zone_name)
    day = now.astimezone(zone).date()
    for ahead in range(9):
        at = datetime.combine(day + timedelta(days=ahead), time(hour), zone)
        if at.astimezone(now.tzinfo) > now and (rhythm is AlertRhythm.daily or at.weekday() == 0):
            return at.astimezone(now.tzinfo)
    raise AssertionError("every week has a Monday")


def write_moment(at: datetime, zone_name: str | None) -> str:
    """Write a moment on the shop's clock; in UTC, and said so, where that is not known."""
    said = f"{at.astimezone(_zone(zone_name)):%Y-%m-%d %H:%M}"
    return said if zone_name else f"{said} UTC"


def rearms_below(threshold: int) -> int:
    """Say below how many waiting people a waitlist may be told of again."""
    return max(1, (threshold + 1) // 2)


def what_next(outcome: Outcome, attempt: int, doubts: int, age: timedelta) -> Done | Again:
    """Decide what follows from one hand-over of a message `age` old; `attempt` counts from 1."""
    match outcome.verdict:
        case Verdict.accepted:
            return Done("sent")
        case Verdict.refused:
            return Done("failed", outcome.reason or "refused")
        case Verdict.unanswered if doubts + 1 >= MOST_DOUBTS:
            return Done("unknown", outcome.reason or "unanswered")
        case Verdict.unanswered:
            return Again(LADDER_SECONDS[1], outcome.reason or "unanswered", doubts + 1)
        case _ if age > LONGEST_AGE:
            return Done("failed", outcome.reason or "gave_up")
        case _:
            rung = LADDER_SECONDS[min(attempt, len(LADDER_SECONDS)) - 1]
            return Again(max(rung, outcome.retry_after_seconds or 0.0), outcome.reason or "deferred", doubts)


def when_off(age: timedelta, doubts: int) -> Done | Again:
    """Decide what becomes of a message `age` old while this instance has no e-mail."""
    return Done("failed", "channel_off") if age > LONGEST_AGE else Again(3600, "channel_off", doubts)


def read_facts(stored: Mapping[str, Any]) -> AlertFacts:
    """Read what a message tells from how it is kept; what this version does not know is left out."""
    known = {name: value for name, value in stored.items() if name in AlertFacts.__slots__}
    lines = [VariantLine(str(one["title"]), int(one["people"]), int(one["units"])) for one in known.pop("top", ())]
    return AlertFacts(**known, top=lines)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
