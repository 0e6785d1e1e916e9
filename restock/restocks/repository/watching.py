"""Which waiting variants are to be read again, and which readings call for a decision. All shops' or one's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.restocks.values import HeldBack

# A check that already waits will be done anyway.
_STALE = text("""
    SELECT waiting.variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS waiting(variant_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM stock_readings r WHERE r.shop_id = :shop_id AND r.variant_id = waiting.variant_id
          AND r.read_at > now() - make_interval(secs => :seconds) AND r.basis = :basis
    ) AND NOT EXISTS (
        SELECT 1 FROM stock_checks c WHERE c.shop_id = :shop_id AND c.variant_id = waiting.variant_id
    )
    ORDER BY waiting.variant_id
""")

_NEVER_READ = text("""
    SELECT waiting.variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS waiting(variant_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM stock_readings r WHERE r.shop_id = :shop_id AND r.variant_id = waiting.variant_id
    ) AND NOT EXISTS (
        SELECT 1 FROM stock_checks c WHERE c.shop_id = :shop_id AND c.variant_id = waiting.variant_id
    )
    ORDER BY waiting.variant_id
""")

_UNREAD_SINCE = text("""
    SELECT waiting.variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS waiting(variant_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM stock_readings r WHERE r.shop_id = :shop_id AND r.variant_id = waiting.variant_id
          AND r.read_at >= :since AND r.basis = :basis AND r.source = 'admin'
    )
    ORDER BY waiting.variant_id
""")

_READ_OTHERWISE = text("""
    SELECT EXISTS (
        SELECT 1 FROM stock_readings r
        WHERE r.shop_id = :shop_id AND r.variant_id = ANY(:variant_ids) AND r.basis IS DISTINCT FROM :basis
    )
""")

# Whatever is not among these is as it should be: nothing open, and nothing to open.
_UNDECIDED = text("""
    SELECT variant_id FROM restock_events
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) AND closed_at IS NULL
    UNION
    SELECT r.variant_id FROM stock_readings r
    WHERE r.shop_id = :shop_id AND r.variant_id = ANY(:variant_ids) AND r.sellable AND r.held_from IS NULL
      AND EXISTS (
        SELECT 1 FROM subscriptions s WHERE s.shop_id = r.shop_id AND s.variant_id = r.variant_id
          AND s.state = 'active' AND s.open_offer_id IS NULL AND s.paused_at IS NULL
      )
""")

_HELD_BACK = text("""
    SELECT count(DISTINCT s.variant_id) AS variants, count(*) AS people
    FROM stock_readings r JOIN subscriptions s ON s.shop_id = r.shop_id AND s.variant_id = r.variant_id
    WHERE r.shop_id = :shop_id AND r.held_from IS NOT NULL AND s.state = 'active' AND s.open_offer_id IS NULL
      AND s.paused_at IS NULL
""")


def stale_variants(session: Session, shop_id: int, variant_ids: Sequence[int], seconds: float, basis: str) -> list[int]:
    """Keep the variants not read for so long or by other settings, without a check waiting."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "seconds": seconds, "basis": basis}
    return list(session.execute(_STALE, values).scalars())


def never_read(session: Session, shop_id: int, variant_ids: Sequence[int]) -> list[int]:
    """Keep the variants that have no reading at all and no check waiting."""
    return list(session.execute(_NEVER_READ, {"shop_id": shop_id, "variant_ids": list(variant_ids)}).scalars())


def unread_since(session: Session, shop_id: int, variant_ids: Sequence[int], since: datetime, basis: str) -> list[int]:
    """Keep the variants that Shopify was not asked about since then, or by other settings."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "since": since, "basis": basis}
    return list(session.execute(_UNREAD_SINCE, values).scalars())


def read_otherwise(session: Session, shop_id: int, variant_ids: Sequence[int], basis: str) -> bool:
    """Say whether one of these variants was read by other settings than these."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "basis": basis}
    return bool(session.execute(_READ_OTHERWISE, values).scalar_one())


def undecided(session: Session, shop_id: int, variant_ids: Collection[int]) -> set[int]:
    """Keep the variants whose restock is on, or may have to be."""
    return set(session.execute(_UNDECIDED, {"shop_id": shop_id, "variant_ids": list(variant_ids)}).scalars())


def held_back(session: Session, shop_id: int) -> HeldBack:
    """Count the waiting variants, and the people, that a confirmed change of settings would open a restock for."""
    return HeldBack(*session.execute(_HELD_BACK, {"shop_id": shop_id}).one())
