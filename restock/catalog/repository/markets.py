"""How variants look to the shoppers of single countries, as Shopify last said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.catalog.values import MarketPrice
from restock.shopify.values import MarketView
from restock.shops.values import Shop

VIEW_FOR_SECONDS = 900.0

_WANTED = text("""
    SELECT wanted.variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS wanted(variant_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM market_views v WHERE v.shop_id = :shop_id AND v.variant_id = wanted.variant_id
          AND v.country = :country AND v.read_at > now() - make_interval(secs => :seconds)
    )
    ORDER BY wanted.variant_id LIMIT :limit
""")

_KEEP = text("""
    INSERT INTO market_views AS old (shop_id, variant_id, country, published, price_cents, currency, read_at)
    SELECT :shop_id, new.variant_id, :country, new.published, new.price_cents, new.currency, :read_at
    FROM unnest(CAST(:variant_ids AS bigint[]), CAST(:published AS boolean[]), CAST(:price_cents AS bigint[]),
        CAST(:currency AS text[])) AS new(variant_id, published, price_cents, currency)
    ORDER BY new.variant_id
    ON CONFLICT (shop_id, variant_id, country) DO UPDATE SET published = excluded.published,
        price_cents = excluded.price_cents, currency = excluded.currency, read_at = excluded.read_at
    WHERE old.read_at <= excluded.read_at
""")

_CLOSED = text("""
    SELECT country FROM market_views WHERE shop_id = :shop_id AND variant_id = :variant_id AND NOT published
""")


_PRICES = text("""
    SELECT variant_id, country, price_cents, currency FROM market_views
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) AND country = ANY(:countries)
      AND price_cents IS NOT NULL AND currency IS NOT NULL
""")


def market_prices(
    session: Session, shop: Shop, wanted: Collection[tuple[int, int]]
) -> dict[tuple[int, int], MarketPrice]:
    """Read the prices of (variant, market) in the money of each market, where they are known."""
    countries = {one.market_id: one.country for one in shop.settings.markets}
    known = [(variant_id, market_id) for variant_id, market_id in wanted if market_id in countries]
    if not known:
        return {}
    values = {"variant_ids": [variant_id for variant_id, _ in known], "countries": list(set(countries.values()))}
    rows = session.execute(_PRICES, {"shop_id": shop.id} | values)
    prices = {(row.variant_id, row.country): MarketPrice(row.price_cents, row.currency) for row in rows}
    return {
        (variant_id, market_id): price
        for variant_id, market_id in known
        if (price := prices.get((variant_id, countries[market_id])))
    }


def views_wanted(session: Session, shop_id: int, variant_ids: Collection[int], country: str, limit: int) -> list[int]:
    """Pick variants of which it is not known lately how they look in a country."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "country": country, "limit": limit}
    return list(session.execute(_WANTED, values | {"seconds": VIEW_FOR_SECONDS}).scalars())


def keep_views(session: Session, shop_id: int, country: str, views: Sequence[MarketView], read_at: datetime) -> None:
    """Keep how variants look in a country, unless something newer is kept."""
    ordered = sorted(views, key=lambda view: view.variant_id)
    values = {
        "variant_ids": [view.variant_id for view in ordered],
        "published": [view.published for view in ordered],
        "price_cents": [view.price_cents for view in ordered],
        "currency": [view.currency for view in ordered],
    }
    session.execute(_KEEP, {"shop_id": shop_id, "country": country, "read_at": read_at} | values)


def countries_without(session: Session, shop_id: int, variant_id: int) -> set[str]:
    """Read the countries in which a variant is not sold; one nobody asked about is not among them."""
    return set(session.execute(_CLOSED, {"shop_id": shop_id, "variant_id": variant_id}).scalars())
