"""The queries behind the page of one restock. They only read; each is scoped by shop.

Turns and notes have no index by restock, which every message would pay for: people are found by walking the queue of
the variant, whose index is there anyhow, and asking for each what the restock left.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.reports.repository.lists import goods_of
from restock.reports.repository.overview import GOODS, NAMES
from restock.reports.values.overview import Recovered
from restock.reports.values.restock import PersonFacts, RestockHead, RestockSums, WaveLine
from restock.reports.values.subscribers import Bookmark

_HEAD = text(f"""
    SELECT t.*, {GOODS}, r.read_at, r.source AS read_source, r.units AS read_units, r.sellable AS read_sellable
    FROM (SELECT * FROM restock_events WHERE id = :event_id AND shop_id = :shop_id) t
    LEFT JOIN stock_readings r ON r.shop_id = :shop_id AND r.variant_id = t.variant_id
    {NAMES}
""")  # noqa: S608 (two texts of our own)

_SUMS = text("""
    SELECT coalesce(sum(offered_count), 0) AS turns, coalesce(sum(offered_units), 0) AS units,
        (SELECT count(*) FROM deliveries WHERE event_id = :event_id AND sent_at IS NOT NULL AND kind = 'offer') AS told
    FROM waves WHERE event_id = :event_id AND shop_id = :shop_id
""")

_RECOVERED = text("""
    SELECT count(DISTINCT order_id), sum(quantity), sum(revenue_cents), currency FROM purchases
    WHERE shop_id = :shop_id AND event_id = :event_id AND ordered_at >= :opened_at GROUP BY currency ORDER BY 3 DESC
""")

_WAVES = text("""
    SELECT number, planned_at, units, free_units, offered_count, offered_units, passed_over_count
    FROM waves WHERE event_id = :event_id AND shop_id = :shop_id ORDER BY number DESC LIMIT :limit
""")

# Who had stopped waiting before, or had been told before and still is, cannot have been in this restock.
_QUEUE = """
    SELECT s.id, s.queued_at FROM subscriptions s
    WHERE s.shop_id = :shop_id AND s.variant_id = :variant_id AND s.queued_at <= :until
      AND (s.ended_at IS NULL OR s.ended_at >= :opened_at) AND (s.state <> 'notified' OR s.notified_at >= :opened_at)
"""
_LEFT = """
    LEFT JOIN LATERAL (
        SELECT * FROM offers WHERE subscription_id = s.id AND event_id = :event_id ORDER BY id DESC LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT * FROM deliveries WHERE offer_id = o.id AND kind = 'offer' ORDER BY id DESC LIMIT 1
    ) d ON true
    LEFT JOIN LATERAL (
        SELECT kind, reason, at FROM subscription_events
        WHERE subscription_id = s.id AND event_id = :event_id
          AND kind IN ('passed_over', 'missed', 'declined', 'lent_on', 'returned') ORDER BY id DESC LIMIT 1
    ) h ON true
    LEFT JOIN (
        SELECT subscription_id, min(ordered_at) AS bought_at FROM purchases
        WHERE shop_id = :shop_id AND event_id = :event_id AND ordered_at >= :opened_at GROUP BY subscription_id
    ) b ON b.subscription_id = s.id
"""

_PEOPLE = """
    SELECT s.id AS subscription_id, s.queued_at, o.state AS offer_state, o.reason AS offer_reason,
        o.created_at AS offered_at, o.ends_at, w.number AS wave_number, d.state AS delivery_state,
        d.reason AS delivery_reason, d.sent_at, d.finished_at, h.kind AS noted, h.reason AS noted_reason,
        h.at AS noted_at, b.bought_at
    FROM ({queue} ORDER BY s.queued_at {way}, s.id {way} LIMIT :limit) s
    {left} LEFT JOIN waves w ON w.id = o.wave_id
    ORDER BY s.queued_at {way}, s.id {way}
