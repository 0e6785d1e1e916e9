"""The queries behind the questions. They only read; all but `gauges` are scoped by shop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from restock.reports.rules import mask_address
from restock.reports.values import Gauges, MessageOrigin, PlaceFacts, VariantStock

_SHELF = text("""
    SELECT v.variant_id, r.sellable, r.units,
           coalesce(l.levels, '{}') AS levels, coalesce(w.people, 0) AS people, coalesce(w.units, 0) AS wanted
    FROM variants v
    LEFT JOIN stock_readings r ON r.shop_id = v.shop_id AND r.variant_id = v.variant_id
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(location_id, available) AS levels FROM inventory_levels i
        WHERE i.shop_id = v.shop_id AND i.inventory_item_id = v.inventory_item_id AND i.available IS NOT NULL
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS people, sum(quantity) AS units FROM subscriptions s
        WHERE s.shop_id = v.shop_id AND s.variant_id = v.variant_id AND s.state IN ('pending', 'active')
    ) w ON true
    WHERE v.shop_id = :shop_id AND v.deleted_at IS NULL
    ORDER BY v.variant_id LIMIT :limit
""")

PLACES = """
    SELECT s.id, s.channel, c.address, s.quantity, s.state, s.end_reason, s.queued_at,
           o.state AS offer_state, o.ends_at, d.state AS delivery_state, d.reason AS delivery_reason, d.sent_at,
           CASE WHEN w.number = 1 THEN coalesce(e.stock_changed_at, e.opened_at) ELSE w.planned_at END AS turn_came_at,
           w.number AS wave_number
    FROM subscriptions s
    JOIN contacts c ON c.id = s.contact_id
    LEFT JOIN LATERAL (SELECT * FROM offers WHERE subscription_id = s.id ORDER BY id DESC LIMIT 1) o ON true
    LEFT JOIN restock_events e ON e.id = o.event_id
    LEFT JOIN waves w ON w.id = o.wave_id
    LEFT JOIN LATERAL (SELECT * FROM deliveries WHERE offer_id = o.id ORDER BY id DESC LIMIT 1) d ON true
    WHERE s.shop_id = :shop_id AND s.variant_id = :variant_id AND
"""
_WAITING = text(PLACES + " s.state IN ('pending', 'active') ORDER BY s.queued_at, s.id LIMIT :limit")
_LEFT = text(PLACES + " s.state NOT IN ('pending', 'active') ORDER BY s.updated_at DESC, s.id DESC LIMIT :limit")

_NOW = text("""
    SELECT coalesce(r.sellable, false) AS sellable, r.units, e.id IS NOT NULL AS event_is_open,
           coalesce((SELECT sum(o.units) FROM offers o WHERE o.event_id = e.id AND o.state = 'open'), 0) AS open_units
    FROM (VALUES (CAST(:shop_id AS bigint), CAST(:variant_id AS bigint))) asked(shop_id, variant_id)
    LEFT JOIN stock_readings r USING (shop_id, variant_id)
    LEFT JOIN restock_events e
        ON e.shop_id = asked.shop_id AND e.variant_id = asked.variant_id AND e.closed_at IS NULL
""")

_ORIGINS = text("""
    SELECT d.id, e.variant_id, w.number AS wave_number,
           CASE WHEN w.number = 1 THEN coalesce(e.stock_changed_at, e.opened_at) ELSE w.planned_at END AS turn_came_at
    FROM deliveries d
    JOIN offers o ON o.id = d.offer_id
    JOIN waves w ON w.id = o.wave_id
    JOIN restock_events e ON e.id = w.event_id
    WHERE d.shop_id = :shop_id AND d.id = ANY(:ids)
""")


# The figures operators watch. The inbox is a room above this one: its table is known here by name alone.
# name -> (labels, query whose rows are the labels' values and then the figure)
_GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    "subscriptions": (
        ("state",),
        "SELECT state, count(*) FROM subscriptions WHERE state IN ('pending', 'active') GROUP BY state",
    ),
    "deliveries": (
        ("channel", "state"),
        "SELECT channel, state, count(*) FROM deliveries WHERE created_at > now() - interval '24 hours' GROUP BY 1, 2",
    ),
    "delivery_backlog_seconds": (
        ("channel",),
        """SELECT channel, greatest(0, extract(epoch FROM now() - min(next_at))) FROM delivery_lanes
           WHERE next_at IS NOT NULL GROUP BY channel""",
    ),
    "inbox": (
        ("state",),
        "SELECT state, count(*) FROM inbox_messages WHERE received_at > now() - interval '24 hours' GROUP BY state",
    ),
    "inbox_backlog_seconds": (
        (),
        "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM inbox_messages WHERE state = 'received'",
    ),
    "stock_checks_due": ((), "SELECT count(*) FROM stock_checks WHERE due_at <= now()"),
    "restock_events_open": ((), "SELECT count(*) FROM restock_events WHERE closed_at IS NULL"),
}


def shelf(session: Session, shop_id: int, limit: int) -> list[VariantStock]:
    """Read what is in stock, and how many wait, for each variant known of a shop."""
    found = session.execute(_SHELF, {"shop_id": shop_id, "limit": limit})
    return [
        VariantStock(
            variant_id=row.variant_id,
            sellable=row.sellable,
            units=row.units,
            levels={int(location): available for location, available in row.levels.items()},
            waiting_count=row.people,
            waiting_units=int(row.wanted),
        )
        for row in found
    ]


def waiting(session: Session, shop_id: int, variant_id: int, limit: int) -> list[PlaceFacts]:
    """Read the first places of a variant's queue, in its order."""
    return _places(session, _WAITING, shop_id, variant_id, limit)


def left(session: Session, shop_id: int, variant_id: int, limit: int) -> list[PlaceFacts]:
    """Read the people who stopped waiting for a variant, the last first."""
    return _places(session, _LEFT, shop_id, variant_id, limit)


def stock_now(session: Session, shop_id: int, variant_id: int) -> tuple[bool, int | None, bool, int]:
    """Read whether a variant is sellable, its units, whether a restock is going on, and the units on offer."""
    row = session.execute(_NOW, {"shop_id": shop_id, "variant_id": variant_id}).one()
    return row.sellable, row.units, row.event_is_open, int(row.open_units)


def origins(session: Session, shop_id: int, delivery_ids: Sequence[int]) -> list[MessageOrigin]:
    """Read which restock each delivery goes back to; deliveries without one are left out."""
    found = session.execute(_ORIGINS, {"shop_id": shop_id, "ids": list(delivery_ids)})
    return [MessageOrigin(*row) for row in found]


def gauges(session: Session) -> Gauges:
    """Read the figures operators watch, all shops together; they name nobody."""
    found: Gauges = {}
    for name, (labels, query) in _GAUGES.items():
        rows = session.execute(text(query))
        found[name] = {tuple(zip(labels, row[:-1], strict=True)): float(row[-1]) for row in rows}
    return found


def place_facts(row: Row[Any]) -> PlaceFacts:
    """Make the facts of a row of PLACES; the address is never whole."""
    return PlaceFacts(row.id, row.channel, mask_address(row.channel, row.address), *tuple(row)[3:])


def _places(session: Session, query: TextClause, shop_id: int, variant_id: int, limit: int) -> list[PlaceFacts]:
    found = session.execute(query, {"shop_id": shop_id, "variant_id": variant_id, "limit": limit})
    return [place_facts(row) for row in found]
