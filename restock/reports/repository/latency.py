"""The queries behind the latency figures: of one restock, of a shop, of the instance.

A message is measured from the moment its person's turn came: when the stock changed, for the first wave, and when a
later wave was planned; for somebody asleep, from when they woke. What is large is measured by a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.reports.values.latency import EventSpeed, Percentiles, Speed

MOST_MEASURED = 20_000  # messages of one restock
MOST_LATEST = 500  # messages of one restock among those of the last hours

_SHARES = "ARRAY[0.5, 0.95, 0.99]"
_WOKE_AT = "CASE WHEN d.attempt <= 1 AND d.next_at > d.created_at + interval '15 minutes' THEN d.next_at END"
_CAME_AT = f"""greatest(
        CASE WHEN w.number = 1 THEN coalesce(e.stock_changed_at, e.opened_at) ELSE w.planned_at END, {_WOKE_AT}
    )"""
# Of a restock, until its first message was with a provider: not counting the night, where that was to wait for it.
_FIRST = f"""
    SELECT greatest(0, extract(epoch FROM
        d.sent_at - greatest(coalesce(e.stock_changed_at, e.opened_at), {_WOKE_AT})))::float8 AS took
    FROM deliveries d WHERE d.event_id = e.id AND d.sent_at IS NOT NULL ORDER BY d.sent_at LIMIT 1
"""  # noqa: S608 (the piece above)
_SECONDS = f"""
    greatest(0, extract(epoch FROM d.sent_at - {_CAME_AT}))::float8 AS sent,
    CASE WHEN d.state = 'delivered' THEN greatest(0, extract(epoch FROM d.finished_at - {_CAME_AT}))::float8 END
        AS delivered
"""

_SIZE = text("SELECT count(*) FROM deliveries WHERE event_id = :event_id AND sent_at IS NOT NULL AND kind = 'offer'")

_EVENT = text(f"""
    WITH e AS (SELECT * FROM restock_events WHERE id = :event_id),
    measured AS (
        SELECT {_SECONDS} FROM e
        JOIN deliveries d ON d.event_id = e.id AND d.sent_at IS NOT NULL AND d.kind = 'offer' AND d.id % :every = 0
        JOIN offers o ON o.id = d.offer_id
        JOIN waves w ON w.id = o.wave_id
    )
    SELECT e.shop_id, e.id, coalesce(e.stock_changed_at, e.opened_at) AS changed_at,
        (SELECT extract(epoch FROM planned_at - coalesce(e.stock_changed_at, e.opened_at))::float8
            FROM waves WHERE event_id = e.id AND number = 1) AS decided,
        ({_FIRST}) AS first_sent,
        (SELECT percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY sent) FROM measured) AS sent,
        (SELECT count(delivered) FROM measured) AS delivered_count,
        (SELECT percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY delivered) FROM measured) AS delivered
    FROM e
""")  # noqa: S608 (the pieces above)

_KEEP = text("""
    INSERT INTO event_latency (shop_id, event_id, changed_at, decided_seconds, first_sent_seconds, sent_count, sent_p50,
        sent_p95, sent_p99, delivered_count, delivered_p50, delivered_p95, delivered_p99)
    VALUES (:shop_id, :event_id, :changed_at, :decided, :first_sent, :sent_count, :sent_p50,
        :sent_p95, :sent_p99, :delivered_count, :delivered_p50, :delivered_p95, :delivered_p99)
    ON CONFLICT (shop_id, event_id) DO NOTHING
    RETURNING event_id
""")

# Over, and its receipts are in: nothing of it is under way, or so long has passed that nothing more is expected.
_CALM = text("""
    SELECT e.id FROM restock_events e
    WHERE e.closed_at < now() - make_interval(secs => :calm_seconds)
      AND NOT EXISTS (SELECT FROM event_latency l WHERE l.event_id = e.id)
    ORDER BY e.closed_at LIMIT :limit
""")

_KEPT = text("""
    SELECT shop_id, event_id, changed_at, decided_seconds, first_sent_seconds, sent_count, sent_p50, sent_p95, sent_p99,
        delivered_count, delivered_p50, delivered_p95, delivered_p99
    FROM event_latency WHERE shop_id = :shop_id AND event_id = :event_id
