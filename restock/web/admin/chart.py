"""The small chart of sign-ups and messages a day: where each bar stands. Pure.

The drawing is stretched to the width of its place, so it holds no text; labels stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from restock.reports.values.overview import Day

WIDTH, HEIGHT = 1000.0, 160.0
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of the drawing."""

    x: float
    y: float
    width: float
    height: float
    series: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawing: its bars, the value at the top, and the days to be written below."""

    bars: Sequence[Bar]
    top: int
    labels: Sequence[date]


def draw(days: Sequence[Day]) -> Chart:
    """Place two bars for each day side by side; a day without any gets none."""
    top = round_up(max((max(day.signups, day.messages) for day in days), default=0))
    room = WIDTH / max(1, len(days))
    width = room * 0.36
    bars = []
    for place, day in enumerate(days):
        for offset, series, value in ((0.1, "signups", day.signups), (0.52, "messages", day.messages)):
            height = max(2.0, HEIGHT * value / top) if value else 0.0
            if height:
                bars.append(
                    Bar(_trim(room * (place + offset)), _trim(HEIGHT - height), _trim(width), _trim(height), series)
                )
    middle = [days[len(days) // 2].day] if len(days) > 2 else []
    labels = [days[0].day, *middle, days[-1].day] if len(days) > 1 else [day.day for day in days]
    return Chart(bars, top, labels)


def round_up(value: int) -> int:
    """Give the next round number (1, 2 or 5 and zeros), at least 5: the top of the scale."""
    size = 1
    while True:
        for step in _STEPS:
            if step * size >= max(value, 5):
                return step * size
        size *= 10


def _trim(value: float) -> float:
    return round(value, 2)
