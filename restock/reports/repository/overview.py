"""The queries behind the merchant's first page. They only read; each is scoped by shop.

Tables of rooms above or beside this one (the inbox, purchases) are known here by name alone.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.reports.repository.lists import goods_of
from restock.reports.values.overview import DaySent, DayState, Demand, Newcomers, OpenRestock, Recovered, VariantDemand
from restock.reports.values.subscribers import Goods

NAMES = """
    LEFT JOIN variants v ON v.shop_id = :shop_id AND v.variant_id = t.variant_id
    LEFT JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id
    LEFT JOIN LATERAL (
        SELECT s.product_id, i.product AS said FROM subscriptions s LEFT JOIN intents i ON i.subscription_id = s.id
        WHERE s.shop_id = :shop_id AND s.variant_id = t.variant_id ORDER BY s.queued_at DESC, s.id DESC LIMIT 1
    ) one ON p.title IS NULL
"""
GOODS = """
    coalesce(v.product_id, one.product_id) AS product_id, p.title AS product_title, v.title AS variant_title,
    coalesce(v.image_url, p.image_url) AS image_url, one.said
"""

_DEMAND = text(f"""
    SELECT t.*, {GOODS} FROM (
        SELECT variant_id, count(*) AS people, sum(quantity) AS units, sum(count(*)) OVER () AS all_people,
            sum(sum(quantity)) OVER () AS all_units, count(*) OVER () AS all_variants
        FROM subscriptions WHERE shop_id = :shop_id AND state IN ('pending', 'active') GROUP BY variant_id
        ORDER BY people DESC, variant_id LIMIT :limit
    ) t {NAMES} ORDER BY people DESC, t.variant_id
""")  # noqa: S608 (two texts of our own)

_ASKED = text("""
    SELECT CAST(queued_at AT TIME ZONE 'UTC' AS date), state, count(*) FROM subscriptions
    WHERE shop_id = :shop_id AND queued_at >= :since GROUP BY 1, 2
""")

# Whatever has become of them: who was told already has signed up all the same.
_NEWCOMERS = text("""
    SELECT variant_id, count(*) AS people, sum(quantity) AS units FROM subscriptions
    WHERE shop_id = :shop_id AND queued_at > :since AND queued_at <= :until
    GROUP BY variant_id ORDER BY people DESC, variant_id
""")

# By way of the restocks, which are few: deliveries need no index by time for it.
_SENT = text("""
    SELECT CAST(coalesce(d.sent_at, d.finished_at) AT TIME ZONE 'UTC' AS date), d.channel, d.state, count(*),
        count(d.clicked_at)
    FROM restock_events e JOIN deliveries d ON d.event_id = e.id
    WHERE e.shop_id = :shop_id AND (e.closed_at IS NULL OR e.closed_at >= :since)
        AND (d.sent_at >= :since OR d.state = 'failed' AND d.finished_at >= :since)
    GROUP BY 1, 2, 3
""")

_RECOVERED = text("""
    SELECT count(DISTINCT order_id), sum(quantity), sum(revenue_cents), currency FROM purchases
    WHERE shop_id = :shop_id AND offer_id IS NOT NULL AND ordered_at >= :since
    GROUP BY currency ORDER BY 3 DESC
""")

_OPEN = text(f"""
    SELECT t.*, {GOODS} FROM (
        SELECT e.id, e.variant_id, e.opened_at, e.units_at_open, e.wave_count, r.units,
            coalesce((SELECT sum(w.offered_count) FROM waves w WHERE w.event_id = e.id), 0) AS offered,
            (SELECT count(*) FROM deliveries d WHERE d.event_id = e.id AND d.sent_at IS NOT NULL) AS sent,
            (SELECT count(*) FROM subscriptions s WHERE s.shop_id = e.shop_id AND s.variant_id = e.variant_id
                AND s.state = 'active' AND s.open_offer_id IS NULL AND s.paused_at IS NULL) AS waiting
        FROM restock_events e
        LEFT JOIN stock_readings r ON r.shop_id = e.shop_id AND r.variant_id = e.variant_id
        WHERE e.shop_id = :shop_id AND e.closed_at IS NULL ORDER BY e.opened_at DESC, e.id DESC LIMIT :limit
    ) t {NAMES} ORDER BY opened_at DESC, id DESC
