"""`restock bench fanout --claim 1000000 5000000`: nothing but claiming, from tables of any sizes.

What is measured is the whole of a claim: the lane, the lock, everything that is known of a recipient and decided about
them, token and lease written and committed with real fsync, and the shared facts their messages need. What is left out
is the writing of the envelopes: it needs no database. As many processes claim as the machine has cores, from one lane;
they and PostgreSQL share all cores. Every size ends after a fixed number of rows or seconds, and keeps no rows.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import NamedTuple

import psycopg
from psycopg import sql

from restock.catalog.rules.basis import basis_of, write_basis
from restock.channels.values import ChannelName
from restock.deliveries.service import DeliveryNotices
from restock.deliveries.service.claiming import Claiming
from restock.deliveries.service.sending import LARGEST_CLAIM
from restock.links import Links
from restock.restocks.service import RestockService
from restock.shops.service.texts import TextShelf
from restock.shops.values import ShopSettings
from tests.benchmarks.fanout.crowd import GOODS, SHOP, SHOP_ROW
from tests.benchmarks.fanout.instance import use_every_core
from tests.benchmarks.machine import Meter
from tests.benchmarks.report import Goal
from tests.benchmarks.stage import OURS, Stage
from tests.opened import opened

_CLAIMED = 200_000  # rows of each size, at most
_LONGEST_SECONDS = 20.0
_LEASE_SECONDS = 600.0  # nothing is sent, and nothing is to come back meanwhile
_PAGE = 100_000
_START_SECONDS = 60.0

_EVENT = """
    INSERT INTO restock_events (shop_id, variant_id) SELECT id, 1 FROM shops;
    INSERT INTO waves (shop_id, event_id, number) SELECT shop_id, id, 1 FROM restock_events;
    INSERT INTO delivery_lanes (shop_id, channel, event_id, next_at) SELECT shop_id, 'email', id, now()
        FROM restock_events;
    UPDATE stock_readings SET sellable = true, units = NULL
"""
_TABLES = ("contacts", "subscriptions", "offers", "deliveries")
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = ANY(%s) AND schemaname = 'public' AND indexname NOT LIKE 'pk\\_%%'
"""
_ROWS = """
    INSERT INTO contacts (id, shop_id, channel, address, address_hash)
        SELECT n, 1, 'email', 'ada' || n || '@example.com', sha256(n::text::bytea)
        FROM generate_series({first}, {last}) n;
    INSERT INTO subscriptions (id, shop_id, contact_id, channel, variant_id, product_id, quantity, state, queued_at,
        expires_at, open_offer_id)
        SELECT n, 1, n, 'email', 1, 1, 1, 'active', now(), now() + interval '1 year', n
        FROM generate_series({first}, {last}) n;
    INSERT INTO offers (id, shop_id, event_id, wave_id, subscription_id, units)
        SELECT n, 1, 1, 1, n, 1 FROM generate_series({first}, {last}) n;
    INSERT INTO deliveries (id, shop_id, lane_id, kind, channel, dedupe_key, contact_id, subscription_id, offer_id,
        event_id)
        SELECT n, 1, 1, 'offer', 'email', 'offer:' || n || ':first', n, n, n, 1
        FROM generate_series({first}, {last}) n
"""


class Worked(NamedTuple):
    """What one process claimed, between which moments of the machine's clock, and its CPU seconds."""

    rows: int
    began: float
    ended: float
    cpu: float


@dataclass(frozen=True)
class Claimed:
    """What claiming from one size came to: rows a second of all together, and µs of CPU for each row.

    `foreign_cores`: what other programs took meanwhile, which the rate must be read with.
    """

    size: int
    rows: int
    rate: float
    worker_us: float
    postgres_us: float
    foreign_cores: float

    def line(self) -> str:
        used = f"{self.worker_us:>12.1f}{self.postgres_us:>16.1f}{self.foreign_cores:>9.2f}"
        return f"{self.size:>12,}{self.rows:>12,}{self.rate:>12,.0f}{used}"


