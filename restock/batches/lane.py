"""One connection of an event loop: a statement at a time, sent and answered without ever waiting.

It opens itself in a thread, and again when it was lost. It must not know what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import psycopg
import structlog
from psycopg import pq

from restock.statements import Connection

PATIENCE_SECONDS = 20.0  # longer than a batch takes: its statement is cut off long before
_CONNECT_AGAIN_SECONDS = 1.0

Landed = Callable[[pq.abc.PGresult | None], psycopg.Error | None]

log = structlog.get_logger(__name__)


class LoopLane:
    """A connection that `connect` opens, nonblocking; every method but the making belongs to the loop's thread."""

    def __init__(self, connect: Callable[[], Connection], patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._connect, self._patience_seconds = connect, patience_seconds
        self.connection: Connection | None = None
        self._socket = -1
        self._landed: Landed | None = None
        self._result: pq.abc.PGresult | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_opening, self._flushes = False, False
        self._open_at = 0.0

    def attach(self, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        """Work for this loop from now on."""
        self._loop, self._threads = loop, threads
        self._open()

    @property
    def is_free(self) -> bool:
        return self.connection is not None and self._landed is None

    def is_open(self) -> bool:
        """Say whether the connection is there; where it is not, one is on its way."""
        if self.connection is None:
            self._open()
            return False
        return True

    def fly(self, send: Callable[[Connection], None], landed: Landed) -> None:
        """Send a statement while the lane is free. `landed` is told what came of it, None when the connection broke.

        It returns the error of the statement, if it was one.
        """
        assert self.connection is not None
        self._landed = landed
        self._deadline = self._loop.call_later(self._patience_seconds, self._lose)
        try:
            send(self.connection)
            self._flush()
        except psycopg.Error as error:
            self._lose(error)
        except ValueError as error:  # a text that cannot be written: neither who comes next nor who sends may suffer
            self._lose()
            self._loop.call_exception_handler({"message": "a batch cannot be written", "exception": error})

    def drop(self) -> None:
        """Close the connection; whatever is on its way is told that it broke."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        connection.close()
        self._result, self._flushes = None, False
        if (landed := self._end()) is not None:
            landed(None)

    def _open(self) -> None:
        """Open the connection in a thread, not more often than once in a while."""
        if self._is_opening or self._loop.time() < self._open_at:
            return
        self._is_opening = True
        self._open_at = self._loop.time() + _CONNECT_AGAIN_SECONDS
        self._loop.run_in_executor(self._threads, self._connect).add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Future[Connection]) -> None:
        self._is_opening = False
        if opening.cancelled() or opening.exception() is not None:
            return  # the next request asks again
        self.connection = opening.result()
        self._socket = self.connection.fileno()
        self._loop.add_reader(self._socket, self._read)

    def _flush(self) -> None:
        """Hand the kernel what it takes; the rest when it takes more."""
        assert self.connection is not None
        is_left = bool(self.connection.pgconn.flush())
        if is_left != self._flushes:
            self._flushes = is_left
            if is_left:
                self._loop.add_writer(self._socket, self._flush_more)
            else:
                self._loop.remove_writer(self._socket)

    def _flush_more(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        """Take what the server has said, and pass it on once it has said everything."""
        assert self.connection is not None
        wire = self.connection.pgconn
        try:
            wire.consume_input()
            if self._flushes:
                self._flush()
            while self._landed is not None and not wire.is_busy():
                if (result := wire.get_result()) is not None:
                    self._result = result
                    continue
                said, self._result, landed = self._result, None, self._end()
                error = landed(said) if landed else None
                if isinstance(error, psycopg.errors.InvalidSqlStatementName):  # a pooler forgot what was prepared
                    self._lose(error)
                return
        except psycopg.Error as error:
            self._lose(error)

    def _end(self) -> Landed | None:
        landed, self._landed = self._landed, None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        return landed

    def _lose(self, error: psycopg.Error | None = None) -> None:
        """Give up the connection, broken or silent, and open another."""
        log.info("batch_connection_lost", error=type(error).__name__ if error else "silence")
        self.drop()
        self._open()