""")  # noqa: S608 (two texts of our own)

# Those going on first (NULLs come first), then those that were over last.
_TOLD = text(f"""
    SELECT t.*, {GOODS} FROM (
        SELECT e.id, e.variant_id, e.closed_at FROM restock_events e
        WHERE e.shop_id = :shop_id
            AND EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id AND d.sent_at IS NOT NULL)
        ORDER BY e.closed_at DESC, e.id DESC LIMIT :limit
    ) t {NAMES} ORDER BY closed_at DESC, id DESC
""")  # noqa: S608 (two texts of our own)

_LAST_WEBHOOK = text("""
    SELECT received_at FROM inbox_messages WHERE shop_domain = :domain ORDER BY received_at DESC LIMIT 1
""")
_PENDING = text("""
    SELECT channel, count(*) AS people FROM subscriptions WHERE shop_id = :shop_id AND state = 'pending'
    GROUP BY channel
""")
_EVER_ASKED = text("SELECT EXISTS (SELECT FROM subscriptions WHERE shop_id = :shop_id)")


def demand(session: Session, shop_id: int, limit: int) -> Demand:
    """Count who waits, and name the variants most waited for."""
    rows = session.execute(_DEMAND, {"shop_id": shop_id, "limit": limit}).all()
    if not rows:
        return Demand(0, 0, 0, ())
    top = [VariantDemand(goods_of(row), row.people, int(row.units)) for row in rows]
    return Demand(int(rows[0].all_people), int(rows[0].all_units), rows[0].all_variants, top)


def asked(session: Session, shop_id: int, since: datetime) -> list[DayState]:
    """Count who asked since, by day and present state."""
    return [DayState(*row) for row in session.execute(_ASKED, {"shop_id": shop_id, "since": since})]


def newcomers(session: Session, shop_id: int, since: datetime, until: datetime) -> list[Newcomers]:
    """Count who signed up after `since`, until then included, by variant, the most wanted first."""
    found = session.execute(_NEWCOMERS, {"shop_id": shop_id, "since": since, "until": until})
    return [Newcomers(row.variant_id, row.people, int(row.units)) for row in found]


def sent(session: Session, shop_id: int, since: datetime) -> list[DaySent]:
    """Count the restock messages since, by day, channel and present state."""
    return [DaySent(*row) for row in session.execute(_SENT, {"shop_id": shop_id, "since": since})]


def recovered(session: Session, shop_id: int, since: datetime) -> list[Recovered]:
    """Sum up what people who had been told bought since, by currency, the largest sum first."""
    found = session.execute(_RECOVERED, {"shop_id": shop_id, "since": since})
    return [Recovered(orders, int(units), int(cents), currency) for orders, units, cents, currency in found]


def open_restocks(session: Session, shop_id: int, limit: int) -> list[OpenRestock]:
    """Read the restocks going on, the latest first."""
    found = session.execute(_OPEN, {"shop_id": shop_id, "limit": limit})
    return [
        OpenRestock(
            event_id=row.id,
            goods=goods_of(row),
            opened_at=row.opened_at,
            units_at_open=row.units_at_open,
            units=row.units,
            wave_count=row.wave_count,
            offered=int(row.offered),
            sent=row.sent,
            waiting=row.waiting,
        )
        for row in found
    ]


def told_restocks(session: Session, shop_id: int, limit: int) -> list[tuple[int, Goods]]:
    """List the latest restocks somebody was told of, each with its goods."""
    return [(row.id, goods_of(row)) for row in session.execute(_TOLD, {"shop_id": shop_id, "limit": limit})]


def last_webhook_at(session: Session, domain: str) -> datetime | None:
    """Read when the last webhook of a shop arrived; None when none is kept."""
    return session.execute(_LAST_WEBHOOK, {"domain": domain}).scalar_one_or_none()


def pending(session: Session, shop_id: int) -> dict[str, int]:
    """Count the wishes whose address has not said yes, by channel."""
    return {row.channel: row.people for row in session.execute(_PENDING, {"shop_id": shop_id})}


def ever_asked(session: Session, shop_id: int) -> bool:
    """Say whether anybody ever asked for anything in a shop."""
    return bool(session.execute(_EVER_ASKED, {"shop_id": shop_id}).scalar_one())
