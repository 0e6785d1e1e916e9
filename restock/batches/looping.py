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

from restock.batches.threads import MOST
from restock.statements import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WAITING = 256  # beyond it the database is far behind: `is_ready` says no, and requests queue for threads as usual
PATIENCE_SECONDS = 20.0  # longer than a batch takes: its statement is cut off long before
_CONNECT_AGAIN_SECONDS = 1.0

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
    """Writes items for an event loop; every method but the making belongs to the loop's thread."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        wire: Wire[Item, Result],
        alone: Callable[[Item], Result],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._connect, self._wire, self._alone, self._patience_seconds = connect, wire, alone, patience_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: Executor | None = None
        self._connection: Connection | None = None
        self._waiting: deque[_Turn[Item, Result]] = deque()
        self._flying: list[_Turn[Item, Result]] = []
        self._result: pq.abc.PGresult | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_idle, self._is_opening, self._flushes = True, False, False
        self._socket = -1
        self._open_at = 0.0

    def attach(self, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        """Work for this loop from now on; `threads` is where what would hold it up is done."""
        self._loop, self._threads = loop, threads
        self._open()

    @property
    def is_ready(self) -> bool:
        """Say whether `write` may be called; where the connection is gone, a new one is on its way."""
        if self._connection is None:
            self._open()
            return False
        return len(self._waiting) < MOST_WAITING

    def write(self, item: Item, keys: Collection[Hashable]) -> asyncio.Future[Result]:
        """Write one item; two that share a key are never in one batch. Call it only when `is_ready`.

        The future raises what `alone` raises.
        """
        loop = self._on_loop()
        turn: _Turn[Item, Result] = _Turn(item, keys, loop.create_future())
        self._waiting.append(turn)
        if self._is_idle:
            self._is_idle = False
            loop.call_soon(self._begin)  # whoever is read in this round of the loop comes along
        return turn.answer

    def close(self) -> None:
        """End the connection; what is on its way is done alone."""
        self._drop()

    def _on_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "attach it to a loop first"
        return self._loop

    def _open(self) -> None:
        """Open the connection in a thread, not more often than once in a while."""
        if self._loop is None or self._is_opening or self._loop.time() < self._open_at:
            return
        self._is_opening = True
        self._open_at = self._loop.time() + _CONNECT_AGAIN_SECONDS
        self._loop.run_in_executor(self._threads, self._connect_prepared).add_done_callback(self._opened)

    def _connect_prepared(self) -> Connection:
        connection = self._connect()
        self._wire.prepare(connection)
        connection.pgconn.nonblocking = 1
        return connection

    def _opened(self, opening: asyncio.Future[Connection]) -> None:
        self._is_opening = False
        if opening.cancelled() or opening.exception() is not None:
            return  # the next request asks again
        self._connection = opening.result()
        self._socket = self._connection.fileno()
        self._on_loop().add_reader(self._socket, self._read)

    def _begin(self) -> None:
        """Send the longest waiting, with as many others as may come along."""
        batch = self._take()
        self._is_idle = not batch
        if not batch:
            return
        if self._connection is None:
            self._each_alone(batch)
            self._begin()
            return
        self._flying = batch
        self._deadline = self._on_loop().call_later(self._patience_seconds, self._lose)
        try:
            self._wire.send(self._connection, [turn.item for turn in batch])
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _take(self) -> list[_Turn[Item, Result]]:
        """Take the longest waiting; one that shares a key with another before it stays where it is."""
        batch: list[_Turn[Item, Result]] = []
        later: list[_Turn[Item, Result]] = []
        seen: set[Hashable] = set()
        while self._waiting and len(batch) < MOST:
            turn = self._waiting.popleft()
            (batch if seen.isdisjoint(turn.keys) else later).append(turn)
            seen.update(turn.keys)
        self._waiting.extendleft(reversed(later))
        return batch

    def _flush(self) -> None:
        """Hand the kernel what it takes; the rest when it takes more."""
        assert self._connection is not None
        is_left = bool(self._connection.pgconn.flush())
        if is_left != self._flushes:
            self._flushes = is_left
            if is_left:
                self._on_loop().add_writer(self._socket, self._flush_more)
            else:
                self._on_loop().remove_writer(self._socket)

    def _flush_more(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        """Take what the server has said; when it has said everything, the next batch goes before anybody is told."""
        assert self._connection is not None
        wire = self._connection.pgconn
        try:
            wire.consume_input()
            if self._flushes:
                self._flush()
            while self._flying and not wire.is_busy():
                if (result := wire.get_result()) is not None:
                    self._result = result
                    continue
                batch, said, self._flying, self._result = self._flying, self._result, [], None
                self._land(batch, said)
        except psycopg.Error as error:
            self._lose(error)

    def _land(self, batch: list[_Turn[Item, Result]], said: pq.abc.PGresult | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._begin()
        if said is None:
            self._each_alone(batch)
            return
        try:
            results = self._wire.receive(said, [turn.item for turn in batch])
        except psycopg.Error as error:
            log.info("batch_taken_apart", size=len(batch), error=type(error).__name__)
            self._each_alone(batch)
            if isinstance(error, psycopg.errors.InvalidSqlStatementName):  # a pooler forgot what was prepared
                self._lose(error)
            return
        for turn, result in zip(batch, results, strict=True):
            if result is None:
                self._each_alone([turn])
            elif not turn.answer.done():
                turn.answer.set_result(result)

    def _lose(self, error: psycopg.Error | None = None) -> None:
        """Give up the connection, broken or silent, and open another."""
        log.info("batch_connection_lost", error=type(error).__name__ if error else "silence", size=len(self._flying))
        self._drop()
        self._open()

    def _drop(self) -> None:
        """Close the connection; everybody who counted on it goes alone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        loop = self._on_loop()
        if self._deadline is not None:
            self._deadline.cancel()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        connection.close()
        stranded = [*self._flying, *self._waiting]
        self._flying, self._result, self._flushes, self._is_idle = [], None, False, True
        self._waiting.clear()
        self._each_alone(stranded)

    def _each_alone(self, turns: Sequence[_Turn[Item, Result]]) -> None:
        for turn in turns:
            doing = self._on_loop().run_in_executor(self._threads, self._alone, turn.item)
            doing.add_done_callback(partial(_tell, turn.answer))


def _tell(answer: asyncio.Future[Result], doing: asyncio.Future[Result]) -> None:
    """Pass on what came of one that was done alone."""
    if answer.done() or doing.cancelled():
        return
    if (error := doing.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(doing.result())
