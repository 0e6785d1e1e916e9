"""A town for `restock bench planning`: one shop with a crowd before one variant, and many small shops."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from restock.catalog.rules.basis import basis_of, write_basis
from restock.database import Database
from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage
from restock.jobs import Waker
from restock.shops.values import ShopSettings
from tests.benchmarks.stage import OURS, Stage
from tests.opened import opened

BIG = "big.myshopify.com"
VARIANT = 1
SMALL_SHOPS = 2000
SMALL_DOMAIN = "small.example.com"
WANTED = 2  # units each of the crowd wants

_SHOPS = """
    INSERT INTO shops (domain, name, settings) VALUES (%(big)s, 'Big', '{"policy.factor": "2"}');
    INSERT INTO shops (domain, name) SELECT 'small-' || n || '.myshopify.com', 'Small' FROM generate_series(1, %(n)s) n
"""
_GOODS = """
    INSERT INTO products (shop_id, product_id, title, handle, status, published, variant_count, source_updated_at,
        source_triggered_at) SELECT id, 1, 'Mug', 'mug', 'active', true, 1, now(), now() FROM shops;
    INSERT INTO variants (shop_id, variant_id, product_id, title, price_cents, inventory_item_id, tracked,
        source_updated_at, source_triggered_at) SELECT id, 1, 1, 'Green', 1250, 1, true, now(), now() FROM shops;
    INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available, source_updated_at,
        source_triggered_at) SELECT id, 1, 1, 0, now(), now() FROM shops;
    INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at, basis)
        SELECT id, 1, false, 0, 'webhook', now(), %(basis)s FROM shops
"""
_CONTACTS = """
    INSERT INTO contacts (shop_id, channel, address, address_hash)
    SELECT %(shop)s, 'email', 'crowd-' || n || '@example.com', sha256(('crowd-' || n)::bytea)
    FROM generate_series(%(first)s::int, %(last)s::int) n
"""
_CROWD = """
    INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity,
        state, queued_at, expires_at)
    SELECT shop_id, id, gen_random_uuid(), 'email', 1, 1, %(wanted)s, 'active',
        now() - interval '30 days' + make_interval(secs => id), now() + interval '1 year'
    FROM contacts WHERE shop_id = %(shop)s AND id > %(after)s ORDER BY id
"""
_SMALL = f"""
    WITH contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash)
        SELECT id, 'email', 'ada-' || id || '@{SMALL_DOMAIN}', sha256(('ada-' || id)::bytea) FROM shops
        WHERE domain <> '{BIG}' RETURNING id, shop_id
    )
    INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity,
        state, queued_at, expires_at)
    SELECT shop_id, id, gen_random_uuid(), 'email', 1, 1, 1, 'active', now(), now() + interval '1 year' FROM contact
"""
_ROWS_A_STATEMENT = 50_000


_OPEN_EVENTS = "SELECT 1 FROM restock_events WHERE shop_id = %s AND closed_at IS NULL"
_PROGRESS = """
    SELECT coalesce(sum(offered_count + passed_over_count), 0), coalesce(sum(offered_count), 0), count(*), NOT EXISTS (
        SELECT 1 FROM restock_events
        WHERE shop_id = %(shop)s AND closed_at IS NULL AND (cursor_id IS NOT NULL OR plan_at <= now())
    ) FROM waves WHERE shop_id = %(shop)s
"""


class Progress(NamedTuple):
    """People walked past and offers made so far, in how many waves; `is_over`: nothing is being planned."""

    walked: int
    offered: int
    waves: int
    is_over: bool


@dataclass
class Town:
    """The database of one crowd, and the door through which its shops' webhooks come."""

    connection: psycopg.Connection[tuple[object, ...]]
    inbox: InboxService
    waker: Waker
    big_id: int
    small_ids: list[int]

    def tell(self, shop_id: int, units: int | None) -> None:
        """Send the webhook that says how many units there are now; None: without limit."""
        now = datetime.now(UTC)
        if units is None:
            self.connection.execute("UPDATE variants SET tracked = false WHERE shop_id = %s", [shop_id])
        body = {
            "inventory_item_id": 1,
            "location_id": 1,
            "available": 1 if units is None else units,
            "updated_at": now.isoformat(),
        }
        [[domain]] = self.connection.execute("SELECT domain FROM shops WHERE id = %s", [shop_id]).fetchall()
        message = InboxMessage(
            str(domain), secrets.token_hex(16), "inventory_levels/update", json.dumps(body).encode(), now
        )
        self.inbox.receive(message)
        self.waker.wake()

    def sell_out(self) -> None:
        """Have the big shop's units gone, and wait until its restock is closed."""
        self.tell(self.big_id, 0)
        while self.connection.execute(_OPEN_EVENTS, [self.big_id]).fetchone() is not None:
            time.sleep(0.05)

    def progress(self) -> Progress:
        """Say how far the big shop's restocks are planned."""
        row = self.connection.execute(_PROGRESS, {"shop": self.big_id}).fetchone()
        assert row is not None
        walked, offered, waves, is_over = row
        return Progress(int(str(walked)), int(str(offered)), int(str(waves)), is_over is True)


@contextmanager
def open_town(stage: Stage, name: str, count: int) -> Iterator[Town]:
    """Make a database with `count` people before one variant; drop it at the end."""
    with ExitStack() as stack:
        with stage.connect("postgres") as server:
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            server.execute(copy.format(sql.Identifier(name), sql.Identifier(OURS)))
        stack.callback(_drop, stage, name)
        connection = stack.enter_context(stage.connect(name))
        _fill(connection, count)
        database = opened(stage.database_url(name))
        stack.callback(database.dispose)
        yield _town(connection, database, stack)


def _town(connection: psycopg.Connection[tuple[object, ...]], database: Database, stack: ExitStack) -> Town:
    waker = Waker(database)
    stack.callback(waker.close)
    found = connection.execute("SELECT id, domain FROM shops ORDER BY id").fetchall()
    ids = {str(domain): int(str(shop_id)) for shop_id, domain in found}
    big_id = ids.pop(BIG)
    return Town(connection, InboxService(database, 0.0), waker, big_id, list(ids.values()))


def _fill(connection: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    for statement in _SHOPS.split(";"):
        connection.execute(statement, {"big": BIG, "n": SMALL_SHOPS})
    for statement in _GOODS.split(";"):
        connection.execute(statement, {"basis": write_basis(basis_of(ShopSettings()))})
    connection.execute(_SMALL)
    [[shop_id]] = connection.execute("SELECT id FROM shops WHERE domain = %s", [BIG]).fetchall()
    for first in range(1, count + 1, _ROWS_A_STATEMENT):
        after = connection.execute("SELECT coalesce(max(id), 0) FROM contacts").fetchone()
        last = min(count, first + _ROWS_A_STATEMENT - 1)
        values = {"shop": shop_id, "first": first, "last": last, "wanted": WANTED, "after": after[0] if after else 0}
        connection.execute(_CONTACTS, values)
        connection.execute(_CROWD, values)
    connection.execute("VACUUM ANALYZE")


def _drop(stage: Stage, name: str) -> None:
    with stage.connect("postgres") as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
