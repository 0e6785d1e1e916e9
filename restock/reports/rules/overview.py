"""Sum up what the tables counted. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from restock.reports.values.overview import ChannelSent, Day, DaySent, DayState, Outcomes

_UNDELIVERED = frozenset({"bounced", "complained", "failed"})
_OUTCOME = {
    "pending": "waiting",
    "active": "waiting",
    "notified": "told",
    "purchased": "bought",
    "cancelled": "left",
    "expired": "left",
}


def first_day(today: date, days: int) -> date:
    """Give the first of the last `days` days, today included."""
    return today - timedelta(days=days - 1)


def sum_outcomes(asked: Sequence[DayState]) -> Outcomes:
    """Say what became of those who asked."""
    counts: Counter[str] = Counter()
    for row in asked:
        counts[_OUTCOME[row.state]] += row.count
    return Outcomes(asked=sum(counts.values()), **counts)


def sum_channels(sent: Sequence[DaySent]) -> list[ChannelSent]:
    """Sum up each channel over the days, the busiest first."""
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in sent:
        totals[row.channel].update(_tally(row))
    channels = [
        ChannelSent(name, total["sent"], total["delivered"], total["clicked"], total["undelivered"])
        for name, total in totals.items()
    ]
    return sorted(channels, key=lambda c: (-c.sent, c.channel))


def fill_days(start: date, today: date, asked: Sequence[DayState], sent: Sequence[DaySent]) -> list[Day]:
    """Give every day from `start` to `today` its figures, zeros included."""
    signups: Counter[date] = Counter()
    messages: Counter[date] = Counter()
    for row in asked:
        signups[row.day] += row.count
    for message in sent:
        messages[message.day] += _tally(message)["sent"]
    days = [start + timedelta(days=number) for number in range((today - start).days + 1)]
    return [Day(day, signups[day], messages[day]) for day in days]


def _tally(row: DaySent) -> dict[str, int]:
    return {
        "sent": 0 if row.state == "failed" else row.count,
        "delivered": row.count if row.state == "delivered" else 0,
        "clicked": row.clicked,
        "undelivered": row.count if row.state in _UNDELIVERED else 0,
    }