"""

_COUNTED = text(f"""
    WITH queue AS MATERIALIZED ({_QUEUE} ORDER BY s.queued_at, s.id LIMIT :limit)
    SELECT o.state AS offer_state, o.reason AS offer_reason, d.state AS delivery_state, d.reason AS delivery_reason,
        max(d.sent_at) AS sent_at, h.kind AS noted, CASE WHEN o.id IS NULL THEN h.reason END AS noted_reason,
        max(b.bought_at) AS bought_at, count(*) AS people, (SELECT count(*) FROM queue) AS looked_at
    FROM queue s {_LEFT}
    GROUP BY 1, 2, 3, 4, d.sent_at IS NULL, 6, 7, b.bought_at IS NULL
""")  # noqa: S608 (two texts of our own)


def head(session: Session, shop_id: int, event_id: int) -> RestockHead | None:
    """Read one restock; None when the shop has no such one."""
    row = session.execute(_HEAD, {"shop_id": shop_id, "event_id": event_id}).one_or_none()
    if row is None:
        return None
    return RestockHead(
        event_id=event_id,
        goods=goods_of(row),
        opened_at=row.opened_at,
        stock_changed_at=row.stock_changed_at,
        units_at_open=row.units_at_open,
        wave_count=row.wave_count,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        read_at=row.read_at,
        read_source=row.read_source,
        read_units=row.read_units,
        read_sellable=bool(row.read_sellable),
    )


def sums(session: Session, shop_id: int, event: RestockHead) -> RestockSums:
    """Sum up a restock of a shop."""
    values = {"shop_id": shop_id, "event_id": event.event_id, "opened_at": event.opened_at}
    row = session.execute(_SUMS, values).one()
    found = session.execute(_RECOVERED, values)
    bought = [Recovered(orders, int(units), int(cents), currency) for orders, units, cents, currency in found]
    return RestockSums(int(row.turns), int(row.units), row.told, bought)


def waves(session: Session, shop_id: int, event_id: int, limit: int) -> list[WaveLine]:
    """List the waves of a restock, the latest first."""
    found = session.execute(_WAVES, {"shop_id": shop_id, "event_id": event_id, "limit": limit})
    return [WaveLine(*row) for row in found]


def people(
    session: Session, shop_id: int, event: RestockHead, until: datetime, *, bookmark: Bookmark | None, limit: int
) -> list[PersonFacts]:
    """Walk up to `limit` people of the queue from a bookmark on, the nearest first, whether they were in it or not."""
    backward = bookmark is not None and bookmark.backward
    values = _values(shop_id, event, until, limit)
    queue = _QUEUE
    if bookmark is not None:
        queue += f" AND (s.queued_at, s.id) {'<' if backward else '>'} (:queued_at, :last_id)"
        values |= {"queued_at": bookmark.queued_at, "last_id": bookmark.subscription_id}
    query = text(_PEOPLE.format(queue=queue, left=_LEFT, way="DESC" if backward else "ASC"))
    return [PersonFacts(**row) for row in session.execute(query, values).mappings()]


def counted(
    session: Session, shop_id: int, event: RestockHead, until: datetime, limit: int
) -> tuple[list[tuple[PersonFacts, int]], int]:
    """Count the first `limit` people of the queue by what the restock left of them; with how many were looked at."""
    rows = session.execute(_COUNTED, _values(shop_id, event, until, limit)).all()
    alike = [(_alike(row, event), row.people) for row in rows]
    return [(facts, number) for facts, number in alike if facts.was_in], rows[0].looked_at if rows else 0


def _alike(row: Row[Any], event: RestockHead) -> PersonFacts:
    return PersonFacts(
        0,
        event.opened_at,
        offer_state=row.offer_state,
        offer_reason=row.offer_reason,
        delivery_state=row.delivery_state,
        delivery_reason=row.delivery_reason,
        sent_at=row.sent_at,
        noted=row.noted,
        noted_reason=row.noted_reason,
        bought_at=row.bought_at,
    )


def _values(shop_id: int, event: RestockHead, until: datetime, limit: int) -> dict[str, object]:
    return {
        "shop_id": shop_id,
        "event_id": event.event_id,
        "variant_id": event.goods.variant_id,
        "opened_at": event.opened_at,
        "until": until,
        "limit": limit,
    }
