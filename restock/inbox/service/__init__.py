"""What is done with webhooks: stored once in a moment, then applied, then one day deleted.

A body never reaches a log line: it may hold a shopper's address.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from restock.catalog import repository as catalog
from restock.catalog.values import ItemGone, ItemSaid, LevelSaid, ProductGone, ProductSaid, VariantSaid
from restock.failpoints import failpoint
from restock.inbox import repository
from restock.inbox.repository import DueMessage
from restock.inbox.rules.envelope import GiveUp, TryAgain, after_failure
from restock.inbox.rules.fields import UnreadableBodyError, read_object
from restock.inbox.rules.topics import CatalogFact, read_fact
from restock.inbox.service.effects import Effect, Origin
from restock.inbox.service.receiving import LARGEST_SHARED_BYTES, Receiving
from restock.inbox.values import InboxState
from restock.shops import repository as shop_rows
from restock.shops.values import ShopState

__all__ = ["LARGEST_SHARED_BYTES", "InboxService"]

log = structlog.get_logger(__name__)

RETENTION_DAYS = 30
_Told = tuple[DueMessage, CatalogFact]


@dataclass
class _Batch:
    """What one transaction's messages come to, written at its end in a few statements."""

    effects: dict[str, Effect]
    origins: dict[str, tuple[int | None, bool]] = field(default_factory=dict)  # by domain: our id, installed or not
    told: dict[int, list[_Told]] = field(default_factory=lambda: defaultdict(list))
    applied: list[int] = field(default_factory=list)
    kept: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    after_commit: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True)
class InboxService(Receiving):
    """The use cases of the inbox. `settle_seconds`: how long a burst of news about a variant is waited out.

    `effects` are what topics lead to beside news of the catalog; a topic has one at the most.
    """

    settle_seconds: float
    effects: Sequence[Effect] = ()

    def apply_due(self, limit: int = 100) -> int:
        """Give due messages their effects, and say how many were taken; 0 means nothing is due.

        One transaction; a message that cannot be understood fails alone.
        """
        batch = _Batch({topic: effect for effect in self.effects for topic in effect.topics})
        with self.database.transaction() as session:
            due = repository.claim_due(session, limit)
            for message in due:
                _read(session, message, batch)
            for shop_id in sorted(batch.told):
                self._record(session, shop_id, batch)
            repository.finish(session, batch.applied, InboxState.applied)
            for reason, message_ids in batch.kept.items():
                repository.finish(session, message_ids, InboxState.kept, reason)
            if due:
                failpoint("effects.before_commit")
        if due:
            failpoint("effects.after_commit")
        for step in batch.after_commit:
            step()
        return len(due)

    def has_due(self) -> bool:
        """Say whether a message waits for its effects."""
        with self.database.transaction() as session:
            return repository.any_due(session)

    def purge(self, older_than_days: int = RETENTION_DAYS, limit: int = 1000) -> int:
        """Delete settled messages older than that, and say how many were deleted."""
        with self.database.transaction() as session:
            return repository.purge(session, older_than_days, limit)

    def _record(self, session: Session, shop_id: int, batch: _Batch) -> None:
        told_at: dict[int, datetime] = {}
        for group in _groups(batch.told[shop_id]):
            for together in _of_one_minute(group):
                first = min(message.triggered_at for message, _ in together)
                for variant_id in _record_group(session, shop_id, together, batch):
                    told_at[variant_id] = min(first, told_at.get(variant_id, first))
        catalog.request_told(session, shop_id, told_at, self.settle_seconds)


def _read(session: Session, message: DueMessage, batch: _Batch) -> None:
    """Sort one message into the batch: what it tells, nothing for us, or not understood; an effect happens here."""
    shop_id, installed = _origin(session, message.shop_domain, batch)
    effect = batch.effects.get(message.topic)
    if not installed and not (effect and effect.for_absent_shops):
        batch.kept["no_shop"].append(message.id)
    elif effect is not None:
        origin = Origin(message.id, message.topic, message.shop_domain, shop_id, message.triggered_at)
        _apply(session, message, origin, effect, batch)
    else:
        assert shop_id is not None
        _read_news(session, message, shop_id, batch)


