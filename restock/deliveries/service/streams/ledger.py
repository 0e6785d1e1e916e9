"""Outcomes on their way into the rows: written in groups at the desk while the channel goes on.

Of what a provider has taken, no more than GROUP_SIZE may be lost in doubt at any moment, whichever claim it belongs to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from restock.channels.values import Outcome
from restock.deliveries.service.streams.desk import Desk, Here
from restock.deliveries.service.streams.holds import Hold, Timer

GROUP_SIZE = 100
GROUP_SECONDS = 0.2
_MEANWHILE = 20

Group = Mapping[Hold, Sequence[Outcome]]


class Ledger:
    """Gathers outcomes and has them written. `write` does so with a group, at the desk."""

    def __init__(self, desk: Desk, write: Callable[[Group], None], timer: Timer) -> None:
        self._desk, self._write, self._timer = desk, write, timer
        self._waiting: list[tuple[Hold, Outcome]] = []
        self._since = timer()
        self._under_way: deque[tuple[Future[None], int]] = deque()
        self._unwritten = 0  # how many of them
        # A record costs nearly the same whatever is in it; so many may come while it is written.
        self._enough = GROUP_SIZE if isinstance(desk, Here) else GROUP_SIZE - _MEANWHILE

    def add(self, hold: Hold, outcome: Outcome) -> bool:
        """Take an outcome; True when a group has just left for the desk. Waits where too many are not written yet.

        Raises what writing an earlier group has raised.
        """
        self._waiting.append((hold, outcome))
        is_ripe = len(self._waiting) >= self._enough or self._timer() - self._since >= GROUP_SECONDS
        if not is_ripe and not self._is_full():
            return False
        self._look()
        if self._under_way and not self._is_full():
            return False  # the desk is busy: more may come together meanwhile
        while self._under_way and self._is_full():
            self._wait()
        self.hand_over()
        return True

    def hand_over(self) -> None:
        """Have everything written that waits, without waiting for it."""
        self._since = self._timer()
        if not self._waiting:
            return
        group: dict[Hold, list[Outcome]] = defaultdict(list)
        for hold, outcome in self._waiting:
            group[hold].append(outcome)
        count, self._waiting = len(self._waiting), []
        self._unwritten += count
        self._under_way.append((self._desk.submit(self._write, group), count))

    def close(self) -> None:
        """Return when everything is written; raise what writing has raised, after all of it was tried."""
        self.hand_over()
        for future, _ in self._under_way:
            future.exception()
        while self._under_way:
            self._wait()

    def _is_full(self) -> bool:
        return len(self._waiting) + self._unwritten >= GROUP_SIZE

    def _look(self) -> None:
        while self._under_way and self._under_way[0][0].done():
            self._wait()

    def _wait(self) -> None:
        future, count = self._under_way.popleft()
        self._unwritten -= count
        future.result()
