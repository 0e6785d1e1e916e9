"""A shop with a past, written straight into the tables: for what the pages show and how fast they are."""

from __future__ import annotations

from sqlalchemy import text

from restock.database import Database
from restock.shops.values import Shop

PRODUCTS = (
    (8_412_300_010, "Lookout Beanie", ((45_120_000_101, "Small"), (45_120_000_102, "Medium"))),
    (8_412_300_020, "Cove Enamel Mug", ((45_120_000_202, "Pine"),)),
    (8_412_300_030, "Ferry Tote", ((45_120_000_301, "Natural"), (45_120_000_302, "Rust"))),
    (8_412_300_040, "Tideline Boots", ((45_120_000_402, "40"), (45_120_000_403, "42"))),
)
VARIANTS = tuple(variant for _, _, variants in PRODUCTS for variant, _ in variants)

_GOODS = """
INSERT INTO products (shop_id, product_id, title, handle, image_url, source_updated_at, source_triggered_at)
    VALUES (:shop, :product, :title, 'x', :image, now(), now()) ON CONFLICT DO NOTHING;
"""
_VARIANT = """
INSERT INTO variants (shop_id, variant_id, product_id, title, sku, source_updated_at, source_triggered_at)
    VALUES (:shop, :variant, :product, :title, :sku, now(), now()) ON CONFLICT DO NOTHING
"""

# `n` people, spread over variants, channels and states, one every `gap` seconds, the first the longest ago.
_PEOPLE = """
WITH people AS (
    SELECT n, (ARRAY['email', 'email', 'email', 'sms', 'push'])[1 + n % 5] AS channel,
        (CAST(:variants AS bigint[]))[1 + (n * n + n / 7) % :variant_count] AS variant_id,
        (ARRAY['active', 'active', 'notified', 'notified', 'active', 'pending', 'cancelled', 'purchased',
               'expired', 'notified', 'active'])[1 + n % 11] AS state,
        now() - make_interval(secs => (CAST(:count AS bigint) + :first - n) * CAST(:gap AS float8)) AS at
    FROM generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + :count - 1) n
), handle AS (
    INSERT INTO customers (id, shop_id, name)
    SELECT gen_random_uuid(), :shop, CASE WHEN n % 3 = 0 THEN 'Ada ' || n END FROM people
    RETURNING id, name
), numbered AS (
    SELECT id, row_number() OVER () + :first - 1 AS n FROM handle
), contact AS (
    INSERT INTO contacts (shop_id, channel, address, address_hash, marketing)
    SELECT :shop, channel, address, sha256(convert_to(channel || ':' || address, 'UTF8')),
        CASE WHEN n % 4 = 0 THEN 'granted' END
    FROM people, LATERAL (SELECT CASE channel WHEN 'email' THEN 'ada' || n || '@example.com'
        WHEN 'sms' THEN '+1201555' || lpad(CAST(n % 10000 AS text), 4, '0') || CASE WHEN n >= 10000 THEN n::text
            ELSE '' END
        ELSE 'https://push.example/' || n END AS address) one
    RETURNING id, address
)
INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity, state,
    end_reason, queued_at, created_at, expires_at, notified_at, ended_at)
SELECT :shop, contact.id, numbered.id, p.channel, p.variant_id, 1, 1 + p.n % 3, p.state,
    CASE p.state WHEN 'cancelled' THEN 'unsubscribed' WHEN 'expired' THEN 'waited_too_long' END, p.at, p.at,
    p.at + interval '1 year', CASE WHEN p.state = 'notified' THEN p.at + interval '2 hours' END,
    CASE WHEN p.state IN ('cancelled', 'expired', 'purchased') THEN p.at + interval '3 hours' END
FROM people p JOIN numbered USING (n)
JOIN contact ON contact.address = CASE p.channel WHEN 'email' THEN 'ada' || p.n || '@example.com'
    WHEN 'sms' THEN '+1201555' || lpad(CAST(p.n % 10000 AS text), 4, '0') || CASE WHEN p.n >= 10000 THEN p.n::text
        ELSE '' END
    ELSE 'https://push.example/' || p.n END
"""

