"""Writing down what webhooks tell: each fact by one conditional statement, so that older news never wins.

Every function returns the variants whose stock may have changed: none when the news was old. Rows are written in the
order products, items, variants, levels, and by id within one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import ColumnElement

from restock.catalog.models import InventoryItemRow, InventoryLevelRow, ProductRow, VariantRow
from restock.catalog.values import ItemGone, ItemSaid, LevelSaid, ProductGone, ProductSaid, SourceTime, VariantSaid

_Said = TypeVar("_Said", VariantSaid, LevelSaid, ItemSaid)
_Row = type[ProductRow] | type[VariantRow] | type[InventoryItemRow] | type[InventoryLevelRow]

_KEPT_UNTOLD = ("handle", "status", "published")  # a body without them says nothing about them


def record_product(session: Session, shop_id: int, said: ProductSaid) -> list[int]:
    """Record a product with the variants it lists; variants it no longer has are marked deleted."""
    values = {
        "title": said.title,
        "handle": said.handle,
        "vendor": said.vendor,
        "status": said.status,
        "published": said.published,
        "image_url": said.image_url,
        "variant_count": len(said.variant_ids or said.variants) or 1,
    }
    statement = insert(ProductRow).values(shop_id=shop_id, product_id=said.product_id, **values, **_time(said.at))
    kept = {name: func.coalesce(statement.excluded[name], getattr(ProductRow, name)) for name in _KEPT_UNTOLD}
    statement = _newest_wins(ProductRow, statement, [ProductRow.product_id], values.keys() - kept.keys(), kept)
    if session.execute(statement.returning(ProductRow.product_id)).one_or_none() is None:
        return []  # an older picture of the product: its variants are as old
    touched = set(_record_variants(session, shop_id, said.variants))
    if said.variant_ids is not None:
        touched |= _mark_missing(session, shop_id, said, said.variant_ids)
    # A change of status or publication concerns the variants beyond the first hundred too.
    touched.update(_variants_of_product(session, shop_id, said.product_id))
    return sorted(touched)


def record_variants(session: Session, shop_id: int, said: Sequence[VariantSaid]) -> list[int]:
    """Record variants told of by themselves."""
    return sorted(_record_variants(session, shop_id, said))


def record_product_gone(session: Session, shop_id: int, gone: ProductGone) -> list[int]:
    """Record that a product was deleted, even one never told of: late news must not bring it back."""
    statement = insert(ProductRow).values(
        shop_id=shop_id, product_id=gone.product_id, title="", deleted_at=func.now(), **_time(gone.at)
    )
    statement = statement.on_conflict_do_update(
        index_elements=[ProductRow.shop_id, ProductRow.product_id],
        set_={"deleted_at": func.coalesce(ProductRow.deleted_at, func.now()), "updated_at": func.now()},
    )
    session.execute(statement)
    return _variants_of_product(session, shop_id, gone.product_id)


def record_levels(session: Session, shop_id: int, said: Sequence[LevelSaid]) -> list[int]:
    """Record levels. Those of an unknown item are kept until a variant is told to have it."""
    if not said:
        return []
    newest = {(one.inventory_item_id, one.location_id): one for one in _oldest_first(said)}
    rows = [
        {
            "shop_id": shop_id,
            "inventory_item_id": key[0],
            "location_id": key[1],
            "available": newest[key].available,
            **_time(newest[key].at),
        }
        for key in sorted(newest)
    ]
    keys = [InventoryLevelRow.inventory_item_id, InventoryLevelRow.location_id]
    statement = _newest_wins(InventoryLevelRow, insert(InventoryLevelRow).values(rows), keys, ["available"])
    items = session.scalars(statement.returning(InventoryLevelRow.inventory_item_id)).all()
    return _variants_of_items(session, shop_id, items)


def record_items(session: Session, shop_id: int, said: Sequence[ItemSaid]) -> list[int]:
    """Record whether the stock of items is counted."""
    told = [one for one in said if one.tracked is not None]
    return _variants_of_items(session, shop_id, _record_items(session, shop_id, told))


def record_item_gone(session: Session, shop_id: int, gone: ItemGone) -> list[int]:
    """Record that an item was deleted, even one never told of."""
    statement = insert(InventoryItemRow).values(
        shop_id=shop_id, inventory_item_id=gone.inventory_item_id, deleted_at=func.now(), **_time(gone.at)
    )
    statement = statement.on_conflict_do_update(
        index_elements=[InventoryItemRow.shop_id, InventoryItemRow.inventory_item_id],
        set_={"deleted_at": func.coalesce(InventoryItemRow.deleted_at, func.now()), "updated_at": func.now()},
    )
    session.execute(statement)
    return _variants_of_items(session, shop_id, [gone.inventory_item_id])


def _record_variants(session: Session, shop_id: int, said: Sequence[VariantSaid]) -> Sequence[int]:
    if not said:
        return []
    known = [
        ItemSaid(v.inventory_item_id, v.tracked, v.at) for v in said if v.inventory_item_id and v.tracked is not None
    ]
    _record_items(session, shop_id, known)
    rows = [
        {
            "shop_id": shop_id,
            "variant_id": one.variant_id,
            "product_id": one.product_id,
            "title": one.title,
            "sku": one.sku,
            "price_cents": one.price_cents,
            "inventory_item_id": one.inventory_item_id,
            "inventory_policy": one.inventory_policy,
            "tracked": one.tracked,
            "inventory_quantity": one.inventory_quantity,
            "image_url": one.image_url,
            **_time(one.at),
        }
        for _, one in sorted({one.variant_id: one for one in _oldest_first(said)}.items())
    ]
    statement = insert(VariantRow).values(rows)
    told = [
        name for name in rows[0] if name not in ("shop_id", "variant_id", "source_updated_at", "source_triggered_at")
    ]
    kept = {name: func.coalesce(statement.excluded[name], getattr(VariantRow, name)) for name in told}
    statement = _newest_wins(VariantRow, statement, [VariantRow.variant_id], (), kept | {"deleted_at": None})
    return session.scalars(statement.returning(VariantRow.variant_id)).all()


def _record_items(session: Session, shop_id: int, said: Sequence[ItemSaid]) -> Sequence[int]:
    newest = {one.inventory_item_id: one for one in _oldest_first(said)}  # two variants may share one
    rows = [
        {"shop_id": shop_id, "inventory_item_id": key, "tracked": newest[key].tracked, **_time(newest[key].at)}
        for key in sorted(newest)
    ]
    if not rows:
        return []
    statement = insert(InventoryItemRow).values(rows)
    statement = _newest_wins(InventoryItemRow, statement, [InventoryItemRow.inventory_item_id], ["tracked"])
    return session.scalars(statement.returning(InventoryItemRow.inventory_item_id)).all()


def _mark_missing(session: Session, shop_id: int, said: ProductSaid, present: frozenset[int]) -> set[int]:
    """Mark the variants a newer picture of the product no longer has."""
    when = tuple_(VariantRow.source_updated_at, VariantRow.source_triggered_at)
    statement = (
        update(VariantRow)
        .where(
            VariantRow.shop_id == shop_id,
            VariantRow.product_id == said.product_id,
            VariantRow.variant_id.not_in(present),
            VariantRow.deleted_at.is_(None),
            when <= tuple_(said.at.updated_at, said.at.triggered_at),
        )
        .values(deleted_at=func.now(), updated_at=func.now(), **_time(said.at))
        .returning(VariantRow.variant_id)
    )
    return set(session.scalars(statement, execution_options={"synchronize_session": False}))


def _variants_of_product(session: Session, shop_id: int, product_id: int) -> list[int]:
    return _variants(session, shop_id, VariantRow.product_id == product_id)


def _variants_of_items(session: Session, shop_id: int, inventory_item_ids: Collection[int]) -> list[int]:
    if not inventory_item_ids:
        return []
    return _variants(session, shop_id, VariantRow.inventory_item_id.in_(set(inventory_item_ids)))


def _variants(session: Session, shop_id: int, condition: ColumnElement[bool]) -> list[int]:
    query = select(VariantRow.variant_id).where(VariantRow.shop_id == shop_id, condition)
    return list(session.scalars(query.where(VariantRow.deleted_at.is_(None)).order_by(VariantRow.variant_id)))


def _oldest_first(said: Sequence[_Said]) -> list[_Said]:
    """Sort news by its time, equals as they came, so that the last one about a thing is the one that counts."""
    return sorted(said, key=lambda one: one.at)


def _time(at: SourceTime) -> dict[str, Any]:
    return {"source_updated_at": at.updated_at, "source_triggered_at": at.triggered_at}


def _newest_wins(
    row: _Row,
    statement: Insert,
    keys: Sequence[InstrumentedAttribute[int]],
    replaced: Any,
    merged: dict[str, Any] | None = None,
) -> Insert:
    """Let a conflicting row be replaced only by news at least as new; the row count says whether it was."""
    new = statement.excluded
    changes = {name: new[name] for name in (*replaced, "source_updated_at", "source_triggered_at")}
    return statement.on_conflict_do_update(
        index_elements=[row.shop_id, *keys],
        set_=changes | (merged or {}) | {"updated_at": func.now()},
        where=tuple_(new.source_updated_at, new.source_triggered_at)
        >= tuple_(row.source_updated_at, row.source_triggered_at),
    )
