"""Writes that arrive together are made together: one statement, one commit, however many threads ask.

Nobody waits for company. Whoever finds nobody writing writes at once; those who come meanwhile are written by one of
them in one go. A batch that fails is taken apart and each of it done alone, so a batch can never change what an item
alone would have come to. It must know no table and no room.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Generic, TypeVar

import psycopg
import structlog

from restock.batches.taking import take_batch
from restock.errors import UnavailableError
from restock.statements import Connection, Lane

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE_SECONDS = 20.0  # longer than a batch and the one before it take: their statements are cut off long before
_RETRY_AFTER_SECONDS = 5

log = structlog.get_logger(__name__)


class _Turn(Generic[Item, Result]):
    """One item that waits. `done` is released when there is news: a result, a batch to write, or neither (alone)."""

    __slots__ = ("batch", "done", "item", "keys", "lane", "result")

    def __init__(self, item: Item, keys: Collection[Hashable]) -> None:
        self.item, self.keys = item, keys
        self.result: Result | None = None
        self.batch: list[_Turn[Item, Result]] = []
        self.lane: Lane | None = None  # set: this one's thread writes `batch`, itself first, over this lane
        self.done = threading.Lock()


class Batches(Generic[Item, Result]):
    """Writes items, alone or together. Safe across threads; each process has its own, also after a fork.

    `together` writes many in one statement and answers each in its place, None where one has to be done alone;
    psycopg.Error from it means that nothing was written. `alone` writes one. As many batches are on their way at the
    same time as there are `lanes`.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        together: Callable[[Connection, Sequence[Item]], Sequence[Result | None]],
        alone: Callable[[Item], Result],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._together, self._alone, self._patience_seconds = together, alone, patience_seconds
        self._mutex = threading.Lock()
        self._free = list(lanes)
        self._waiting: deque[_Turn[Item, Result]] = deque()

    def write(self, item: Item, keys: Collection[Hashable]) -> Result:
        """Write one item; two that share a key are never in one batch.

        Raises what `alone` raises, and UnavailableError when nothing was heard for `patience_seconds`.
        """
        turn: _Turn[Item, Result] = _Turn(item, keys)
        with self._mutex:
            lane = self._free.pop() if self._free else None
            if lane is None:
                turn.done.acquire()
                self._waiting.append(turn)
        if lane is not None:
            return self._lead(lane, [turn])
        if not turn.done.acquire(timeout=self._patience_seconds):
            self._give_up(turn)
        if turn.lane is not None:
            return self._lead(turn.lane, turn.batch)
        return self._alone(item) if turn.result is None else turn.result

    def _lead(self, lane: Lane, batch: Sequence[_Turn[Item, Result]]) -> Result:
        """Write a batch, let the next one begin, then tell everybody."""
        first, *others = batch
        try:
            if not others:
                return self._alone(first.item)  # over the thread's own connection, at no cost beyond today's
            self._write_together(lane, batch)
        finally:
            self._pass_on(lane)
            for turn in others:
                turn.done.release()
        return self._alone(first.item) if first.result is None else first.result

    def _write_together(self, lane: Lane, batch: Sequence[_Turn[Item, Result]]) -> None:
        try:
            results = self._together(lane.connection(), [turn.item for turn in batch])
        except psycopg.Error as error:
            log.info("batch_taken_apart", size=len(batch), error=type(error).__name__)
            if error.sqlstate is None:  # the connection was lost: the server had no say
                lane.drop()
            return
        for turn, result in zip(batch, results, strict=True):
            turn.result = result

    def _pass_on(self, lane: Lane) -> None:
        """Give the lane to the first of those who wait, with as many others as may come along."""
        with self._mutex:
            batch = take_batch(self._waiting)
            if not batch:
                self._free.append(lane)
                return
            batch[0].batch, batch[0].lane = batch, lane
        batch[0].done.release()

    def _give_up(self, turn: _Turn[Item, Result]) -> None:
        """Leave the queue, unless the news came at this very moment."""
        with self._mutex:
            if turn.lane is not None or turn.result is not None:
                return
            if turn in self._waiting:
                self._waiting.remove(turn)
        raise UnavailableError("Please try again in a few seconds.", retry_after_seconds=_RETRY_AFTER_SECONDS)
