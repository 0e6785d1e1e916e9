"""What webhooks have told of a variant, and the reading it amounts to. Reads facts, writes readings alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, true
from sqlalchemy.orm import Session

from restock.catalog.models import InventoryItemRow, InventoryLevelRow, ProductRow, VariantRow
from restock.catalog.repository.keeping import Fresh, Look, keep_readings
from restock.catalog.rules import read_stock
from restock.catalog.rules.basis import basis_of
from restock.catalog.values import GoodsFacts, ReadingBasis, ReadingSource, StockReading, StockVerdict, VariantFacts
from restock.database import run_lean, written_ids
from restock.shops.values import Shop

_NO_CHOICE = "Default Title"  # Shopify's own name for the variant of a product without options

# Both are read for every claim.
_READING = """
    SELECT sellable, units, source, read_at, held_from IS NOT NULL FROM stock_readings
    WHERE shop_id = %(shop_id)s AND variant_id = %(variant_id)s
"""
_GOODS = """
    SELECT v.variant_id, v.title, v.price_cents, coalesce(v.image_url, p.image_url), p.title, p.handle, p.product_id,
        p.variant_count
    FROM variants v JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id
    WHERE v.shop_id = %(shop_id)s AND v.variant_id = ANY(CAST(%(variant_ids)s AS bigint[])) AND p.title <> ''
"""


def variant_facts(
    session: Session, shop_id: int, variant_id: int, locations: Collection[int] = ()
) -> tuple[VariantFacts, datetime]:
    """Return what is recorded of a variant, and the database's time of looking.

    Levels are those of the given locations; without any, of all.
    """
    row = session.execute(_facts_query(shop_id, variant_id, locations)).one_or_none()
    if row is None:
        return VariantFacts(), session.execute(select(func.statement_timestamp())).scalar_one()
    facts = VariantFacts(
        levels=tuple(row.levels or ()),
        levels_known=row.level_count > 0,
        inventory_quantity=row.inventory_quantity,
        tracked=row.tracked,
        continues_selling=row.inventory_policy == "continue",
        status=row.status,
        published=row.published,
        deleted=row.deleted,
    )
    return facts, row.seen_at


def take_reading(session: Session, shop: Shop, variant_id: int) -> StockReading:
    """Compute a variant's reading from what is recorded and keep it; a newer one already kept is returned instead."""
    basis = basis_of(shop.settings)
    facts, seen_at = variant_facts(session, shop.id, variant_id, basis.locations)
    verdict = read_stock(facts, basis.publication_check)

    def under(other: ReadingBasis) -> StockVerdict:
        told, _ = variant_facts(session, shop.id, variant_id, other.locations)
        return read_stock(told, other.publication_check)

    look = Look(ReadingSource.webhook, seen_at, basis)
    keep_readings(session, shop.id, look, [Fresh(variant_id, verdict, under)])
    newest = current_reading(session, shop.id, variant_id)
    assert newest is not None
    return newest


def take_reading_if_told(session: Session, shop: Shop, variant_id: int) -> StockReading | None:
    """Do as `take_reading` where webhooks have told something since Shopify itself was last asked; None otherwise."""
    told_at: datetime | None = session.scalar(_told_query(shop.id, variant_id))
    if told_at is None:
        return None
    last = current_reading(session, shop.id, variant_id)
    if last is not None and last.source is ReadingSource.admin and told_at <= last.read_at:
        return None
    return take_reading(session, shop, variant_id)


def current_reading(session: Session, shop_id: int, variant_id: int) -> StockReading | None:
    """Return the newest reading kept of a variant; None when it was never read."""
    row = run_lean(session, _READING, {"shop_id": shop_id, "variant_id": variant_id}).fetchone()
    if row is None:
        return None
    sellable, units, source, read_at, held = row
    return StockReading(shop_id, variant_id, sellable, units, ReadingSource(source), read_at, held)


def product_facts(session: Session, shop: Shop, variant_ids: Collection[int]) -> dict[int, GoodsFacts]:
    """Return what messages may say, by variant; one whose product was never told of is left out."""
    if not variant_ids:
        return {}
    rows = run_lean(session, _GOODS, {"shop_id": shop.id, "variant_ids": written_ids(variant_ids)})
    return {
        variant_id: GoodsFacts(
            title=title,
            variant_title=None if variant_count == 1 or variant_title == _NO_CHOICE else variant_title,
            price_cents=price_cents,
            currency=shop.currency,
            image_url=image_url,
            handle=handle,
            product_id=product_id,
        )
        for variant_id, variant_title, price_cents, image_url, title, handle, product_id, variant_count in rows
    }


def _told_query(shop_id: int, variant_id: int) -> Select[Any]:
    """Ask when webhooks last told of a variant's stock; no row for a variant never told of."""
    variant = VariantRow
    level = (
        select(func.max(InventoryLevelRow.source_triggered_at))
        .where(
            InventoryLevelRow.shop_id == variant.shop_id,
            InventoryLevelRow.inventory_item_id == variant.inventory_item_id,
        )
        .scalar_subquery()
    )
    product = (
        select(ProductRow.source_triggered_at)
        .where(ProductRow.shop_id == variant.shop_id, ProductRow.product_id == variant.product_id)
        .scalar_subquery()
    )
    newest = func.greatest(variant.source_triggered_at, level, product)
    return select(newest).where(variant.shop_id == shop_id, variant.variant_id == variant_id)


def _facts_query(shop_id: int, variant_id: int, locations: Collection[int]) -> Select[tuple[object, ...]]:
    counted = InventoryLevelRow.location_id.in_(locations) if locations else true()
    levels = (
        select(
            func.array_agg(InventoryLevelRow.available)
            .filter(InventoryLevelRow.available.is_not(None), counted)
            .label("levels"),
            func.count().label("level_count"),
        )
        .where(
            InventoryLevelRow.shop_id == VariantRow.shop_id,
            InventoryLevelRow.inventory_item_id == VariantRow.inventory_item_id,
        )
        .lateral("stocked")
    )
    gone = or_(
        VariantRow.deleted_at.is_not(None), ProductRow.deleted_at.is_not(None), InventoryItemRow.deleted_at.is_not(None)
    )
    return (
        select(
            VariantRow.inventory_policy,
            VariantRow.inventory_quantity,
            func.coalesce(InventoryItemRow.tracked, VariantRow.tracked, True).label("tracked"),
            ProductRow.status,
            ProductRow.published,
            gone.label("deleted"),
            levels.c.levels,
            levels.c.level_count,
            func.statement_timestamp().label("seen_at"),
        )
        .outerjoin(
            ProductRow, and_(ProductRow.shop_id == VariantRow.shop_id, ProductRow.product_id == VariantRow.product_id)
        )
        .outerjoin(
            InventoryItemRow,
            and_(
                InventoryItemRow.shop_id == VariantRow.shop_id,
                InventoryItemRow.inventory_item_id == VariantRow.inventory_item_id,
            ),
        )
        .join(levels, true())
        .where(VariantRow.shop_id == shop_id, VariantRow.variant_id == variant_id)
    )
