"""People who wait for one variant: as many as wanted, on one channel, each with a customer, a contact and an intent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from restock.catalog.rules.basis import basis_of, write_basis
from restock.shops.values import ShopSettings
from tests.benchmarks.fanout.contestant import Contestant
from tests.benchmarks.stage import OURS, Stage

SHOP = "crowd.myshopify.com"
VARIANT = 1

SHOP_ROW = """
    INSERT INTO shops (domain, name, currency, settings)
    VALUES (%(domain)s, 'The Crowd', 'EUR', '{"policy": "everyone", "send_hours.sms": "any"}') RETURNING id
"""
GOODS = """
    INSERT INTO products (shop_id, product_id, title, handle, status, published, variant_count, image_url,
        source_updated_at, source_triggered_at)
        SELECT id, 1, 'Enamel mug, 0.4 l', 'mug', 'active', true, 2, 'https://cdn.example.com/mug.jpg', now(), now()
        FROM shops;
    INSERT INTO variants (shop_id, variant_id, product_id, title, price_cents, inventory_item_id, tracked,
        source_updated_at, source_triggered_at) SELECT id, 1, 1, 'Green', 1250, 1, false, now(), now() FROM shops;
    INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available, source_updated_at,
        source_triggered_at) SELECT id, 1, 1, 0, now(), now() FROM shops;
    INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at, basis)
        SELECT id, 1, false, 0, 'webhook', now(), %(basis)s FROM shops
"""
_PEOPLE = """
    WITH person AS (
        INSERT INTO customers (id, shop_id, locale)
        SELECT gen_random_uuid(), %(shop)s, NULL FROM generate_series(%(first)s::int, %(last)s::int)
        RETURNING id
    ), numbered AS (SELECT id, row_number() OVER () + %(first)s - 1 AS n FROM person), contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash, push_keys)
        SELECT %(shop)s, %(channel)s, {address}, sha256((%(channel)s || n)::bytea), {keys}
        FROM numbered ORDER BY n RETURNING id, address_hash
    ), paired AS (
        SELECT contact.id AS contact_id, numbered.id AS customer_id, numbered.n FROM numbered
        JOIN contact ON contact.address_hash = sha256((%(channel)s || numbered.n)::bytea)
    ), subscription AS (
        INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity,
            state, queued_at, created_at, expires_at)
        SELECT %(shop)s, contact_id, customer_id, %(channel)s, 1, 1, 1, 'active',
            now() - interval '30 days' + make_interval(secs => n / 10.0),
            now() - interval '30 days' + make_interval(secs => n / 10.0), now() + interval '1 year'
        FROM paired ORDER BY n RETURNING id, contact_id, opener_customer_id
    )
    INSERT INTO intents (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id, product_id,
        quantity, source)
    SELECT gen_random_uuid(), %(shop)s, opener_customer_id, id, contact_id, %(channel)s, 1, 1, 1, 'api'
    FROM subscription
"""
_ROWS_A_STATEMENT = 50_000


@contextmanager
def open_crowd(stage: Stage, name: str, of: Contestant, count: int) -> Iterator[str]:
    """Make a database with `count` people before one variant, drop it at the end; give its name."""
    with stage.connect("postgres") as server:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(copy.format(sql.Identifier(name), sql.Identifier(OURS)))
    try:
        with stage.connect(name) as connection:
            _fill(connection, of.channel, count, _PEOPLE.format(address=of.address, keys=of.keys))
        yield name
    finally:
        with stage.connect("postgres") as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _fill(connection: psycopg.Connection[tuple[object, ...]], channel: str, count: int, people: str) -> None:
    row = connection.execute(SHOP_ROW, {"domain": SHOP}).fetchone()
    assert row is not None
    for statement in GOODS.split(";"):
        connection.execute(statement, {"basis": write_basis(basis_of(ShopSettings()))})
    for first in range(1, count + 1, _ROWS_A_STATEMENT):
        last = min(count, first + _ROWS_A_STATEMENT - 1)
        connection.execute(people.encode(), {"shop": row[0], "channel": channel, "first": first, "last": last})
    connection.execute("VACUUM ANALYZE")
