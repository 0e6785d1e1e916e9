"""The queue of variants whose stock is to be read again: one row a variant, however many causes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import cast

from sqlalchemy import Interval, Table, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from restock.catalog.models import StockCheckRow
from restock.catalog.values import Check

_TABLE = cast("Table", StockCheckRow.__table__)


def _request() -> Insert:
    """Build the statement once: a burst of news asks for thousands of checks."""
    statement = insert(_TABLE).values(due_at=func.now() + bindparam("settle", type_=Interval()))
    return statement.on_conflict_do_update(
        index_elements=list(_TABLE.primary_key),
        set_={
            "version": _TABLE.c.version + 1,
            "due_at": func.least(_TABLE.c.due_at, statement.excluded.due_at),
            "attempts": 0,
        },
    )


_REQUEST = _request()


def request_checks(session: Session, shop_id: int, variant_ids: Collection[int], settle_seconds: float) -> None:
    """Ask for variants to be read `settle_seconds` from now; a check already waiting keeps its earlier time."""
    if not variant_ids:
        return
    # Ordered, so that two transactions asking for the same variants never wait for each other in a ring.
    rows = [
        {"shop_id": shop_id, "variant_id": variant_id, "settle": timedelta(seconds=settle_seconds)}
        for variant_id in sorted(set(variant_ids))
    ]
    session.connection().execute(_REQUEST, rows)


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