def _read_news(session: Session, message: DueMessage, shop_id: int, batch: _Batch) -> None:
    try:
        fact = read_fact(message.topic, message.body, message.triggered_at)
    except UnreadableBodyError as unreadable:
        _fail(session, message, unreadable.reason)
        return
    except Exception as error:  # noqa: BLE001 (the inbox's outer door: one message must not hold up the others)
        _log_failure(message, error)
        _fail(session, message, "internal_error")
        return
    if fact is None:
        batch.kept["no_handler"].append(message.id)
    else:
        batch.told[shop_id].append((message, fact))


def _apply(session: Session, message: DueMessage, origin: Origin, effect: Effect, batch: _Batch) -> None:
    """Give one message its effect; one that cannot be understood or is refused fails alone."""
    try:
        with session.begin_nested():
            step = effect.apply(session, origin, read_object(message.body))
    except OperationalError:
        raise  # the database, not a message: everything is rolled back and taken again
    except UnreadableBodyError as unreadable:
        _fail(session, message, unreadable.reason)
        return
    except Exception as error:  # noqa: BLE001 (the inbox's outer door: one message must not hold up the others)
        _log_failure(message, error)
        _fail(session, message, "internal_error")
        return
    batch.origins.pop(message.shop_domain)  # what came after it may find the shop gone, or back
    batch.applied.append(message.id)
    if step is not None:
        batch.after_commit.append(step)


def _groups(told: Sequence[_Told]) -> Iterator[Sequence[_Told]]:
    """Put together what is written by one statement: pictures of products, variants, items, levels.

    News carries its own time, so the order of writing does not matter.
    """
    yield from ([one] for one in told if isinstance(one[1], ProductGone | ItemGone))
    for kind in (ProductSaid, VariantSaid, ItemSaid, LevelSaid):
        if together := [one for one in told if isinstance(one[1], kind)]:
            yield together


def _of_one_minute(group: Sequence[_Told]) -> Iterator[Sequence[_Told]]:
    """Take apart what was told at different times: what comes a day late says nothing about when others changed."""
    minutes: dict[int, list[_Told]] = {}
    for one in group:
        minutes.setdefault(int(one[0].triggered_at.timestamp() // 60), []).append(one)
    yield from minutes.values()


def _record_group(session: Session, shop_id: int, group: Sequence[_Told], batch: _Batch) -> set[int]:
    """Write a group down and return the variants it concerns; one that is refused is taken apart."""
    try:
        with session.begin_nested():
            touched = _write(session, shop_id, [fact for _, fact in group])
    except OperationalError:
        raise  # the database, not a message: everything is rolled back and taken again
    except Exception as error:  # noqa: BLE001 (the inbox's outer door: one message must not hold up the others)
        if len(group) > 1:
            return {one for alone in group for one in _record_group(session, shop_id, [alone], batch)}
        _log_failure(group[0][0], error)
        _fail(session, group[0][0], "internal_error")
        return set()
    batch.applied.extend(message.id for message, _ in group)
    return set(touched)


def _write(session: Session, shop_id: int, facts: Sequence[CatalogFact]) -> Sequence[int]:
    """Write facts of one kind down, and return the variants they concern."""
    match facts[0]:
        case ProductGone() as gone:
            return catalog.record_product_gone(session, shop_id, gone)
        case ItemGone() as gone:
            return catalog.record_item_gone(session, shop_id, gone)
        case ProductSaid():
            return catalog.record_products(session, shop_id, [f for f in facts if isinstance(f, ProductSaid)])
        case VariantSaid():
            return catalog.record_variants(session, shop_id, [f for f in facts if isinstance(f, VariantSaid)])
        case ItemSaid():
            return catalog.record_items(session, shop_id, [f for f in facts if isinstance(f, ItemSaid)])
        case LevelSaid():
            return catalog.record_levels(session, shop_id, [f for f in facts if isinstance(f, LevelSaid)])


def _origin(session: Session, domain: str, batch: _Batch) -> tuple[int | None, bool]:
    if domain not in batch.origins:
        row = shop_rows.by_domain(session, domain)
        batch.origins[domain] = (row.id, row.state == ShopState.installed) if row else (None, False)
    return batch.origins[domain]


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
