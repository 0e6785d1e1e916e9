"""The queue of variants whose stock is to be read again: one row a variant, however many causes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import cast

from sqlalchemy import Interval, Table, bindparam, func, select, text, tuple_, update
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
            "told_at": func.least(_TABLE.c.told_at, statement.excluded.told_at),
        },
    )


_REQUEST = _request()

# In the order in which checks are asked for.
_FINISH = text("""
    DELETE FROM stock_checks USING (
        SELECT c.shop_id, c.variant_id FROM stock_checks c
        JOIN unnest(CAST(:variant_ids AS bigint[]), CAST(:versions AS bigint[])) AS claimed(variant_id, version)
            ON claimed.variant_id = c.variant_id AND claimed.version = c.version
        WHERE c.shop_id = :shop_id ORDER BY c.variant_id FOR UPDATE OF c
    ) done
    WHERE stock_checks.shop_id = done.shop_id AND stock_checks.variant_id = done.variant_id
""")

_POSTPONE = text("""
    UPDATE stock_checks SET due_at = now() + make_interval(secs => :seconds) FROM (
        SELECT shop_id, variant_id FROM stock_checks
        WHERE shop_id = :shop_id
          AND (due_at < now() + make_interval(secs => :seconds) OR variant_id = ANY(:variant_ids))
        ORDER BY variant_id FOR UPDATE
    ) later
    WHERE stock_checks.shop_id = later.shop_id AND stock_checks.variant_id = later.variant_id
""")

_RELEASE = text("""
    UPDATE stock_checks SET due_at = now() + make_interval(secs => :seconds) FROM (
        SELECT shop_id, variant_id FROM stock_checks
        WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) ORDER BY variant_id FOR UPDATE
    ) later
    WHERE stock_checks.shop_id = later.shop_id AND stock_checks.variant_id = later.variant_id
""")


def request_checks(
    session: Session,
    shop_id: int,
    variant_ids: Collection[int],
    settle_seconds: float,
    told_at: datetime | None = None,
) -> None:
    """Ask for variants to be read `settle_seconds` from now; a check already waiting keeps its earlier time.

    `told_at` is when a webhook told of them, None when no webhook did.
    """
    request_each(session, shop_id, dict.fromkeys(variant_ids, settle_seconds), told_at)


def request_each(
    session: Session, shop_id: int, settle_seconds: Mapping[int, float], told_at: datetime | None = None
) -> None:
    """Do as `request_checks`, with a time for each variant."""
    _ask(session, shop_id, [(variant_id, seconds, told_at) for variant_id, seconds in settle_seconds.items()])


def request_told(session: Session, shop_id: int, told_at: Mapping[int, datetime], settle_seconds: float) -> None:
    """Do as `request_checks`, each variant with the moment a webhook told of it."""
    _ask(session, shop_id, [(variant_id, settle_seconds, at) for variant_id, at in told_at.items()])


def _ask(session: Session, shop_id: int, wanted: Sequence[tuple[int, float, datetime | None]]) -> None:
    # Ordered, so that two transactions asking for the same variants never wait for each other in a ring.
    rows = [
        {"shop_id": shop_id, "variant_id": variant_id, "told_at": told_at, "settle": timedelta(seconds=seconds)}
        for variant_id, seconds, told_at in sorted(wanted, key=itemgetter(0))
    ]
    if rows:
        session.connection().execute(_REQUEST, rows)


def claim_checks(
    session: Session, limit: int, lease_seconds: float = 60, busy_shops: Collection[int] = ()
) -> list[Check]:
    """Take due checks: what webhooks told of before what is looked at by the way, the longest due first.

    One not finished comes back after the lease. Those of `busy_shops` are left alone.
    """
    key = tuple_(StockCheckRow.shop_id, StockCheckRow.variant_id)
    due = (
        select(StockCheckRow.shop_id, StockCheckRow.variant_id)
        .where(StockCheckRow.due_at <= func.now(), StockCheckRow.shop_id.not_in(busy_shops))
        .order_by(StockCheckRow.told_at.is_(None), StockCheckRow.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED")  # a subquery may be run once for each row it is compared with: then no limit holds
    )
    row = StockCheckRow
    taken = session.execute(
        update(row)
        .where(key.in_(select(due.c.shop_id, due.c.variant_id)))
        .values(due_at=func.now() + timedelta(seconds=lease_seconds), attempts=row.attempts + 1)
        .returning(row.shop_id, row.variant_id, row.version, row.told_at, row.attempts),
        execution_options={"synchronize_session": False},
    )
    return [Check(*found) for found in taken]


def finish_check(session: Session, check: Check) -> None:
    """End a claimed check, unless a new cause came meanwhile: then it stays and is claimed again."""
    finish_checks(session, check.shop_id, [check])


def finish_checks(session: Session, shop_id: int, checks: Sequence[Check]) -> None:
    """End claimed checks of one shop, but those for which a new cause came meanwhile."""
    if checks:
        session.execute(_FINISH, {"shop_id": shop_id} | _pairs(checks))


def postpone_checks(session: Session, shop_id: int, checks: Sequence[Check], seconds: float) -> None:
    """Leave claimed checks of one shop for later, and with them every other one that would be due before."""
    session.execute(_POSTPONE, {"shop_id": shop_id, "seconds": seconds, "variant_ids": [c.variant_id for c in checks]})


def release_checks(session: Session, shop_id: int, checks: Sequence[Check], seconds: float) -> None:
    """Leave claimed checks of one shop for later; a new cause that came meanwhile waits as long."""
    if checks:
        values = {"shop_id": shop_id, "seconds": seconds, "variant_ids": [check.variant_id for check in checks]}
        session.execute(_RELEASE, values)


def _pairs(checks: Sequence[Check]) -> dict[str, list[int]]:
    return {"variant_ids": [check.variant_id for check in checks], "versions": [check.version for check in checks]}
