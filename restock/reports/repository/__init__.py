"""The queries behind the questions. They only read; all but `gauges` are scoped by shop."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.reports.values import Gauges, MessageOrigin, VariantStock

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
