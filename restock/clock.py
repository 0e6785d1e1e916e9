"""What time it is, as a port.

Rules never ask; they are told. Races are settled by the database's own `now()`, never by this clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Say what time it is, always aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """Read the machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
