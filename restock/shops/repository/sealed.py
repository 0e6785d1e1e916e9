"""Reading and writing sealed columns of any table, a page at a time; it never opens one.

Table and column names come from the program itself, never from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import column, table, update
from sqlalchemy import select as _select
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where seals are: a column, the table's number, and what a seal is bound to, with columns in braces.

    `bound_to` names the one column that stands in the context.
    """

    table: str
    key: str
    column: str
    bound_to: str
    context: str

    def context_of(self, row: Mapping[str, Any]) -> str:
        """Name what one row's value is sealed for."""
        return self.context.format(**{self.bound_to: row[self.bound_to]})


def page(session: Session, where: SealedColumn, after: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """Hold the next rows that have a value, by number, until the transaction ends."""
    known = _table(where)
    columns = [known.c[name] for name in dict.fromkeys((where.key, where.column, where.bound_to))]
    query = _select(*columns).where(known.c[where.key] > after, known.c[where.column].is_not(None))
    query = query.order_by(known.c[where.key]).limit(limit).with_for_update()
    return [dict(row) for row in session.execute(query).mappings()]


def write(session: Session, where: SealedColumn, number: int, sealed: bytes) -> None:
    """Replace one value held by this transaction."""
    known = _table(where)
    session.execute(update(known).where(known.c[where.key] == number).values({where.column: sealed}))


def _table(where: SealedColumn) -> Any:
    names = dict.fromkeys((where.key, where.column, where.bound_to))
    return table(where.table, *(column(name) for name in names))
