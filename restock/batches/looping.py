"""Writes that arrive together are made together, on an event loop: no thread waits for them, and none is woken.

The counterpart of `threads` for a caller that is one thread with many requests. The loop is never held up: connecting,
and whatever has to be done alone, happens in threads. A batch that fails is taken apart and each of it done alone, so a
batch can never change what an item alone would have come to. It must know no table and no room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import psycopg
import structlog
from psycopg import pq

from restock.batches.lane import PATIENCE_SECONDS, LoopLane
from restock.batches.taking import MOST, take_batch
from restock.statements import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WAITING = 256  # beyond it the database is far behind: `is_ready` says no, and requests queue for threads as usual
LANES = 1  # a second one is worth it where a batch takes the database longer than the loop needs for the next

log = structlog.get_logger(__name__)


class Wire(NamedTuple, Generic[Item, Result]):
    """How items travel. `receive` gives each one's result in its place, None where one has to be done alone.

    psycopg.Error from `receive` means that nothing was written.
    """

    prepare: Callable[[Connection], None]
    send: Callable[[Connection, Sequence[Item]], None]
    receive: Callable[[pq.abc.PGresult, Sequence[Item]], Sequence[Result | None]]


class _Turn(NamedTuple, Generic[Item, Result]):
    """One item that waits, and the future that is told what came of it."""

    item: Item
    keys: Collection[Hashable]
    answer: asyncio.Future[Result]


class LoopBatches(Generic[Item, Result]):
    """Writes items for an event loop; every method but the making belongs to the loop's thread.

    As many batches are on their way at the same time as there are `lanes`. One leaves as soon as `enough` wait, and
    with fewer at the end of the loop's round: callers who were all answered at once would otherwise come in step, and
    the loop and the database would wait for each other in turn.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        wire: Wire[Item, Result],
        alone: Callable[[Item], Result],
        *,
        lanes: int = LANES,
        enough: int = MOST,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._wire, self._alone, self._enough = wire, alone, enough
        self._lanes = [LoopLane(partial(_prepared, connect, wire.prepare), patience_seconds) for _ in range(lanes)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: Executor | None = None
        self._waiting: deque[_Turn[Item, Result]] = deque()
        self._is_beginning = False

    def attach(self, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        """Work for this loop from now on; `threads` is where what would hold it up is done."""
        self._loop, self._threads = loop, threads
        for lane in self._lanes:
            lane.attach(loop, threads)

    @property
    def is_ready(self) -> bool:
        """Say whether `write` may be called; where a connection is gone, a new one is on its way."""
        if self._loop is None:
            return False
        is_open = [lane.is_open() for lane in self._lanes]  # each of them: asking opens it
        return any(is_open) and len(self._waiting) < MOST_WAITING

    def write(self, item: Item, keys: Collection[Hashable]) -> asyncio.Future[Result]:
        """Write one item; two that share a key are never in one batch. Call it only when `is_ready`.

        The future raises what `alone` raises.
        """
        loop = self._on_loop()
        turn: _Turn[Item, Result] = _Turn(item, keys, loop.create_future())
        self._waiting.append(turn)
        if len(self._waiting) >= self._enough:
            self._begin()
        elif not self._is_beginning:
            self._is_beginning = True
            loop.call_soon(self._begin)  # whoever is read in this round of the loop comes along
        return turn.answer

    def close(self) -> None:
        """End the connections; what is on its way is done alone."""
        for lane in self._lanes:
            lane.drop()

    def _on_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "attach it to a loop first"
        return self._loop

    def _begin(self) -> None:
        """Send whoever waits, as far as there are lanes; with no connection left, everybody goes alone."""
        self._is_beginning = False
        for lane in self._lanes:
            if lane.is_free and (batch := take_batch(self._waiting)):
                lane.fly(partial(self._send, batch), partial(self._land, batch))
        if self._waiting and not any(lane.connection for lane in self._lanes):
            stranded = [*self._waiting]
            self._waiting.clear()
            self._each_alone(stranded)

    def _send(self, batch: Sequence[_Turn[Item, Result]], connection: Connection) -> None:
        self._wire.send(connection, [turn.item for turn in batch])

    def _land(self, batch: Sequence[_Turn[Item, Result]], said: pq.abc.PGresult | None) -> psycopg.Error | None:
        """Let the next ones go, then tell these, even where the next cannot be sent; return what was wrong with them.

        None was said: nobody heard.
        """
        try:
            self._begin()
        finally:
            error = self._tell(batch, said)
        return error

    def _tell(self, batch: Sequence[_Turn[Item, Result]], said: pq.abc.PGresult | None) -> psycopg.Error | None:
        if said is None:
            self._each_alone(batch)
            return None
        results: Sequence[Result | None] | None = None
        try:
            results = self._wire.receive(said, [turn.item for turn in batch])
        except psycopg.Error as error:
            log.info("batch_taken_apart", size=len(batch), error=type(error).__name__)
            return error
        finally:
            if results is None:  # whatever was wrong, a fault of ours too: nobody is left without an answer
                self._each_alone(batch)
        for turn, result in zip(batch, results, strict=True):
            if result is None:
                self._each_alone([turn])
            elif not turn.answer.done():
                turn.answer.set_result(result)
        return None

    def _each_alone(self, turns: Sequence[_Turn[Item, Result]]) -> None:
        for turn in turns:
            doing = self._on_loop().run_in_executor(self._threads, self._alone, turn.item)
            doing.add_done_callback(partial(_pass_on, turn.answer))


def _prepared(connect: Callable[[], Connection], prepare: Callable[[Connection], None]) -> Connection:
    connection = connect()
    prepare(connection)
    connection.pgconn.nonblocking = 1
    return connection


def _pass_on(answer: asyncio.Future[Result], doing: asyncio.Future[Result]) -> None:
    """Pass on what came of one that was done alone."""
    if answer.done() or doing.cancelled():
        return
    if (error := doing.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(doing.result())
