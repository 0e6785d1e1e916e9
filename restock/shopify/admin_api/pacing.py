"""How often a shop may be asked: its points, and a pause for one that does not answer. Pure; seconds are any clock's.

Shopify fills a bucket of points at a steady rate and says after each answer how full it is. Nobody waits here: the
rules say how long, and the caller asks somebody else meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_WAIT = 1.0  # after THROTTLED, as Shopify advises
MOST_WAIT = 60.0
FAILURES_BEFORE_PAUSE = 3
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
TRIAL_SECONDS = 15.0  # longer than one call can take


@dataclass(frozen=True, slots=True)
class Bucket:
    """How full Shopify said the bucket was."""

    maximum: float
    available: float
    restore_rate: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of one shop. `bucket` None: not asked yet."""

    bucket: Bucket | None = None
    bucket_at: float = 0.0
    in_flight: float = 0.0  # points of questions without an answer yet
    not_before: float = 0.0  # throttled until
    failures: int = 0  # in a row
    paused_until: float = 0.0


def wait_for_points(pace: Pace, points: float, now: float) -> float:
    """Say how many seconds to wait before asking for so many points; 0 for none.

    What costs more than a bucket holds may go when the bucket is full.
    """
    wait = max(0.0, pace.not_before - now)
    if pace.bucket is None:
        return min(wait, MOST_WAIT)
    missing = min(points, pace.bucket.maximum) - _available(pace, pace.bucket, now)
    if missing > 0:
        wait = max(wait, missing / pace.bucket.restore_rate)
    return min(wait, MOST_WAIT)


def may_try(pace: Pace, now: float) -> bool:
    """Say whether a shop that did not answer may be asked again."""
    return pace.failures < FAILURES_BEFORE_PAUSE or now >= pace.paused_until


def asked(pace: Pace, points: float, now: float) -> Pace:
    """Note a question on its way; while a shop is on trial it is the only one."""
    on_trial = pace.failures >= FAILURES_BEFORE_PAUSE
    paused_until = now + TRIAL_SECONDS if on_trial else pace.paused_until
    return replace(pace, in_flight=pace.in_flight + points, paused_until=paused_until)


def answered(pace: Pace, points: float, bucket: Bucket | None, now: float) -> Pace:
    """Note an answer, whatever it said, to a question noted with so many points."""
    rest = max(0.0, pace.in_flight - points)
    known = replace(pace, bucket=bucket, bucket_at=now) if bucket else pace
    return replace(known, in_flight=rest, failures=0, paused_until=0.0)


def throttled(pace: Pace, cost: float, told_seconds: float | None, now: float) -> Pace:
    """Note that Shopify asks to wait: the seconds it told, else until what it asked for is there again."""
    seconds = told_seconds if told_seconds is not None else LEAST_WAIT
    if told_seconds is None and pace.bucket:
        missing = min(cost, pace.bucket.maximum) - pace.bucket.available
        seconds = max(seconds, missing / pace.bucket.restore_rate)
    return replace(pace, not_before=max(pace.not_before, now + min(max(seconds, LEAST_WAIT), MOST_WAIT)))


def unanswered(pace: Pace, points: float, now: float) -> Pace:
    """Note a question that got no answer; the pause doubles with each."""
    failures = pace.failures + 1
    doublings = min(max(0, failures - FAILURES_BEFORE_PAUSE), 16)
    pause = min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE) if failures >= FAILURES_BEFORE_PAUSE else 0.0
    rest = max(0.0, pace.in_flight - points)
    return replace(pace, in_flight=rest, failures=failures, paused_until=now + pause)


def _available(pace: Pace, bucket: Bucket, now: float) -> float:
    refilled = bucket.available + max(0.0, now - pace.bucket_at) * bucket.restore_rate
    return min(refilled, bucket.maximum) - pace.in_flight
