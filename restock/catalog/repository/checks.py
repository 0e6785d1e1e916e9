"""The queue of variants whose stock is to be read again: one row a variant, however many causes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from restock.catalog.models import StockCheckRow
from restock.catalog.values import Check


def request_checks(session: Session, shop_id: int, variant_ids: Collection[int], settle_seconds: float) -> None:
    """Ask for variants to be read `settle_seconds` from now; a check already waiting keeps its earlier time."""
    if not variant_ids:
        return
    due_at = func.now() + timedelta(seconds=settle_seconds)
    # Ordered, so that two transactions asking for the same variants never wait for each other in a ring.
    rows = [{"shop_id": shop_id, "variant_id": variant_id, "due_at": due_at} for variant_id in sorted(set(variant_ids))]
    statement = insert(StockCheckRow).values(rows)
    statement = statement.on_conflict_do_update(
        index_elements=[StockCheckRow.shop_id, StockCheckRow.variant_id],
        set_={
            "version": StockCheckRow.version + 1,
            "due_at": func.least(StockCheckRow.due_at, statement.excluded.due_at),
            "attempts": 0,
        },
    )
    session.execute(statement)


def claim_checks(session: Session, limit: int, lease_seconds: float = 30) -> list[Check]:
    """Take due checks of any shop, the longest due first; one not finished comes back after the lease."""
    key = tuple_(StockCheckRow.shop_id, StockCheckRow.variant_id)
    due = (
        select(StockCheckRow.shop_id, StockCheckRow.variant_id)
        .where(StockCheckRow.due_at <= func.now())
        .order_by(StockCheckRow.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = session.execute(
        update(StockCheckRow)
        .where(key.in_(due))
        .values(due_at=func.now() + timedelta(seconds=lease_seconds), attempts=StockCheckRow.attempts + 1)
        .returning(StockCheckRow.shop_id, StockCheckRow.variant_id, StockCheckRow.version),
        execution_options={"synchronize_session": False},
    )
    return [Check(*row) for row in taken]


def finish_check(session: Session, check: Check) -> None:
    """End a claimed check, unless a new cause came meanwhile: then it stays and is claimed again."""
    session.execute(
        delete(StockCheckRow).where(
            StockCheckRow.shop_id == check.shop_id,
            StockCheckRow.variant_id == check.variant_id,
            StockCheckRow.version == check.version,
        ),
        execution_options={"synchronize_session": False},
    )
