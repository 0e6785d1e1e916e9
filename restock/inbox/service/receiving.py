"""Stores what a webhook says, durably and once, before anything is made of it: alone, or with those that come along."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import psycopg
from psycopg import pq

from restock.batches import Batches, LoopBatches, Wire
from restock.database import Database
from restock.errors import UnavailableError
from restock.failpoints import failpoint
from restock.inbox import repository
from restock.inbox.values import InboxMessage, Received
from restock.statements import Connection, Lane

LARGEST_SHARED_BYTES = 64 * 1024  # a larger body is stored alone: it must not hold up the small ones
# The last one: a pooler or a rollback has dropped the prepared statement.
_CONNECTION_FAULTS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.InvalidSqlStatementName)


@dataclass(frozen=True)
class Receiving:
    """The use case every webhook begins with."""

    database: Database

    def receive(self, message: InboxMessage) -> Received:
        """Store a message durably, once, however often it is sent.

        Messages that arrive together share a commit. Raises UnavailableError when the database is away.
        """
        failpoint("inbox.before_insert")
        if len(message.body) > LARGEST_SHARED_BYTES:
            received = self._store_alone(message)
        else:
            received = self._batches.write(message, [(message.shop_domain, message.webhook_id)])
        failpoint("inbox.after_insert")
        return received

    def begin(self, message: InboxMessage) -> Future[Received]:
        """As `receive`, for a caller on an event loop; only for what `can_begin`. The future raises the same."""
        failpoint("inbox.before_insert")
        stored = self.on_loop.write(message, [(message.shop_domain, message.webhook_id)])
        stored.add_done_callback(_after_insert)
        return stored

    def can_begin(self, size: int) -> bool:
        """Say whether a body of so many bytes may be stored by `begin` now."""
        return size <= LARGEST_SHARED_BYTES and self.on_loop.is_ready

    @cached_property
    def on_loop(self) -> LoopBatches[InboxMessage, Received]:
        """What stores messages for an event loop, once it is attached to one."""
        wire = Wire(repository.prepare_insert, repository.send_messages, _read_received)
        return LoopBatches(self.database.connect_for_batches, wire, self._store_alone)

    @cached_property
    def _batches(self) -> Batches[InboxMessage, Received]:
        return Batches([Lane(self.database.connect_for_batches)], _store_together, self._store_alone)

    def _store_alone(self, message: InboxMessage) -> Received:
        try:
            return self._store(message)
        except _CONNECTION_FAULTS:
            self.database.drop_hot()  # a connection the server closed: the first use after its restart notices
        try:
            return self._store(message)
        except _CONNECTION_FAULTS:
            self.database.drop_hot()
            raise UnavailableError("Please send this again in a few seconds.", retry_after_seconds=5) from None

    def _store(self, message: InboxMessage) -> Received:
        return _received(repository.insert_message(self.database.hot(), message))


def _store_together(connection: Connection, messages: Sequence[InboxMessage]) -> list[Received]:
    return [_received(stored) for stored in repository.insert_messages(connection, messages)]


def _read_received(result: pq.abc.PGresult, messages: Sequence[InboxMessage]) -> list[Received | None]:
    return [_received(stored) for stored in repository.read_new(result, messages)]


def _after_insert(_stored: Future[Received]) -> None:
    failpoint("inbox.after_insert")


def _received(stored: bool) -> Received:
    return Received.new if stored else Received.duplicate
