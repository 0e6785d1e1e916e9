"""Writing down what webhooks tell: each fact by one conditional statement, so that older news never wins.

Every function returns the variants whose stock may have changed: none when the news was old. Rows are written in the
order products, items, variants, levels, and by id within one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import ColumnElement

from restock.catalog.models import InventoryItemRow, InventoryLevelRow, ProductRow, VariantRow
from restock.catalog.values import ItemGone, ItemSaid, LevelSaid, ProductGone, ProductSaid, SourceTime, VariantSaid

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


def record_variant(session: Session, shop_id: int, said: VariantSaid) -> list[int]:
    """Record one variant told of by itself."""
    return sorted(_record_variants(session, shop_id, [said]))


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


def record_level(session: Session, shop_id: int, said: LevelSaid) -> list[int]:
    """Record one location's level. One of an unknown item is kept until a variant is told to have it."""
    statement = insert(InventoryLevelRow).values(
        shop_id=shop_id,
        inventory_item_id=said.inventory_item_id,
        location_id=said.location_id,
        available=said.available,
        **_time(said.at),
    )
    keys = [InventoryLevelRow.inventory_item_id, InventoryLevelRow.location_id]
    statement = _newest_wins(InventoryLevelRow, statement, keys, ["available"])
    if session.execute(statement.returning(InventoryLevelRow.location_id)).one_or_none() is None:
        return []
    return _variants_of_item(session, shop_id, said.inventory_item_id)


def record_item(session: Session, shop_id: int, said: ItemSaid) -> list[int]:
    """Record whether an item's stock is counted."""
    if said.tracked is None or not _record_items(session, shop_id, [said]):
        return []
    return _variants_of_item(session, shop_id, said.inventory_item_id)


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
    return _variants_of_item(session, shop_id, gone.inventory_item_id)


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
        for one in sorted(said, key=lambda v: v.variant_id)
    ]
    statement = insert(VariantRow).values(rows)
    told = [
        name for name in rows[0] if name not in ("shop_id", "variant_id", "source_updated_at", "source_triggered_at")
    ]
    kept = {name: func.coalesce(statement.excluded[name], getattr(VariantRow, name)) for name in told}
    statement = _newest_wins(VariantRow, statement, [VariantRow.variant_id], (), kept | {"deleted_at": None})
    return session.scalars(statement.returning(VariantRow.variant_id)).all()


def _record_items(session: Session, shop_id: int, said: Sequence[ItemSaid]) -> bool:
    newest = {one.inventory_item_id: one for one in sorted(said, key=lambda i: i.at)}  # two variants may share one
    rows = [
        {"shop_id": shop_id, "inventory_item_id": key, "tracked": newest[key].tracked, **_time(newest[key].at)}
        for key in sorted(newest)
    ]
    if not rows:
        return False
    statement = insert(InventoryItemRow).values(rows)
    statement = _newest_wins(InventoryItemRow, statement, [InventoryItemRow.inventory_item_id], ["tracked"])
    return bool(session.scalars(statement.returning(InventoryItemRow.inventory_item_id)).all())


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


def _variants_of_item(session: Session, shop_id: int, inventory_item_id: int) -> list[int]:
    return _variants(session, shop_id, VariantRow.inventory_item_id == inventory_item_id)


def _variants(session: Session, shop_id: int, condition: ColumnElement[bool]) -> list[int]:
    query = select(VariantRow.variant_id).where(VariantRow.shop_id == shop_id, condition)
    return list(session.scalars(query.where(VariantRow.deleted_at.is_(None)).order_by(VariantRow.variant_id)))


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
