"""Models of how other systems share a restock out, from their public documentation alone.

Nothing here was tried on a live service, and every name says how, not who. Where the documentation is silent, the model
does what is kindest to the policy: it begins at once, and tells nobody of one sign-up twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from tests.benchmarks.policies.sharing import Look, Place, Told


@dataclass(frozen=True, slots=True)
class Rival:
    """One documented way.

    `people_per_unit` None: everybody. `recount_minutes`: how long after a wave stock is counted and the next one sent;
    None: a restock is one wave. `by_threshold`: only those whose wanted quantity is on the shelf, each by themselves.
    """

    name: str
    title: str
    people_per_unit: float | None = None
    recount_minutes: float | None = None
    by_threshold: bool = False
    settle_minutes: float = 0.0

    def begin(self) -> RivalRun:
        return RivalRun(self)


@dataclass(slots=True)
class RivalRun:
    """One story under such a policy: it remembers when it counts next."""

    way: Rival
    _next_at: float | None = field(default=None)

    def look(self, now: float, units: int, queue: Sequence[Place], *, is_restock: bool) -> Look:
        """Send a wave when stock has come or it is time to count again; `queue` is in its order."""
        is_time = self._next_at is not None and now >= self._next_at
        if units <= 0 or not (is_restock or is_time):
            return Look((), self._next_at if units > 0 else None)
        chosen = [place for place in queue if not self.way.by_threshold or place.person.quantity <= units]
        if self.way.people_per_unit is not None:
            chosen = chosen[: math.floor(units * self.way.people_per_unit)]
        self._next_at = None if self.way.recount_minutes is None else now + self.way.recount_minutes
        return Look(tuple(Told(place.person.id, units) for place in chosen), self._next_at)

    def may_leave(self, person_id: int, units: int) -> bool:
        """What is sent leaves."""
        return True

    def bought(self, person_id: int) -> None:
        """A purchase changes nothing but the stock that is counted next."""

    def declined(self, person_id: int) -> bool:
        """There is no such button."""
        return False

    def came_back(self) -> Sequence[int]:
        """Nobody's place is kept."""
        return ()

    def stands_back(self) -> Set[int]:
        return frozenset()


RIVALS: tuple[Rival, ...] = (
    Rival("at-once", "everybody at once"),
    Rival("hourly", "a person per unit, counted hourly", people_per_unit=1, recount_minutes=60),
    Rival("half-daily", "a person per unit, counted every 12 h", people_per_unit=1, recount_minutes=720),
    Rival("five-fold", "five people per unit, counted hourly", people_per_unit=5, recount_minutes=60),
    Rival("threshold", "everybody whose quantity is there", by_threshold=True),
)
