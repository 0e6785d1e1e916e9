"""Several statements as one transaction, sent together and answered whenever, for a thread with other work meanwhile.

The server does one after the other by itself and commits at the end, whether anybody listens still or not. It must not
know what is sent.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import pq

from restock.statements import Connection, Lane, Parameter, PreparedStatement

PATIENCE_SECONDS = 20.0  # longer than its statements may take

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

    def __init__(self, connection: Connection, drop: Callable[[], None], transactions: int, until: float) -> None:
        self._connection, self._drop = connection, drop
        self._left, self._until = transactions, until
        self._results: list[pq.abc.PGresult] = []
        self._error: psycopg.Error | None = None

    def done(self) -> bool:
        """Look, without waiting, whether all is answered, or given up."""
        if self._left:
            try:
                self._connection.pgconn.consume_input()
                self._read()
                if self._left and time.monotonic() >= self._until:
                    raise psycopg.OperationalError("the database does not answer")
            except psycopg.Error as error:
                self._lose(error)
        return not self._left

    def rows(self) -> list[Rows]:
        """Wait for all answers; return the rows of each statement in order.

        Raises what `PreparedStatement.fetch_all` does; then what was committed, if anything, is not known.
        """
        waiting = select.poll()
        while not self.done():
            waiting.register(self._connection.pgconn.socket, select.POLLIN)
            waiting.poll(max(0.0, self._until - time.monotonic()) * 1000)
        if self._error is not None:
            raise self._error
        try:
            return [PreparedStatement.read(result) for result in self._results]
        except psycopg.Error:  # among others: a pooler forgot what was prepared
            self._drop()
            raise

    def _read(self) -> None:
        wire = self._connection.pgconn
        was_end = False
        while self._left and not wire.is_busy():
            result = wire.get_result()
            if result is None:  # behind the answer to each statement, once
                if was_end:
                    return
                was_end = True
                continue
            was_end = False
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                self._left -= 1
            elif result.status != pq.ExecStatus.PIPELINE_ABORTED:  # what follows a failure says nothing new
                self._results.append(result)
        if not self._left:
            wire.exit_pipeline_mode()

    def _lose(self, error: psycopg.Error) -> None:
        self._left, self._error = 0, error
        self._drop()


class Pipeline:
    """One connection on which one flight is under way at a time; for the thread that asks first, and no other."""

    def __init__(self, connect: Callable[[], Connection], patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._lane, self._patience_seconds = Lane(connect), patience_seconds
        self._threads: dict[str, int] = {}
        self._last: Flight | None = None

    @property
    def is_free(self) -> bool:
        """Whether the calling thread may send: nothing is under way, and it is nobody else's."""
        if self._threads.setdefault("of", threading.get_ident()) != threading.get_ident():  # atomic
            return False
        return self._last is None or self._last.done()

    def send(self, transactions: Sequence[Sequence[Step]], before_commit: Callable[[], None] = nothing) -> Flight:
        """Send transactions while it is free; raises psycopg.Error where that is not possible.

        `before_commit` is called when the statements of all but the first are on their way, and nothing is committed.
        """
        try:
            connection = self._lane.connection()
            for statement in {step.statement for steps in transactions for step in steps}:
                statement.prepare(connection)
            wire = connection.pgconn
            wire.enter_pipeline_mode()
            for steps in transactions:
                for step in steps:
                    step.statement.send(connection, step.parameters)
                _flush(wire)
                before_commit()
                wire.pipeline_sync()
            _flush(wire)
        except BaseException:  # whatever it was, half of it may be on its way: its answers are nobody else's
            self._lane.drop()
            raise
        until = time.monotonic() + self._patience_seconds
        self._last = Flight(connection, self._lane.drop, len(transactions), until)
        return self._last


def _flush(wire: pq.abc.PGconn) -> None:
    """Hand all of it to the kernel."""
    room = select.poll()
    room.register(wire.socket, select.POLLOUT)
    while wire.flush():
        if not room.poll(PATIENCE_SECONDS * 1000):
            raise psycopg.OperationalError("the database takes nothing")
