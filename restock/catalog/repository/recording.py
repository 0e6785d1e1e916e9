"""Writing down what webhooks tell, however many at once, so that older news never wins.

Every function returns the variants whose stock may have changed: none when the news was old. Rows are written in the
order products, items, variants, levels, and by id within one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from restock.catalog.models import VariantRow
from restock.catalog.repository import upserts
from restock.catalog.values import ItemGone, ItemSaid, LevelSaid, ProductGone, ProductSaid, SourceTime, VariantSaid

_Said = TypeVar("_Said", ProductSaid, VariantSaid, LevelSaid, ItemSaid)


def record_products(session: Session, shop_id: int, said: Sequence[ProductSaid]) -> list[int]:
    """Record products with the variants they list; variants a product no longer has are marked deleted."""
    newest = {one.product_id: one for one in _oldest_first(said)}
    rows = [
        {
            "product_id": one.product_id,
            "title": one.title,
            "handle": one.handle,
            "vendor": one.vendor,
            "status": one.status,
            "published": one.published,
            "image_url": one.image_url,
            "variant_count": one.variant_count or len(one.variant_ids or one.variants) or 1,
        }
        | _time(one.at)
        for _, one in sorted(newest.items())
    ]
    # A product refused as an older picture: its variants are as old.
    written = [newest[product_id] for product_id in _write(session, upserts.PRODUCTS, shop_id, rows)]
    touched = set(record_variants(session, shop_id, [variant for one in written for variant in one.variants]))
    for one in written:
        touched |= _mark_missing(session, shop_id, one)
    # A change of status or publication concerns the variants beyond the first hundred too.
    return sorted(touched | set(_variants_of_products(session, shop_id, [one.product_id for one in written])))


def record_variants(session: Session, shop_id: int, said: Sequence[VariantSaid]) -> list[int]:
    """Record variants, and with each what it says about its item."""
    items = [ItemSaid(one.inventory_item_id, one.tracked, one.at) for one in said if one.inventory_item_id]
    _record_items(session, shop_id, items)
    newest = {one.variant_id: one for one in _oldest_first(said)}
    rows = [
        {
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
        }
        | _time(one.at)
        for _, one in sorted(newest.items())
    ]
    return sorted(_write(session, upserts.VARIANTS, shop_id, rows))


def record_items(session: Session, shop_id: int, said: Sequence[ItemSaid]) -> list[int]:
    """Record whether the stock of items is counted."""
    return _variants_of_items(session, shop_id, _record_items(session, shop_id, said))


def record_levels(session: Session, shop_id: int, said: Sequence[LevelSaid]) -> list[int]:
    """Record levels. Those of an unknown item are kept until a variant is told to have it."""
    newest = {(one.inventory_item_id, one.location_id): one for one in _oldest_first(said)}
    rows = [
        {"inventory_item_id": item_id, "location_id": location_id, "available": one.available} | _time(one.at)
        for (item_id, location_id), one in sorted(newest.items())
    ]
    return _variants_of_items(session, shop_id, _write(session, upserts.LEVELS, shop_id, rows))


def record_product_gone(session: Session, shop_id: int, gone: ProductGone) -> list[int]:
    """Record that a product was deleted, even one never told of: late news must not bring it back."""
    row = {"product_id": gone.product_id, "title": ""} | _time(gone.at)
    return _variants_of_products(session, shop_id, _write(session, upserts.PRODUCT_GONE, shop_id, [row]))


def record_item_gone(session: Session, shop_id: int, gone: ItemGone) -> list[int]:
    """Record that an item was deleted, even one never told of."""
    row = {"inventory_item_id": gone.inventory_item_id} | _time(gone.at)
    return _variants_of_items(session, shop_id, _write(session, upserts.ITEM_GONE, shop_id, [row]))


def _record_items(session: Session, shop_id: int, said: Sequence[ItemSaid]) -> Sequence[int]:
    told = [one for one in said if one.tracked is not None]
    newest = {one.inventory_item_id: one for one in _oldest_first(told)}  # two variants may share one
    rows = [
        {"inventory_item_id": key, "tracked": newest[key].tracked} | _time(newest[key].at) for key in sorted(newest)
    ]
    return _write(session, upserts.ITEMS, shop_id, rows)


def _write(session: Session, upsert: upserts.Upsert, shop_id: int, rows: Sequence[dict[str, Any]]) -> Sequence[int]:
    """Run a statement for all rows at once, and return the keys of those that were written."""
    if not rows:
        return []
    written = session.connection().execute(upsert, [row | {"shop_id": shop_id} for row in rows])
    return written.scalars().all()


def _mark_missing(session: Session, shop_id: int, said: ProductSaid) -> set[int]:
    """Mark the variants that a newer picture of the product no longer has; none where it does not name them all."""
    if said.variant_ids is None:
        return set()
    when = tuple_(VariantRow.source_updated_at, VariantRow.source_triggered_at)
    statement = (
        update(VariantRow)
        .where(
            VariantRow.shop_id == shop_id,
            VariantRow.product_id == said.product_id,
            VariantRow.variant_id.not_in(said.variant_ids),
            VariantRow.deleted_at.is_(None),
            when <= tuple_(said.at.updated_at, said.at.triggered_at),
        )
        .values(deleted_at=func.now(), updated_at=func.now(), **_time(said.at))
        .returning(VariantRow.variant_id)
    )
    return set(session.scalars(statement, execution_options={"synchronize_session": False}))


def _variants_of_products(session: Session, shop_id: int, product_ids: Collection[int]) -> list[int]:
    return _variants(session, shop_id, VariantRow.product_id.in_(set(product_ids))) if product_ids else []


def _variants_of_items(session: Session, shop_id: int, inventory_item_ids: Collection[int]) -> list[int]:
    return (
        _variants(session, shop_id, VariantRow.inventory_item_id.in_(set(inventory_item_ids)))
        if inventory_item_ids
        else []
    )


def _variants(session: Session, shop_id: int, condition: ColumnElement[bool]) -> list[int]:
    query = select(VariantRow.variant_id).where(VariantRow.shop_id == shop_id, condition)
    return list(session.scalars(query.where(VariantRow.deleted_at.is_(None)).order_by(VariantRow.variant_id)))


def _oldest_first(said: Sequence[_Said]) -> list[_Said]:
    """Sort news by its time, equals as they came, so that the last one about a thing is the one that counts."""
    return sorted(said, key=lambda one: one.at)


def _time(at: SourceTime) -> dict[str, Any]:
    return {"source_updated_at": at.updated_at, "source_triggered_at": at.triggered_at}