# Everyone who was told had one turn in one restock of the variant, and one message.
_TOLD = """
INSERT INTO restock_events (shop_id, variant_id, units_at_open, wave_count, opened_at, closed_at)
    SELECT :shop, variant_id, 40, 1, now() - interval '25 days',
        CASE WHEN rank > 1 THEN now() - interval '1 hour' END
    FROM (SELECT variant_id, row_number() OVER (ORDER BY variant_id) AS rank FROM subscriptions
          WHERE shop_id = :shop GROUP BY variant_id) v;
INSERT INTO waves (shop_id, event_id, number, units, offered_count)
    SELECT e.shop_id, e.id, 1, 40, (SELECT count(*) FROM subscriptions s WHERE s.shop_id = e.shop_id
        AND s.variant_id = e.variant_id AND s.state IN ('notified', 'purchased'))
    FROM restock_events e WHERE e.shop_id = :shop;
INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units, state, accepted_at, ends_at, created_at)
    SELECT s.shop_id, e.id, w.id, s.id, s.quantity, 'ended', s.queued_at + interval '2 hours 2 seconds',
        s.queued_at + interval '3 hours', s.queued_at + interval '2 hours'
    FROM subscriptions s JOIN restock_events e ON e.shop_id = s.shop_id AND e.variant_id = s.variant_id
    JOIN waves w ON w.event_id = e.id WHERE s.shop_id = :shop AND s.state IN ('notified', 'purchased');
INSERT INTO delivery_lanes (shop_id, channel, event_id)
    SELECT :shop, c, e.id FROM restock_events e, unnest(ARRAY['email', 'sms', 'push']) c WHERE e.shop_id = :shop;
INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, subscription_id, offer_id, event_id,
    state, reason, attempt, created_at, sent_at, finished_at, click_count, clicked_at)
    SELECT s.shop_id, l.id, 'offer', s.channel, 'offer-' || o.id, s.contact_id, s.id, o.id, o.event_id,
        CASE WHEN s.id % 23 = 0 THEN 'bounced' WHEN s.id % 3 = 0 THEN 'delivered' ELSE 'sent' END,
        CASE WHEN s.id % 23 = 0 THEN 'mailbox_unknown' END, 1, o.created_at, o.created_at + interval '2 seconds',
        CASE WHEN s.id % 23 = 0 OR s.id % 3 = 0 THEN o.created_at + interval '9 seconds' END,
        (s.id % 4 = 0)::int, CASE WHEN s.id % 4 = 0 THEN o.created_at + interval '8 minutes' END
    FROM subscriptions s JOIN offers o ON o.subscription_id = s.id
    JOIN delivery_lanes l ON l.shop_id = s.shop_id AND l.event_id = o.event_id AND l.channel = s.channel
    WHERE s.shop_id = :shop;
INSERT INTO purchases (shop_id, order_id, line_id, variant_id, quantity, revenue_cents, currency, subscription_id,
    offer_id, event_id, ordered_at)
    SELECT s.shop_id, s.id, s.id, s.variant_id, s.quantity, s.quantity * 3400, 'EUR', s.id, o.id, o.event_id,
        s.queued_at + interval '3 hours'
    FROM subscriptions s LEFT JOIN offers o ON o.subscription_id = s.id
    WHERE s.shop_id = :shop AND s.state = 'purchased';
INSERT INTO intents (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id, product_id, quantity,
    source, created_at)
    SELECT gen_random_uuid(), shop_id, opener_customer_id, id, contact_id, channel, variant_id, 1, quantity, 'sdk',
        queued_at
    FROM subscriptions WHERE shop_id = :shop;
INSERT INTO inbox_messages (shop_domain, webhook_id, topic, body, received_at)
    VALUES (:domain, 'w1', 'products/update', '', now() - interval '4 minutes');
"""


def fill(database: Database, shop: Shop, count: int, *, gap_seconds: float = 900.0, first: int = 1) -> None:
    """Give a shop its goods and `count` more people who asked, nobody told yet."""
    with database.transaction() as session:
        for product, title, variants in PRODUCTS:
            facts = {"shop": shop.id, "product": product, "title": title, "image": None}
            session.execute(text(_GOODS), facts)
            for variant, name in variants:
                more = {"variant": variant, "sku": f"SKU-{variant % 1000}"}
                session.execute(text(_VARIANT), facts | more | {"title": name})
        asked = {"shop": shop.id, "count": count, "gap": gap_seconds, "first": first}
        session.execute(text(_PEOPLE), asked | {"variants": list(VARIANTS), "variant_count": len(VARIANTS)})


def tell(database: Database, shop: Shop) -> None:
    """Write the restocks, turns and messages behind everyone who was told, and what they bought."""
    with database.transaction() as session:
        for statement in _TOLD.split(";\n"):
            if statement.strip():
                session.execute(text(statement), {"shop": shop.id, "domain": shop.domain})


_HOLD = """
INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at, basis, held_from)
    VALUES (:shop, :variant, true, 12, 'admin', now(), 'any/1/', 'online_store/1/')
    ON CONFLICT (shop_id, variant_id) DO UPDATE SET sellable = true, units = 12, held_from = excluded.held_from
"""


def hold_back(database: Database, shop: Shop, *variant_ids: int) -> None:
    """Have these variants be sellable by changed settings alone."""
    with database.transaction() as session:
        for variant_id in variant_ids:
            session.execute(text(_HOLD), {"shop": shop.id, "variant": variant_id})


def pass_over(database: Database, shop: Shop, minutes: float, variant_count: int) -> None:
    """Write down a finished round through what people wait for, which took so many minutes."""
    with database.transaction() as session:
        session.execute(
            text("""
                INSERT INTO reconcile_state (shop_id, last_started_at, last_finished_at, last_variant_count)
                VALUES (:shop, now() - make_interval(secs => 60 * :minutes + 180), now() - interval '3 minutes', :count)
            """),
            {"shop": shop.id, "minutes": minutes, "count": variant_count},
        )
        session.execute(text("UPDATE shops SET access = 'granted' WHERE id = :shop"), {"shop": shop.id})
