"""Several statements as one transaction, sent together and answered whenever, for a thread with other work meanwhile.

The server does one after the other by itself and commits at the end, whether anybody listens still or not. It must not
know what is sent.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import errors, pq

from restock.statements import Connection, Lane, Parameter, PreparedStatement

PATIENCE_SECONDS = 20.0  # longer than its statements may take
AGAIN_SECONDS = 1.0  # for so long no connection is asked for after one on which nothing could be sent

Rows = list[list[bytes]]


class Step(NamedTuple):
    """One statement of a transaction. What it finds out for the next ones it leaves in a setting of the transaction."""

    statement: PreparedStatement
    parameters: Mapping[str, Parameter]


def named(setting: str) -> str:
    """Write how a statement reads the ids an earlier one of its transaction has left in a setting."""
    return f"CAST(nullif(current_setting('{setting}', true), '') AS bigint[])"


def nothing() -> None:
    """Do nothing."""


class Flight:
    """Transactions on their way."""

    def __init__(self, pipeline: Pipeline, transactions: int, until: float) -> None:
        self._pipeline, self.left, self.until = pipeline, transactions, until
        self.results: list[pq.abc.PGresult] = []
        self.error: psycopg.Error | None = None

    def done(self) -> bool:
        """Look, without waiting, whether all is answered, or given up."""
        if self.left:
            self._pipeline.look()
        return not self.left

    def rows(self) -> list[Rows]:
        """Wait for all answers; return the rows of each statement in order.

        Raises what `PreparedStatement.fetch_all` does; then what was committed, if anything, is not known.
        """
        while not self.done():
            self._pipeline.wait(self.until)
        if self.error is not None:
            raise self.error
        try:
            return [PreparedStatement.read(result) for result in self.results]
        except psycopg.Error as error:
            if error.sqlstate is None or isinstance(error, errors.InvalidSqlStatementName):
                self._pipeline.drop(error)  # it is lost, or a pooler forgot what was prepared
            raise


class Pipeline:
    """One connection, on which flights are under way one behind the other; for the thread that asks first alone.

    A statement that fails takes its transaction with it, and nothing else.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        patience_seconds: float = PATIENCE_SECONDS,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._lane, self._patience_seconds, self._again_seconds = Lane(connect), patience_seconds, again_seconds
        self._free_at = 0.0  # monotonic
        self._threads: dict[str, int] = {}
        self._flights: deque[Flight] = deque()
        self._connection: Connection | None = None  # on which they are
        self._prepared: set[PreparedStatement] = set()

    @property
    def is_free(self) -> bool:
        """Whether the calling thread may send: it is nobody else's, and did not just fail to."""
        is_own = self._threads.setdefault("of", threading.get_ident()) == threading.get_ident()  # atomic
        return is_own and time.monotonic() >= self._free_at

    def send(self, transactions: Sequence[Sequence[Step]], before_commit: Callable[[], None] = nothing) -> Flight:
        """Send transactions while it is free; raises psycopg.Error where that is not possible.

        `before_commit` is called when the statements of all but the first are on their way, and nothing is committed.
        """
        self.look()
        try:
            connection = self._ready({step.statement for steps in transactions for step in steps})
            wire = connection.pgconn
            wire.enter_pipeline_mode()
            for steps in transactions:
                for step in steps:
                    step.statement.send(connection, step.parameters)
                _flush(wire)
                before_commit()
                wire.pipeline_sync()
            _flush(wire)
        except BaseException as error:  # whatever it was, half of it may be on its way: its answers are nobody else's
            self.drop(error if isinstance(error, psycopg.Error) else psycopg.OperationalError("interrupted"))
            self._free_at = time.monotonic() + self._again_seconds
            raise
        flight = Flight(self, len(transactions), time.monotonic() + self._patience_seconds)
        self._flights.append(flight)
        return flight

    def look(self) -> None:
        """Take what was answered, without waiting; give all of it up where nothing comes any more."""
        if not self._flights:
            return
        try:
            assert self._connection is not None
            self._connection.pgconn.consume_input()
            self._read(self._connection.pgconn)
            if self._flights and time.monotonic() >= self._flights[0].until:
                raise psycopg.OperationalError("the database does not answer")
        except psycopg.Error as error:
            self.drop(error)

    def wait(self, until: float) -> None:
        """Wait until something is answered, or it is so late by the monotonic clock."""
        assert self._connection is not None
        waiting = select.poll()
        waiting.register(self._connection.pgconn.socket, select.POLLIN)
        waiting.poll(max(0.0, until - time.monotonic()) * 1000)

    def drop(self, error: psycopg.Error) -> None:
        """Close the connection; what is under way on it has failed so."""
        for flight in self._flights:
            flight.left, flight.error = 0, error
        self._flights.clear()
        self._lane.drop()

    def _ready(self, statements: set[PreparedStatement]) -> Connection:
        """Give the connection, on which these statements are prepared."""
        connection = self._lane.connection()
        if connection is not self._connection:
            self._connection, self._prepared = connection, set()
        if statements <= self._prepared:
            return connection
        while self._flights:  # nothing can be prepared behind them
            self.wait(self._flights[0].until)
            self.look()
        if connection.closed:
            raise psycopg.OperationalError("the connection to the database was lost")
        for statement in statements:
            statement.prepare(connection)
        self._prepared |= statements
        return connection

    def _read(self, wire: pq.abc.PGconn) -> None:
        was_end = False
        while self._flights and not wire.is_busy():
            result = wire.get_result()
            if result is None:  # behind the answer to each statement, once
                if was_end:
                    return
                was_end = True
                continue
            was_end = False
            flight = self._flights[0]
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                flight.left -= 1
                if not flight.left:
                    self._flights.popleft()
            elif result.status != pq.ExecStatus.PIPELINE_ABORTED:  # what follows a failure says nothing new
                flight.results.append(result)
        if not self._flights:
            wire.exit_pipeline_mode()


def _flush(wire: pq.abc.PGconn) -> None:
    """Hand all of it to the kernel."""
    room = select.poll()
    room.register(wire.socket, select.POLLOUT)
    while wire.flush():
        if not room.poll(PATIENCE_SECONDS * 1000):
            raise psycopg.OperationalError("the database takes nothing")
