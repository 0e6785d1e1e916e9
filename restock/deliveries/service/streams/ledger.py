"""Outcomes on their way into the rows: written in groups while the channel goes on.

Of what a provider has taken, no more than GROUP_SIZE may be lost in doubt at any moment, whichever claim it belongs to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from restock.channels.values import Outcome
from restock.deliveries.service.streams.holds import Hold, Timer

GROUP_SIZE = 100
GROUP_SECONDS = 0.2
_PART = 64  # so many are written at once; the others of a group may come meanwhile

Group = Mapping[Hold, Sequence[Outcome]]


class Written(Protocol):
    """A group that is being written, in the words of a Future."""

    def done(self) -> bool: ...

    def result(self) -> None: ...

    def exception(self) -> BaseException | None: ...


class Ledger:
    """Gathers outcomes and has them written. `write` does so with a group, at once or later."""

    def __init__(self, write: Callable[[Group], Written], timer: Timer, *, at_once: bool = False) -> None:
        self._write, self._timer = write, timer
        self._waiting: list[tuple[Hold, Outcome]] = []
        self._since = timer()
        self._under_way: deque[tuple[Written, int]] = deque()
        self._unwritten = 0  # how many of them
        self._enough = GROUP_SIZE if at_once else _PART

    def add(self, hold: Hold, outcome: Outcome) -> bool:
        """Take an outcome; True when a group has just left. Waits where too many are not written yet.

        Raises what writing an earlier group has raised.
        """
        self._waiting.append((hold, outcome))
        is_ripe = len(self._waiting) >= self._enough or self._timer() - self._since >= GROUP_SECONDS
        if not is_ripe and not self._is_full():
            return False
        self._look()
        while self._under_way and self._is_full():
            self._wait()
        if not is_ripe:
            return False  # a record costs nearly the same whatever is in it
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
        self._under_way.append((self._write(group), count))

    def close(self) -> None:
        """Return when everything is written; raise what writing has raised, after all of it was tried."""
        try:
            self.hand_over()
        finally:  # where that fails, the others are tried all the same
            for written, _ in self._under_way:
                written.exception()
        while self._under_way:
            self._wait()

    def _is_full(self) -> bool:
        return len(self._waiting) + self._unwritten >= GROUP_SIZE

    def _look(self) -> None:
        while self._under_way and self._under_way[0][0].done():
            self._wait()

    def _wait(self) -> None:
        written, count = self._under_way.popleft()
        self._unwritten -= count
        written.result()
