"""`restock bench fanout --claim 1000000 5000000`: nothing but claiming, from tables of several sizes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from restock.catalog.rules.basis import basis_of, write_basis
from restock.channels.values import ChannelName
from restock.deliveries.service import Deliveries, DeliveryNotices
from restock.deliveries.service.envelopes import seal_envelopes
from restock.deliveries.service.sending import LARGEST_CLAIM
from restock.deliveries.values import MessageFacts
from restock.links import Links
from restock.restocks.service import RestockService
from restock.shops.values import ShopSettings
from restock.subscriptions.service import SubscriptionService
from tests.benchmarks.fanout.crowd import GOODS, SHOP, SHOP_ROW
from tests.benchmarks.machine import tree_seconds
from tests.benchmarks.report import Goal
from tests.benchmarks.stage import OURS, Stage
from tests.opened import opened

_CLAIMED = 100_000  # rows of each size
_PAGE = 100_000
_EVENT = """
    INSERT INTO restock_events (shop_id, variant_id) SELECT id, 1 FROM shops;
    INSERT INTO waves (shop_id, event_id, number) SELECT shop_id, id, 1 FROM restock_events;
    INSERT INTO delivery_lanes (shop_id, channel, event_id, next_at) SELECT shop_id, 'email', id, now()
        FROM restock_events;
    UPDATE stock_readings SET sellable = true, units = NULL
"""
_ROWS = """
    WITH contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash)
        SELECT 1, 'email', 'ada' || n || '@example.com', sha256(n::text::bytea)
        FROM generate_series(%(first)s::int, %(last)s::int) n RETURNING id
    ), subscription AS (
        INSERT INTO subscriptions (shop_id, contact_id, channel, variant_id, product_id, quantity, state, queued_at,
            expires_at)
        SELECT 1, id, 'email', 1, 1, 1, 'active', now(), now() + interval '1 year' FROM contact RETURNING id, contact_id
    ), offer AS (
        INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units)
        SELECT 1, 1, 1, id, 1 FROM subscription RETURNING id, subscription_id
    )
    INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, subscription_id, offer_id,
        event_id)
    SELECT 1, 1, 'offer', 'email', 'offer:' || offer.id || ':first', contact_id, subscription.id, offer.id, 1
    FROM offer JOIN subscription ON subscription.id = offer.subscription_id ORDER BY offer.id
"""
_ATTACH = """
    UPDATE subscriptions SET open_offer_id = offers.id FROM offers
    WHERE offers.subscription_id = subscriptions.id AND subscriptions.id BETWEEN %(first)s AND %(last)s
"""


@dataclass(frozen=True)
class Claimed:
    """What claiming from one size came to: rows a second, and µs of CPU for each row."""

    rows: int
    rate: float
    worker_us: float
    postgres_us: float
    sealing_us: float

    def line(self) -> str:
        costs = "".join(f"{used:>12.1f}" for used in (self.worker_us, self.postgres_us, self.sealing_us))
        return f"{self.rows:>12,}{self.rate:>12,.0f}{costs}"


def run(stage: Stage, sizes: Sequence[int], say: Callable[[str], None]) -> Sequence[Goal]:
    """Claim from tables of each size; print what it came to."""
    found = []
    print(f"{'rows':>12}{'claimed/s':>12}{'worker µs':>12}{'PG µs':>12}{'sealing µs':>12}", flush=True)
    for size in sizes:
        say(f"{size:,} rows: filling the tables …")
        with _queue(stage, size) as name:
            found.append(_claim(stage, name, size))
        print(found[-1].line(), flush=True)
    goals = [Goal("rows claimed a second, the slowest", min(one.rate for one in found), 50_000)]
    if len(found) > 1:
        share = found[0].rate / found[-1].rate
        goals.append(Goal(f"time at {sizes[-1]:,} / at {sizes[0]:,}", share, 1.5, at_most=True))
    return goals


def _claim(stage: Stage, name: str, size: int) -> Claimed:
    deliveries = _deliveries(stage.database_url(name))
    batch = deliveries.claim(ChannelName.email, LARGEST_CLAIM)
    assert batch is not None
    postgres, cpu, began = tree_seconds(stage.postgres.process.pid), time.process_time(), time.monotonic()
    claimed = 0
    while claimed < min(_CLAIMED, size - 2 * LARGEST_CLAIM):
        batch = deliveries.claim(ChannelName.email, LARGEST_CLAIM)
        assert batch is not None
        claimed += len(batch.rows)
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    postgres = tree_seconds(stage.postgres.process.pid) - postgres
    sealing = _sealing_seconds(deliveries, list(batch.rows.values()), batch.shop) * claimed
    deliveries.database.dispose()
    rate = claimed / (seconds - sealing)
    return Claimed(size, rate, (used - sealing) / claimed * 1e6, postgres / claimed * 1e6, sealing / claimed * 1e6)


def _sealing_seconds(deliveries: Deliveries, rows: Sequence[Any], shop: Any) -> float:
    """Say what one envelope takes: it is written by the same call, and is no part of the claim."""
    began, rounds = time.process_time(), 5
    for _ in range(rounds):
        seal_envelopes(rows, MessageFacts(shop, {}), deliveries.links)
    return (time.process_time() - began) / rounds / len(rows)


def _deliveries(url: str) -> Deliveries:
    database = opened(url)
    restocks = RestockService(database, DeliveryNotices())
    subscriptions = SubscriptionService(database, 0, restocks)
    links = Links(["a-signing-secret-for-benchmarks-0001"], "https://restock.example.com")
    return Deliveries(database, {ChannelName.email: None}, restocks, subscriptions, links)  # type: ignore[dict-item]


@contextmanager
def _queue(stage: Stage, size: int) -> Iterator[str]:
    """Have so many messages queued in a database of their own."""
    name = f"claim_{size}_{os.getpid()}"
    with stage.connect("postgres") as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(OURS)))
    try:
        with stage.connect(name) as connection:
            _fill(connection, size)
        yield name
    finally:
        with stage.connect("postgres") as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _fill(connection: psycopg.Connection[tuple[object, ...]], size: int) -> None:
    connection.execute(SHOP_ROW, {"domain": SHOP})
    for statement in (*GOODS.split(";"), *_EVENT.split(";")):
        connection.execute(statement.encode(), {"basis": write_basis(basis_of(ShopSettings()))})
    for first in range(1, size + 1, _PAGE):
        values = {"first": first, "last": min(size, first + _PAGE - 1)}
        connection.execute(_ROWS, values)
        connection.execute(_ATTACH, values)
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
