"""What is over is erased when it is old; what still waits or is young stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.database import Database
from restock.privacy.service import PrivacyService
from restock.subscriptions.service import SubscriptionService
from tests.flows.story import SHOP, Story

OLD, YOUNG = "now() - interval '740 days'", "now() - interval '700 days'"


@pytest.fixture
def privacy(story: Story) -> PrivacyService:
    return story.services.privacy


def plant(database: Database, shop_id: int, ended: str, state: str = "cancelled") -> int:
    """Make one contact whose only subscription ended then, with an intent, an offer, a consent and a delivery."""
    with database.transaction() as session:
        number = session.execute(text("SELECT count(*) FROM contacts")).scalar_one()
        values = {"shop": shop_id, "state": state, "hash": str(number).encode()}
        contact = session.execute(
            text(f"""
                INSERT INTO contacts (shop_id, channel, address, address_hash, updated_at)
                VALUES (:shop, 'email', 'ada@example.com', :hash, {ended}) RETURNING id
            """),
            values,
        ).scalar_one()
        values |= {"contact": contact}
        run(
            session,
            f"""
                INSERT INTO consents (shop_id, contact_id, purpose, action, source)
                VALUES (:shop, :contact, 'back_in_stock', 'granted', 'api');
                WITH customer AS (
                    INSERT INTO customers (id, shop_id, updated_at) VALUES (gen_random_uuid(), :shop, {ended})
                    RETURNING id
                ), subscription AS (
                    INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id,
                        quantity, state, expires_at, ended_at, created_at, updated_at)
                    SELECT :shop, :contact, id, 'email', 5, 1, 1, :state, now() + interval '1 day', {ended}, {ended},
                        {ended} FROM customer RETURNING id, opener_customer_id
                ), offer AS (
                    INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units, state)
                    SELECT :shop, 1, 1, id, 1, 'ended' FROM subscription
                ), delivery AS (
                    INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, state, created_at)
                    VALUES (:shop, 1, 'offer', 'email', gen_random_uuid()::text, :contact, 'sent', {ended})
                )
                INSERT INTO intents (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id,
                    product_id, quantity, source, closed_at)
                SELECT gen_random_uuid(), :shop, opener_customer_id, id, :contact, 'email', 5, 1, 1, 'api', {ended}
                FROM subscription
            """,
            values,
        )
    return int(contact)


def run(session: Session, statements: str, values: dict[str, object]) -> None:
    for statement in statements.split(";"):
        session.execute(text(statement), values)


def sweep(privacy: PrivacyService, subscriptions: SubscriptionService) -> None:
    privacy.sweep(seconds=30)
    while subscriptions.sweep_orphans():
        pass


def counts(database: Database) -> dict[str, int]:
    tables = ("subscriptions", "intents", "offers", "deliveries", "contacts", "customers", "consents")
    with database.transaction() as session:
        return {name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}


def test_an_old_end_takes_everything_with_it(story: Story, privacy: PrivacyService) -> None:
    """Down to the consent, which proves nothing without its address; and a second sweep finds nothing to do."""
    services = story.services
    shop_id = services.shops.add(SHOP).id
    plant(services.database, shop_id, OLD)
    sweep(privacy, services.subscriptions)
    assert set(counts(services.database).values()) == {0}


@pytest.mark.parametrize(("ended", "state"), [(YOUNG, "cancelled"), (OLD, "active"), (OLD, "pending")])
def test_what_is_young_or_still_waits_stays(story: Story, privacy: PrivacyService, ended: str, state: str) -> None:
    services = story.services
    plant(services.database, services.shops.add(SHOP).id, ended, state)
    sweep(privacy, services.subscriptions)
    found = counts(services.database)
    assert {name: count for name, count in found.items() if count != 1} == ({} if ended == YOUNG else {"deliveries": 0})


def test_a_walk_goes_on_where_the_time_ended(story: Story, privacy: PrivacyService) -> None:
    services = story.services
    shop_id = services.shops.add(SHOP).id
    with services.database.transaction() as session:
        session.execute(
            text(f"""
                INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, state, created_at)
                SELECT :shop, 1, 'test', 'email', n::text, 'sent', {OLD} FROM generate_series(1, 2500) n
            """),
            {"shop": shop_id},
        )
    left = [2500]
    while left[-1]:
        privacy.sweep(seconds=0)
        left.append(counts(services.database)["deliveries"])
        assert len(left) < 20
    assert left[:4] == [2500, 1500, 500, 0]


def test_how_long_is_a_setting(story: Story, privacy: PrivacyService) -> None:
    services = story.services
    plant(services.database, services.shops.add(SHOP).id, YOUNG)
    sweep(replace(privacy, retention_days=690), services.subscriptions)
    assert set(counts(services.database).values()) == {0}


def test_lanes_of_old_restocks_go_when_their_messages_have_gone(story: Story, privacy: PrivacyService) -> None:
    """A shop's own lane stays, and so does one with messages in it or of a restock that goes on."""
    services = story.services
    shop_id = services.shops.add(SHOP).id
    with services.database.transaction() as session:
        run(
            session,
            """
                INSERT INTO restock_events (shop_id, variant_id, closed_at) VALUES
                    (:shop, 1, now() - interval '40 days'), (:shop, 2, now() - interval '40 days'), (:shop, 3, NULL);
                INSERT INTO delivery_lanes (shop_id, channel, event_id)
                SELECT :shop, 'email', id FROM restock_events UNION ALL SELECT :shop, 'email', 0;
                INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, state, event_id)
                SELECT :shop, 1, 'offer', 'email', 'k', 'sent', id FROM restock_events WHERE variant_id = 2
            """,
            {"shop": shop_id},
        )
    privacy.sweep(seconds=30)
    with services.database.transaction() as session:
        query = """
            SELECT coalesce(e.variant_id, 0) FROM delivery_lanes l LEFT JOIN restock_events e ON e.id = l.event_id
            ORDER BY 1
        """
        assert list(session.execute(text(query)).scalars()) == [0, 2, 3]
