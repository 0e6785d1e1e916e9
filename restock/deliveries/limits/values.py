"""The words of what limits text messages. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How many segments a second one sender hands over, over all processes. `sender` is its name in the database."""

    sender: str
    segments_per_second: float


@dataclass(frozen=True, slots=True)
class Admission:
    """What a claim may take. `held` stay queued for `held_seconds` because of `why`, `flooding` are not sent at all.

    `rest_seconds`: whoever is in none of these waits so long, and the whole lane with them.
    """

    leaving: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    flooding: frozenset[int] = frozenset()
    why: str = ""
    held_seconds: float = 0.0
    rest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TextsToday:
    """A shop's text messages on its day: segments sent, of how many (None: no limit), and messages that wait.

    `filtered_count` wait because carriers filter too many, `capped_count` because the day's are used up.
    """

    segment_count: int = 0
    daily_cap: int | None = None
    capped_count: int = 0
    filtered_count: int = 0
