"""The conditional statements by which news is written: built once, run with a list of rows.

A row is replaced only by news at least as new, and the returned key says that it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, func, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.elements import ColumnElement

from restock.catalog.models import InventoryItemRow, InventoryLevelRow, ProductRow, VariantRow
from restock.tables import Base

Upsert = ReturningInsert[int]

_TIMES = ("source_updated_at", "source_triggered_at")


def _newest_wins(row: type[Base], told: Sequence[str], kept_untold: Sequence[str], returned: str) -> Upsert:
    """Build the statement for one table: `told` replaces what is there, `kept_untold` does where it is not None."""
    table = cast("Table", row.__table__)
    statement = insert(table)
    new, old = statement.excluded, table.c
    changes: dict[str, ColumnElement[Any]] = {name: new[name] for name in (*told, *_TIMES)}
    changes |= {name: func.coalesce(new[name], old[name]) for name in kept_untold}
    if row is VariantRow:
        changes["deleted_at"] = new["deleted_at"]  # told of again: it was missing from an older picture only
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_=changes | {"updated_at": func.now()},
        where=tuple_(*(new[name] for name in _TIMES)) >= tuple_(*(old[name] for name in _TIMES)),
    ).returning(old[returned])


PRODUCTS = _newest_wins(
    ProductRow,
    ("title", "vendor", "image_url", "variant_count"),
    ("handle", "status", "published"),  # a body without them says nothing about them
    "product_id",
)
VARIANTS = _newest_wins(
    VariantRow,
    ("product_id",),
    (
        "title",
        "sku",
        "price_cents",
        "inventory_item_id",
        "inventory_policy",
        "tracked",
        "inventory_quantity",
        "image_url",
    ),
    "variant_id",
)
ITEMS = _newest_wins(InventoryItemRow, ("tracked",), (), "inventory_item_id")
LEVELS = _newest_wins(InventoryLevelRow, ("available",), (), "inventory_item_id")


def _gone(row: type[Base]) -> Upsert:
    """Build the statement that marks a row deleted, making it first where it was never told of."""
    table = cast("Table", row.__table__)
    key = list(table.primary_key)[1]
    return (
        insert(table)
        .values(deleted_at=func.now())
        .on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={"deleted_at": func.coalesce(table.c.deleted_at, func.now()), "updated_at": func.now()},
        )
        .returning(key)
    )


PRODUCT_GONE = _gone(ProductRow)
ITEM_GONE = _gone(InventoryItemRow)