""")

_SPEED = text(f"""
    WITH e AS MATERIALIZED (
        SELECT id, shop_id, stock_changed_at, opened_at, closed_at FROM restock_events
        WHERE (CAST(:shop_id AS bigint) IS NULL OR shop_id = :shop_id)
          AND (closed_at IS NULL OR closed_at > now() - make_interval(secs => :seconds))
    ),
    fresh AS (SELECT * FROM e WHERE opened_at > now() - make_interval(secs => :seconds)),
    decided AS (
        SELECT greatest(0, extract(epoch FROM w.planned_at - coalesce(e.stock_changed_at, e.opened_at)))::float8 AS took
        FROM fresh e JOIN waves w ON w.event_id = e.id AND w.number = 1
    ),
    firsts AS (SELECT took FROM fresh e CROSS JOIN LATERAL ({_FIRST}) one),
    people AS (
        SELECT {_SECONDS} FROM e CROSS JOIN LATERAL (
            SELECT * FROM deliveries
            WHERE event_id = e.id AND sent_at > now() - make_interval(secs => :seconds) AND kind = 'offer'
            ORDER BY sent_at DESC LIMIT :most
        ) d
        JOIN offers o ON o.id = d.offer_id
        JOIN waves w ON w.id = o.wave_id
    )
    SELECT 'decided' AS stage, count(took) AS number, percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY took) AS took
        FROM decided
    UNION ALL SELECT 'first', count(took), percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY took) FROM firsts
    UNION ALL SELECT 'sent', count(sent), percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY sent) FROM people
    UNION ALL SELECT 'delivered', count(delivered), percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY delivered)
        FROM people
""")  # noqa: S608 (the pieces above)

_BACKLOG = text("""
    SELECT now() AS at, coalesce(extract(epoch FROM now() - min(next_at)), 0)::float8 AS seconds
    FROM delivery_lanes WHERE next_at <= now()
""")


def calm_events(session: Session, calm_seconds: float, limit: int) -> list[int]:
    """List restocks that are over for so long and whose figures nobody has kept yet, all shops."""
    return list(session.execute(_CALM, {"calm_seconds": calm_seconds, "limit": limit}).scalars())


def keep(session: Session, event_id: int) -> bool:
    """Measure one restock and keep its figures; False when they are kept already, or it is gone."""
    found = _measure(session, event_id)
    if found is None:
        return False
    shop_id, one = found
    values = {
        "shop_id": shop_id,
        "event_id": one.event_id,
        "changed_at": one.changed_at,
        "decided": one.decided_seconds,
        "first_sent": one.first_sent_seconds,
    }
    for stage, figures in (("sent", one.sent), ("delivered", one.delivered)):
        values |= {f"{stage}_{name}": getattr(figures, name) for name in ("count", "p50", "p95", "p99")}
    return session.execute(_KEEP, values).first() is not None


def of_event(session: Session, shop_id: int, event_id: int) -> EventSpeed | None:
    """Read how long a restock of a shop took: as it was kept, or measured now; None when there is none."""
    row = session.execute(_KEPT, {"shop_id": shop_id, "event_id": event_id}).first()
    if row is not None:
        sent = Percentiles(row.sent_count, row.sent_p50, row.sent_p95, row.sent_p99)
        delivered = Percentiles(row.delivered_count, row.delivered_p50, row.delivered_p95, row.delivered_p99)
        return EventSpeed(event_id, row.changed_at, row.decided_seconds, row.first_sent_seconds, sent, delivered)
    found = _measure(session, event_id)
    return found[1] if found is not None and found[0] == shop_id else None


def speed(session: Session, shop_id: int | None, hours: float) -> Speed:
    """Measure the last hours of a shop, or of all: of each restock its MOST_LATEST latest messages."""
    values = {"shop_id": shop_id, "seconds": hours * 3600, "most": MOST_LATEST}
    stages = {row.stage: _percentiles(row.number, row.took) for row in session.execute(_SPEED, values)}
    return Speed(hours, **stages)


def backlog(session: Session) -> tuple[datetime, float]:
    """Read the database's time, and for how long the oldest due message has waited, in seconds."""
    row = session.execute(_BACKLOG).one()
    return row.at, max(0.0, row.seconds)


def _measure(session: Session, event_id: int) -> tuple[int, EventSpeed] | None:
    sent_count = int(session.execute(_SIZE, {"event_id": event_id}).scalar_one())
    every = max(1, -(-sent_count // MOST_MEASURED))
    row: Row[Any] | None = session.execute(_EVENT, {"event_id": event_id, "every": every}).first()
    if row is None:
        return None
    sent, delivered = _percentiles(sent_count, row.sent), _percentiles(row.delivered_count * every, row.delivered)
    return row.shop_id, EventSpeed(row.id, row.changed_at, row.decided, row.first_sent, sent, delivered)


def _percentiles(count: int, found: Sequence[float] | None) -> Percentiles:
    return Percentiles(count, *found) if count and found is not None else Percentiles(count)
