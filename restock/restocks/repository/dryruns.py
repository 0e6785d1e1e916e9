"""What a dry run has to know besides the queue. Only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# Turns whose message has not left yet begin as soon as it does. To the minute: a wave's turns end within seconds. Those
# of a sold-out restock that is still being settled keep their units too.
_OPEN_TURNS = text("""
    SELECT CASE WHEN e.closed_at IS NULL THEN e.id END AS open_id,
        date_trunc('minute', coalesce(o.ends_at, now() + make_interval(mins => :turn_minutes))
        + interval '59 seconds') AS ends_at, sum(o.units)::bigint AS units
    FROM restock_events e LEFT JOIN offers o ON o.event_id = e.id AND o.state = 'open'
    WHERE e.shop_id = :shop_id AND e.variant_id = :variant_id AND (e.closed_at IS NULL OR e.settle_at IS NOT NULL)
    GROUP BY 1, 2
""")

_WAITING = text("""
    SELECT count(*) FROM subscriptions
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND state = 'active' AND open_offer_id IS NULL
      AND paused_at IS NULL
""")

_READ_VARIANTS = text("""
    SELECT r.variant_id FROM stock_readings r
    WHERE r.shop_id = :shop_id AND r.variant_id > :after AND (r.sellable OR :sold_out_too) AND EXISTS (
        SELECT 1 FROM subscriptions s WHERE s.shop_id = r.shop_id AND s.variant_id = r.variant_id
          AND s.state = 'active' AND s.open_offer_id IS NULL AND s.paused_at IS NULL
    )
    ORDER BY r.variant_id LIMIT :limit
""")

_SHOPS = text("""
    SELECT DISTINCT shop_id FROM (
        SELECT shop_id FROM variants WHERE variant_id = :variant_id
        UNION ALL
        SELECT shop_id FROM stock_readings WHERE variant_id = :variant_id
    ) known ORDER BY shop_id
""")

_NOW = text("SELECT now()")


class OpenTurns(NamedTuple):
    """The open restock of a variant and the units its turns keep, by when they end. `event_id` None: none is open."""

    event_id: int | None
    units_by_end: Mapping[datetime, int]


def open_turns(session: Session, shop_id: int, variant_id: int, turn_minutes: int) -> OpenTurns:
    """Read the turns under way of a variant."""
    values = {"shop_id": shop_id, "variant_id": variant_id, "turn_minutes": turn_minutes}
    found = session.execute(_OPEN_TURNS, values).all()
    units_by_end: Counter[datetime] = Counter()
    for row in found:
        units_by_end[row.ends_at] += int(row.units or 0)
    return OpenTurns(next((row.open_id for row in found if row.open_id), None), +units_by_end)


def time_now(session: Session) -> datetime:
    """Read the database's time."""
    found: datetime = session.execute(_NOW).scalar_one()
    return found


def waiting_count(session: Session, shop_id: int, variant_id: int) -> int:
    """Count the places in a variant's queue, as it is planned."""
    return int(session.execute(_WAITING, {"shop_id": shop_id, "variant_id": variant_id}).scalar_one())


def read_variants(session: Session, shop_id: int, after: int, limit: int, *, sold_out_too: bool) -> Sequence[int]:
    """List the variants somebody waits for whose stock was ever read, in their order, after one."""
    values = {"shop_id": shop_id, "after": after, "limit": limit, "sold_out_too": sold_out_too}
    return session.execute(_READ_VARIANTS, values).scalars().all()


def shops_of_variant(session: Session, variant_id: int) -> Sequence[int]:
    """List the shops in which something is known of a variant."""
    return session.execute(_SHOPS, {"variant_id": variant_id}).scalars().all()