def run(stage: Stage, sizes: Sequence[int], say: Callable[[str], None]) -> Sequence[Goal]:
    """Claim from tables of each size; print what it came to."""
    found = []
    use_every_core(os.getpid())  # and PostgreSQL, which it has started
    processes = os.cpu_count() or 1
    print(f"{processes} processes claim, {LARGEST_CLAIM:,} rows a claim")
    print(
        f"{'in the table':>12}{'claimed':>12}{'rows/s':>12}{'worker µs':>12}{'PostgreSQL µs':>16}{'foreign':>9}",
        flush=True,
    )
    for size in sizes:
        say(f"{size:,} rows: filling the tables …")
        with _queue(stage, size) as name:
            found.append(_claim(stage, name, size, processes))
        print(found[-1].line(), flush=True)
    goals = [Goal("rows claimed a second, the slowest", min(one.rate for one in found), 50_000)]
    if len(found) > 1:
        share = found[0].rate / found[-1].rate
        goals.append(Goal(f"time at {sizes[-1]:,} / at {sizes[0]:,}", share, 1.5, at_most=True))
    return goals


def _claim(stage: Stage, name: str, size: int, processes: int) -> Claimed:
    most = max(1, min(_CLAIMED, size - (processes + 1) * LARGEST_CLAIM) // processes)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    with ProcessPoolExecutor(processes, context, initializer=_meet_at, initargs=(barrier,)) as pool:
        running = [pool.submit(_work, stage.database_url(name), most) for _ in range(processes)]
        barrier.wait(_START_SECONDS)
        meter = Meter(postgres=stage.postgres.process.pid)
        worked = [one.result() for one in running]
        usage = meter.stop()
    rows = sum(one.rows for one in worked)
    rate = rows / (max(one.ended for one in worked) - min(one.began for one in worked))
    worker_us, postgres_us = (used / rows * 1e6 for used in (sum(one.cpu for one in worked), usage.cpu["postgres"]))
    return Claimed(size, rows, rate, worker_us, postgres_us, usage.foreign_cores)


_start: list[Barrier] = []  # of this process alone


def _meet_at(barrier: Barrier) -> None:
    _start.append(barrier)


def _work(url: str, most: int) -> Worked:
    """Claim so many rows in a process of its own; the first claim, which opens the connection, is not counted."""
    claiming = _claiming(url)
    claiming.take(ChannelName.email, LARGEST_CLAIM, _LEASE_SECONDS)
    _start[0].wait(_START_SECONDS)
    cpu, began, claimed = time.process_time(), time.monotonic(), 0
    while claimed < most and time.monotonic() - began < _LONGEST_SECONDS:
        taken = claiming.take(ChannelName.email, LARGEST_CLAIM, _LEASE_SECONDS)
        claimed += len(taken.rows) if taken is not None else 0  # None: another holds the lane at this moment
    worked = Worked(claimed, began, time.monotonic(), time.process_time() - cpu)
    claiming.database.dispose()
    return worked


def _claiming(url: str) -> Claiming:
    database = opened(url)
    links = Links(["a-signing-secret-for-benchmarks-0001"], "https://restock.example.com")
    restocks = RestockService(database, DeliveryNotices())
    return Claiming(database, {ChannelName.email}, restocks, links, _LEASE_SECONDS, TextShelf())


@contextmanager
def _queue(stage: Stage, size: int) -> Iterator[str]:
    """Have so many messages queued in a database of their own."""
    name = f"claim_{size}_{os.getpid()}"
    with stage.connect("postgres") as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(OURS)))
    try:
        with stage.connect(name) as connection:
            fill(connection, size)
        yield name
    finally:
        with stage.connect("postgres") as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(connection: psycopg.Connection[tuple[object, ...]], size: int) -> None:
    """Write so many queued messages with all that belongs to them; foreign keys and indexes once, at the end."""
    connection.execute(SHOP_ROW, {"domain": SHOP})
    for statement in (*GOODS.split(";"), *_EVENT.split(";")):
        connection.execute(statement.encode(), {"basis": write_basis(basis_of(ShopSettings()))})
    indexes = connection.execute(_INDEXES, [list(_TABLES)]).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
    connection.execute("SET session_replication_role = replica")  # all is made here: no key is looked for
    for first in range(1, size + 1, _PAGE):
        connection.execute(_ROWS.format(first=first, last=min(size, first + _PAGE - 1)).encode())
    for _, definition in indexes:
        connection.execute(str(definition).encode())
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
