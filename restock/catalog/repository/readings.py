"""What is known of a variant, and the reading it amounts to. Reads facts and writes `stock_readings` alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from restock.catalog.models import InventoryItemRow, InventoryLevelRow, ProductRow, StockReadingRow, VariantRow
from restock.catalog.rules import read_stock
from restock.catalog.values import GoodsFacts, ReadingSource, StockReading, VariantFacts
from restock.shops.values import Shop

_NO_CHOICE = "Default Title"  # Shopify's own name for the variant of a product without options


def variant_facts(session: Session, shop_id: int, variant_id: int) -> tuple[VariantFacts, datetime]:
    """Return what is recorded of a variant, and the database's time of looking."""
    row = session.execute(_facts_query(shop_id, variant_id)).one_or_none()
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
    facts, seen_at = variant_facts(session, shop.id, variant_id)
    verdict = read_stock(facts, shop.settings.publication_check)
    values = {
        "sellable": verdict.sellable,
        "units": verdict.units,
        "source": ReadingSource.webhook,
        "read_at": seen_at,
    }
    statement = insert(StockReadingRow).values(shop_id=shop.id, variant_id=variant_id, **values)
    kept = session.execute(
        statement.on_conflict_do_update(
            index_elements=[StockReadingRow.shop_id, StockReadingRow.variant_id],
            set_=values,
            where=StockReadingRow.read_at <= statement.excluded.read_at,
        ).returning(StockReadingRow.read_at)
    ).one_or_none()
    newer = current_reading(session, shop.id, variant_id) if kept is None else None
    return newer or StockReading(shop.id, variant_id, verdict.sellable, verdict.units, ReadingSource.webhook, seen_at)


def current_reading(session: Session, shop_id: int, variant_id: int) -> StockReading | None:
    """Return the newest reading kept of a variant; None when it was never read."""
    columns = (StockReadingRow.sellable, StockReadingRow.units, StockReadingRow.source, StockReadingRow.read_at)
    row = session.execute(
        select(*columns).where(StockReadingRow.shop_id == shop_id, StockReadingRow.variant_id == variant_id)
    ).one_or_none()
    if row is None:
        return None
    return StockReading(shop_id, variant_id, row.sellable, row.units, ReadingSource(row.source), row.read_at)


def product_facts(session: Session, shop: Shop, variant_ids: Collection[int]) -> dict[int, GoodsFacts]:
    """Return what messages may say, by variant; one whose product was never told of is left out."""
    rows = session.execute(
        select(
            VariantRow.variant_id,
            VariantRow.title.label("variant_title"),
            VariantRow.price_cents,
            func.coalesce(VariantRow.image_url, ProductRow.image_url).label("image_url"),
            ProductRow.title,
            ProductRow.handle,
            ProductRow.product_id,
            ProductRow.variant_count,
        )
        .join(
            ProductRow, and_(ProductRow.shop_id == VariantRow.shop_id, ProductRow.product_id == VariantRow.product_id)
        )
        .where(VariantRow.shop_id == shop.id, VariantRow.variant_id.in_(set(variant_ids)), ProductRow.title != "")
    )
    return {
        row.variant_id: GoodsFacts(
            title=row.title,
            variant_title=None if row.variant_count == 1 or row.variant_title == _NO_CHOICE else row.variant_title,
            price_cents=row.price_cents,
            currency=shop.currency,
            image_url=row.image_url,
            handle=row.handle,
            product_id=row.product_id,
        )
        for row in rows
    }


def _facts_query(shop_id: int, variant_id: int) -> Select[tuple[object, ...]]:
    levels = (
        select(
            func.array_agg(InventoryLevelRow.available)
            .filter(InventoryLevelRow.available.is_not(None))
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
