"""What is done with webhooks: stored once in a moment, then applied, then one day deleted.

A body never reaches a log line: it may hold a shopper's address.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import psycopg
import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from restock.catalog import repository as catalog
from restock.catalog.values import ItemGone, ItemSaid, LevelSaid, ProductGone, ProductSaid, VariantSaid
from restock.database import Database
from restock.errors import UnavailableError
from restock.inbox import repository
from restock.inbox.repository import DueMessage
from restock.inbox.rules.envelope import GiveUp, TryAgain, after_failure
from restock.inbox.rules.fields import UnreadableBodyError
from restock.inbox.rules.topics import AppRemoved, CatalogFact, read_fact
from restock.inbox.values import InboxMessage, InboxState, Received
from restock.shops import repository as shop_rows
from restock.shops.service import ShopService
from restock.shops.values import ShopState

log = structlog.get_logger(__name__)

RETENTION_DAYS = 30


@dataclass
class _Batch:
    """What one transaction's messages came to, written at its end in a few statements."""

    applied: list[int] = field(default_factory=list)
    kept: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    checks: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    removed_shops: list[str] = field(default_factory=list)
    shop_ids: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class InboxService:
    """The use cases of the inbox. `settle_seconds`: how long a burst of news about a variant is waited out."""

    database: Database
    shops: ShopService
    settle_seconds: float

    def receive(self, message: InboxMessage) -> Received:
        """Store a message durably, once, however often it is sent.

        One statement on this thread's own connection. Raises UnavailableError when the database is away.
        """
        try:
            return self._store(message)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.database.drop_hot()  # a connection the server closed: the first use after its restart notices
        try:
            return self._store(message)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.database.drop_hot()
            raise UnavailableError("Please send this again in a few seconds.", retry_after_seconds=5) from None

    def apply_due(self, limit: int = 100) -> int:
        """Give due messages their effects, and say how many were taken; 0 means nothing is due.

        One transaction; a message that cannot be understood fails alone.
        """
        batch = _Batch()
        with self.database.transaction() as session:
            due = repository.claim_due(session, limit)
            for message in due:
                self._apply_alone(session, message, batch)
            self._settle(session, batch)
        for domain in batch.removed_shops:
            self.shops.memory.forget(domain)
        return len(due)

    def has_due(self) -> bool:
        """Say whether a message waits for its effects."""
        with self.database.transaction() as session:
            return repository.any_due(session)

    def purge(self, older_than_days: int = RETENTION_DAYS, limit: int = 1000) -> int:
        """Delete settled messages older than that, and say how many were deleted."""
        with self.database.transaction() as session:
            return repository.purge(session, older_than_days, limit)

    def _store(self, message: InboxMessage) -> Received:
        stored = repository.insert_message(self.database.hot(), message)
        return Received.new if stored else Received.duplicate

    def _apply_alone(self, session: Session, message: DueMessage, batch: _Batch) -> None:
        try:
            with session.begin_nested():
                self._apply(session, message, batch)
        except UnreadableBodyError as unreadable:
            _fail(session, message, unreadable.reason)
        except OperationalError:
            raise  # the database, not the message: everything is rolled back and taken again
        except Exception as error:  # noqa: BLE001 (the inbox's outer door: one message must not hold up the others)
            _log_failure(message, error)
            _fail(session, message, "internal_error")

    def _apply(self, session: Session, message: DueMessage, batch: _Batch) -> None:
        shop_id = _installed_shop(session, message.shop_domain, batch)
        if shop_id is None:
            batch.kept["no_shop"].append(message.id)
            return
        fact = read_fact(message.topic, message.body, message.triggered_at)
        if fact is None:
            batch.kept["no_handler"].append(message.id)
            return
        if isinstance(fact, AppRemoved):
            shop_rows.uninstall(session, message.shop_domain, fact.triggered_at)
            batch.removed_shops.append(message.shop_domain)
            batch.shop_ids.pop(message.shop_domain, None)
        else:
            batch.checks[shop_id].update(_record(session, shop_id, fact))
        batch.applied.append(message.id)

    def _settle(self, session: Session, batch: _Batch) -> None:
        for shop_id in sorted(batch.checks):
            catalog.request_checks(session, shop_id, batch.checks[shop_id], self.settle_seconds)
        repository.finish(session, batch.applied, InboxState.applied)
        for reason, message_ids in batch.kept.items():
            repository.finish(session, message_ids, InboxState.kept, reason)


def _record(session: Session, shop_id: int, fact: CatalogFact) -> Sequence[int]:
    """Write one fact down and return the variants it concerns."""
    match fact:
        case ProductSaid():
            return catalog.record_product(session, shop_id, fact)
        case ProductGone():
            return catalog.record_product_gone(session, shop_id, fact)
        case VariantSaid():
            return catalog.record_variant(session, shop_id, fact)
        case LevelSaid():
            return catalog.record_level(session, shop_id, fact)
        case ItemSaid():
            return catalog.record_item(session, shop_id, fact)
        case ItemGone():
            return catalog.record_item_gone(session, shop_id, fact)
        case _:
            assert_never(fact)


def _installed_shop(session: Session, domain: str, batch: _Batch) -> int | None:
    if domain not in batch.shop_ids:
        row = shop_rows.by_domain(session, domain)
        batch.shop_ids[domain] = row.id if row and row.state == ShopState.installed else None
    return batch.shop_ids[domain]


def _log_failure(message: DueMessage, error: Exception) -> None:
    """Log where our code failed, without the error's text: a database's may quote the row."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "inbox_message_failed",
        message_id=message.id,
        topic=message.topic,
        error=type(error).__name__,
        place=f"{place.name}:{place.lineno}",
    )


def _fail(session: Session, message: DueMessage, reason: str) -> None:
    match after_failure(message.attempts + 1):
        case TryAgain(after_seconds):
            repository.postpone(session, message.id, after_seconds, reason)
        case GiveUp():
            log.warning("inbox_message_given_up", message_id=message.id, topic=message.topic, reason=reason)
            repository.finish(session, [message.id], InboxState.failed, reason)
