"""Erasing what is old: a slow walk through the large tables, a page a transaction, that goes on at the next call.

A walk that is lost with its process begins again: what is left to erase is found again by its age.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from restock.database import Database
from restock.deliveries.repository.retention import drop_finished, drop_lanes
from restock.privacy import repository
from restock.subscriptions.repository.erasing import drop_ended, drop_old_purchases

PAGE = 1000
LANE_DAYS = 30
BETWEEN_WALKS_SECONDS = 6 * 3600.0
_Walk = Callable[[Session, int, int, int], int | None]  # after which id, older than days, how many -> the last id
_WALKS: dict[str, _Walk] = {
    "deliveries": drop_finished,
    "subscriptions": drop_ended,
    "purchases": drop_old_purchases,
    "lanes": lambda session, after, days, limit: drop_lanes(session, after, min(days, LANE_DAYS), limit),
}


@dataclass
class _Place:
    """Where a walk goes on, and when; on this machine's monotonic clock."""

    after: int = 0
    not_before: float = 0.0


@dataclass(frozen=True)
class Retention:
    """Walk. `days`: how long what is over is kept."""

    database: Database
    days: int
    _places: dict[str, _Place] = field(default_factory=lambda: {name: _Place() for name in _WALKS})

    def sweep(self, seconds: float) -> int:
        """Erase for up to so many seconds, a page at least; return how many pages were looked at."""
        began, pages = time.monotonic(), 0
        with self.database.transaction() as session:
            repository.drop_old_exports(session, PAGE)
        for name, walk in _WALKS.items():
            place = self._places[name]
            while time.monotonic() >= place.not_before and (not pages or time.monotonic() - began < seconds):
                with self.database.transaction() as session:
                    last = walk(session, place.after, self.days, PAGE)
                pages += 1
                place.after = last or 0
                place.not_before = 0.0 if last else time.monotonic() + BETWEEN_WALKS_SECONDS
        return pages
