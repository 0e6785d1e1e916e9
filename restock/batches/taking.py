"""Who comes along in the next batch: those who have waited longest, as far as they may be written together."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from typing import Protocol, TypeVar

MOST = 32


class Waiting(Protocol):
    """One that waits; no two of a batch share a key."""

    @property
    def keys(self) -> Collection[Hashable]: ...


Turn = TypeVar("Turn", bound=Waiting)


def take_batch(waiting: deque[Turn]) -> list[Turn]:
    """Take the longest waiting, MOST at the most; one that shares a key with another before it stays where it is."""
    batch: list[Turn] = []
    later: list[Turn] = []
    seen: set[Hashable] = set()
    while waiting and len(batch) < MOST:
        turn = waiting.popleft()
        (batch if seen.isdisjoint(turn.keys) else later).append(turn)
        seen.update(turn.keys)
    waiting.extendleft(reversed(later))
    return batch
