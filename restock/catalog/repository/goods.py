"""Of which variants the Admin API should be asked what messages may say of them, and writing the answer down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.catalog.repository.recording import record_products, record_variants
from restock.catalog.values import ProductSaid, SourceTime, VariantSaid
from restock.shopify.values import VariantGoods

GOODS_FOR_SECONDS = 86_400.0

# A webhook tells as much, so a product that was told of lately need not be asked about.
_WANTED = text("""
    SELECT wanted.variant_id
    FROM unnest(CAST(:variant_ids AS bigint[])) AS wanted(variant_id)
    LEFT JOIN variants v ON v.shop_id = :shop_id AND v.variant_id = wanted.variant_id
    LEFT JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id
    WHERE coalesce(p.title, '') = '' OR v.inventory_item_id IS NULL
       OR greatest(v.goods_asked_at, least(v.updated_at, p.updated_at)) < now() - make_interval(secs => :seconds)
    ORDER BY v.goods_asked_at NULLS FIRST, wanted.variant_id
    LIMIT :limit
""")

_ASKED = text("""
    UPDATE variants SET goods_asked_at = now() WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids)
""")


def goods_wanted(session: Session, shop_id: int, variant_ids: Collection[int], limit: int) -> list[int]:
    """Pick variants of which nothing is known, or nothing was heard for a day; those never asked about first."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "seconds": GOODS_FOR_SECONDS, "limit": limit}
    return list(session.execute(_WANTED, values).scalars())


def record_goods(session: Session, shop_id: int, goods: Sequence[VariantGoods], asked_at: datetime) -> None:
    """Write down what Shopify says of variants and their products; what a webhook told of a later state stays."""
    variants = [_variant(one, asked_at) for one in goods]
    products = {one.product_id: _product(one, asked_at) for one in goods}
    record_products(session, shop_id, list(products.values()))
    record_variants(session, shop_id, variants)
    session.execute(_ASKED, {"shop_id": shop_id, "variant_ids": sorted(one.variant_id for one in goods)})


def _product(one: VariantGoods, asked_at: datetime) -> ProductSaid:
    return ProductSaid(
        product_id=one.product_id,
        at=SourceTime(one.product_updated_at, asked_at),
        title=one.product_title,
        handle=one.handle,
        vendor=one.vendor,
        status=one.status,
        published=one.online_store_url is not None,
        image_url=one.product_image_url,
        variant_count=one.variant_count,
    )


def _variant(one: VariantGoods, asked_at: datetime) -> VariantSaid:
    return VariantSaid(
        variant_id=one.variant_id,
        product_id=one.product_id,
        at=SourceTime(one.variant_updated_at, asked_at),
        title=one.title,
        sku=one.sku,
        price_cents=one.price_cents,
        inventory_item_id=one.inventory_item_id,
        inventory_policy=one.inventory_policy,
        tracked=one.tracked,
        image_url=one.image_url,
    )
