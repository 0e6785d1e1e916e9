"""The questions against real tables."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.reports.service import ReportService
from restock.shops.values import NotificationPolicy, Shop, ShopSettings, ShopState

STORY = """
INSERT INTO variants (shop_id, variant_id, product_id, inventory_item_id, source_updated_at, source_triggered_at)
    VALUES (:s, :v, 1, 7, now(), now());
INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available, source_updated_at,
    source_triggered_at)
    VALUES (:s, 7, 1, 2, now(), now()), (:s, 7, 2, 0, now(), now()), (:s, 7, 3, NULL, now(), now());
INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at)
    VALUES (:s, :v, true, 2, 'webhook', now());
INSERT INTO contacts (id, shop_id, channel, address, address_hash) OVERRIDING SYSTEM VALUE VALUES
    (1, :s, 'email', 'ada@example.com', '1'), (2, :s, 'sms', '+12015550123', '2'),
    (3, :s, 'email', 'x@y.example', '3');
INSERT INTO subscriptions (id, shop_id, contact_id, opener_customer_id, channel, variant_id, product_id,
    quantity, state, queued_at, expires_at, open_offer_id) OVERRIDING SYSTEM VALUE VALUES
    (1, :s, 1, gen_random_uuid(), 'email', :v, 1, 2, 'notified', now() - interval '3 min', now(), NULL),
    (2, :s, 2, gen_random_uuid(), 'sms', :v, 1, 3, 'active', now() - interval '2 min', now(), NULL),
    (3, :s, 3, gen_random_uuid(), 'email', :v, 1, 1, 'active', now() - interval '1 min', now(), NULL);
INSERT INTO restock_events (id, shop_id, variant_id, stock_changed_at) OVERRIDING SYSTEM VALUE
    VALUES (1, :s, :v, now() - interval '4 seconds');
INSERT INTO waves (id, shop_id, event_id, number) OVERRIDING SYSTEM VALUE VALUES (1, :s, 1, 1);
INSERT INTO offers (id, shop_id, event_id, wave_id, subscription_id, units) OVERRIDING SYSTEM VALUE
    VALUES (1, :s, 1, 1, 1, 2);
INSERT INTO delivery_lanes (id, shop_id, channel, event_id, next_at) OVERRIDING SYSTEM VALUE
    VALUES (1, :s, 'email', 1, now() - interval '1 min');
INSERT INTO deliveries (id, shop_id, lane_id, kind, channel, dedupe_key, offer_id, event_id, state, sent_at)
    OVERRIDING SYSTEM VALUE
    VALUES (5, :s, 1, 'offer', 'email', 'offer:1:0', 1, 1, 'sent', now() - interval '2 seconds');
"""
VARIANT = 9_007_199_254_740_993  # beyond what a float can hold


@pytest.fixture
def shop(database: Database) -> Shop:
    """A shop with one variant at two locations, one person told and two waiting during a restock of 2 units."""
    with database.transaction() as session:
        shop_id = session.execute(
            text("INSERT INTO shops (domain) VALUES ('a.myshopify.com') RETURNING id")
        ).scalar_one()
        for statement in STORY.split(";\n"):
            if statement.strip():
                session.execute(text(statement), {"s": shop_id, "v": VARIANT})
    settings = ShopSettings(policy=NotificationPolicy(factor=1.0))
    return Shop(shop_id, "a.myshopify.com", ShopState.installed, "A", "en", "EUR", settings)


def test_the_shelf_shows_levels_reading_and_waiting_people(database: Database, shop: Shop) -> None:
    (stock,) = ReportService(database).shelf(shop)
    assert (stock.variant_id, stock.sellable, stock.units) == (VARIANT, True, 2)
    assert stock.levels == {1: 2, 2: 0}  # the third location does not stock it
    assert (stock.waiting_count, stock.waiting_units) == (2, 4)


def test_the_waitlist_gives_everyone_one_reason(database: Database, shop: Shop) -> None:
    answer = ReportService(database).waitlist(shop, VARIANT)
    assert (answer.now.event_is_open, answer.now.free_units) == (True, 0)
    assert [(p.position, p.reason) for p in answer.waiting] == [
        (1, "Wants 3 units, 2 in stock: waits for a larger restock."),
        (2, "All 2 units in stock are offered to others; looked at again when a turn ends."),
    ]
    assert [p.reason for p in answer.left] == ["Told 2.0 s after the restock was seen."]
    assert "ada@" not in repr(answer)


def test_a_message_leads_back_to_its_restock_in_its_own_shop_only(database: Database, shop: Shop) -> None:
    reports = ReportService(database)
    assert reports.origins(shop, [5, 6])[5].variant_id == VARIANT
    stranger = Shop(shop.id + 1, "b.myshopify.com", ShopState.installed, "B", "en", None, ShopSettings())
    assert reports.origins(stranger, [5]) == {}
    assert reports.waitlist(stranger, VARIANT).waiting == []


def test_the_backlog_counts_without_names(database: Database, shop: Shop) -> None:
    gauges = ReportService(database).backlog()
    assert gauges["subscriptions"] == {(("state", "active"),): 2.0}
    assert gauges["deliveries"] == {(("channel", "email"), ("state", "sent")): 1.0}
    assert gauges["delivery_backlog_seconds"][(("channel", "email"),)] >= 60
    assert gauges["inbox_backlog_seconds"] == {(): 0.0}
    assert gauges["restock_events_open"] == {(): 1.0}
