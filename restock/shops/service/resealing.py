"""Bringing every sealed secret to the present key, so that an old one can be taken off SECRET_KEY.

It may be stopped and started again at any time: a page is one transaction, and what is done already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from restock.database import Database
from restock.links import SealError, Vault
from restock.shops.repository import sealed
from restock.shops.repository.sealed import SealedColumn

PAGE = 50


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was found in one column. `lost`: no key listed in SECRET_KEY opens them."""

    column: str
    seen: int = 0
    resealed: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Resealing:
    """Seal again whatever an older key sealed."""

    database: Database
    vault: Vault
    columns: Sequence[SealedColumn]

    def run(self, progress: Callable[[Resealed], None] = lambda _: None) -> Sequence[Resealed]:
        """Go through every column and say what was found in each; `progress` hears of every page."""
        return [self._column(where, progress) for where in self.columns]

    def _column(self, where: SealedColumn, progress: Callable[[Resealed], None]) -> Resealed:
        found, after = Resealed(f"{where.table}.{where.column}"), 0
        while True:
            with self.database.transaction() as session:
                rows = sealed.page(session, where, after, PAGE)
                fresh = {row[where.key]: self._fresh(where, row) for row in rows}
                for number, value in fresh.items():
                    if value:
                        sealed.write(session, where, number, value)
            if not rows:
                return found
            after = rows[-1][where.key]
            done, lost = sum(bool(value) for value in fresh.values()), sum(value is None for value in fresh.values())
            found = Resealed(found.column, found.seen + len(rows), found.resealed + done, found.lost + lost)
            progress(found)

    def _fresh(self, where: SealedColumn, row: Mapping[str, Any]) -> bytes | None:
        """Seal one value again: empty when it need not be, None when it does not open."""
        value, context = row[where.column], where.context_of(row)
        if not self.vault.needs_resealing(value):
            return b""
        try:
            return self.vault.seal(self.vault.open(value, context), context)
        except SealError:
            return None
