"""Keeping readings: the newest look wins, and what only changed settings make possible is held back.

Rows are locked in the order of their variants, as checks are asked for, so that two readers never wait in a ring.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.catalog.rules.basis import hold_back, read_basis, write_basis
from restock.catalog.values import KeptReading, ReadingBasis, ReadingSource, StockVerdict

_BASES = text("""
    SELECT DISTINCT coalesce(held_from, basis) FROM stock_readings
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) AND basis IS NOT NULL
""")

_HOLD = text("""
    SELECT variant_id, sellable, units, source, read_at, basis, held_from, lagging_since FROM stock_readings
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids)
    ORDER BY variant_id FOR NO KEY UPDATE
""")

_TOUCH = text("""
    UPDATE stock_readings SET read_at = :read_at
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) AND read_at < :read_at
""")

_WRITE = text("""
    INSERT INTO stock_readings AS old
        (shop_id, variant_id, sellable, units, source, read_at, basis, held_from, lagging_since)
    SELECT :shop_id, new.variant_id, new.sellable, new.units, :source, :read_at, :basis, new.held_from,
        new.lagging_since
    FROM unnest(CAST(:variant_ids AS bigint[]), CAST(:sellable AS boolean[]), CAST(:units AS bigint[]),
        CAST(:held_from AS text[]), CAST(:lagging_since AS timestamptz[]))
        AS new(variant_id, sellable, units, held_from, lagging_since)
    ORDER BY new.variant_id
    ON CONFLICT (shop_id, variant_id) DO UPDATE SET
        sellable = excluded.sellable, units = excluded.units, source = excluded.source, read_at = excluded.read_at,
        basis = excluded.basis, held_from = excluded.held_from, lagging_since = excluded.lagging_since
    WHERE old.read_at <= excluded.read_at
""")

_CONFIRM = text("""
    WITH held AS (
        SELECT shop_id, variant_id FROM stock_readings WHERE shop_id = :shop_id AND held_from IS NOT NULL
        ORDER BY variant_id FOR NO KEY UPDATE
    )
    UPDATE stock_readings SET held_from = NULL FROM held
    WHERE stock_readings.shop_id = held.shop_id AND stock_readings.variant_id = held.variant_id
    RETURNING stock_readings.variant_id
""")


@dataclass(frozen=True, slots=True)
class Look:
    """When somebody looked, by which source, and by which choices of the merchant."""

    source: ReadingSource
    read_at: datetime
    basis: ReadingBasis


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a look at one variant came to; `under` says what it would by other choices of the merchant."""

    variant_id: int
    verdict: StockVerdict
    under: Callable[[ReadingBasis], StockVerdict]
    lagging: bool = False


def bases_of(session: Session, shop_id: int, variant_ids: Collection[int]) -> list[ReadingBasis]:
    """Read by which choices of the merchant these variants were read before, each once."""
    found = session.execute(_BASES, {"shop_id": shop_id, "variant_ids": list(variant_ids)}).scalars()
    return [basis for one in found if (basis := read_basis(one)) is not None]


def keep_readings(session: Session, shop_id: int, look: Look, fresh: Sequence[Fresh]) -> Mapping[int, datetime]:
    """Keep what a look came to, unless something newer is kept; return since when variants lag behind."""
    found = session.execute(_HOLD, {"shop_id": shop_id, "variant_ids": [one.variant_id for one in fresh]})
    known = {row.variant_id: row for row in found}
    same: list[int] = []
    rows: list[dict[str, Any]] = []
    for one in fresh:
        row = known.get(one.variant_id)
        if row is not None and row.read_at > look.read_at:
            continue
        values = _values(one, _kept(row), look)
        if row is not None and _is_same(row, values, look):
            same.append(one.variant_id)
        else:
            rows.append(values)
    if same:
        session.execute(_TOUCH, {"shop_id": shop_id, "variant_ids": same, "read_at": look.read_at})
    if rows:
        shared = {"shop_id": shop_id, "source": look.source.value, "read_at": look.read_at}
        session.execute(_WRITE, shared | {"basis": write_basis(look.basis)} | _columns(rows))
    kept_since = {one: row.lagging_since for one, row in known.items() if row.lagging_since}
    return {one.variant_id: kept_since.get(one.variant_id, look.read_at) for one in fresh if one.lagging}


def confirm_held(session: Session, shop_id: int) -> list[int]:
    """Let go what changed settings hold back; return the variants."""
    return sorted(session.execute(_CONFIRM, {"shop_id": shop_id}).scalars())


def _values(one: Fresh, previous: KeptReading | None, look: Look) -> dict[str, Any]:
    origin = hold_back(previous, one.verdict, look.basis, one.under)
    since = (previous and previous.lagging_since) or look.read_at
    return {
        "variant_ids": one.variant_id,
        "sellable": one.verdict.sellable,
        "units": one.verdict.units,
        "held_from": write_basis(origin) if origin else None,
        "lagging_since": since if one.lagging else None,
    }


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _kept(row: Row[Any] | None) -> KeptReading | None:
    if row is None:
        return None
    verdict = StockVerdict(row.sellable, row.units)
    return KeptReading(verdict, read_basis(row.basis), read_basis(row.held_from), row.lagging_since)


def _is_same(row: Row[Any], values: Mapping[str, Any], look: Look) -> bool:
    told = (values["sellable"], values["units"], values["held_from"], values["lagging_since"])
    kept = (row.sellable, row.units, row.held_from, row.lagging_since)
    return told == kept and row.source == look.source and row.basis == write_basis(look.basis)
