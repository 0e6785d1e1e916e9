"""One fan-out: a webhook, and then everybody is told; how long that took, and what it cost."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import redis
from rq import Queue

from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage
from restock.jobs import Waker
from restock.local.lifeline import StartError
from tests.benchmarks.fanout.contestant import Contestant, Peer, Told
from tests.benchmarks.fanout.crowd import SHOP, open_crowd
from tests.benchmarks.fanout.instance import Instance, open_instance, use_every_core
from tests.benchmarks.fanout.naive_worker import QUEUE
from tests.benchmarks.machine import Meter
from tests.benchmarks.stage import Stage
from tests.opened import opened

_LOOK_SECONDS = 0.25
_START_SECONDS = 8.0  # until the parts of the program have found everything
_PLANNED = "SELECT coalesce(sum(offered_count), 0)::bigint FROM waves"
_OPEN = """
    SELECT EXISTS (SELECT FROM deliveries WHERE state = 'queued')
        OR EXISTS (SELECT FROM deliveries WHERE state = 'sending')
"""
_SENT = "SELECT count(*), extract(epoch FROM max(sent_at) - min(sent_at))::float8 FROM deliveries WHERE state = 'sent'"

Connection = psycopg.Connection[tuple[object, ...]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is to be told. `planned`: the messages are all queued before the first leaves."""

    count: int
    workers: int
    reply_ms: float
    planned: bool
    longest_seconds: float


def tell_all(stage: Stage, of: Contestant, order: Order, say: Say) -> tuple[Told, dict[str, float]]:
    """Tell everybody through the real pipeline; return what it came to, and the CPU seconds by stack."""
    name = f"fanout_{of.channel}_{order.count}_{int(order.planned)}"
    say(f"{of.channel}: {order.count:,} people: filling the tables …")
    with ExitStack() as stack:
        stack.enter_context(open_crowd(stage, name, of, order.count))
        peer = stack.enter_context(of.open_peer(stage, order.reply_ms))
        instance = stack.enter_context(open_instance(stage, name, peer.settings, order.workers))
        connection = stack.enter_context(stage.connect(name))
        for pid in (stage.postgres.process.pid, stage.valkey.process.pid, *([peer.pid] if peer.pid else [])):
            use_every_core(pid)
        instance.start("stock", "worker", "stock")
        instance.start("sweep", "sweep")
        if not order.planned:
            instance.start_deliveries(order.workers)
        _use_every_core(instance)
        time.sleep(_START_SECONDS)
        if order.planned:
            _restock(stage, name)
            _wait(lambda: _count(connection, _PLANNED) >= order.count, order, instance)
            connection.execute("VACUUM ANALYZE")
            instance.start_deliveries(order.workers)
            _use_every_core(instance)
        return _measure(stage, name, order, instance, peer, connection)


def _measure(  # noqa: PLR0917 (everything that runs)
    stage: Stage, name: str, order: Order, instance: Instance, peer: Peer, connection: Connection
) -> tuple[Told, dict[str, float]]:
    valkey = redis.Redis.from_url(stage.valkey.url())
    memory, most_memory = _memory(valkey), 0.0
    roots = {"PostgreSQL": stage.postgres.process.pid, "Valkey": stage.valkey.process.pid}
    if peer.pid:
        roots["provider"] = peer.pid
    meter, cpu = Meter(**roots), {part: instance.cpu(part) for part in ("deliveries", "stock", "sweep")}
    at_start = float("nan") if order.planned else instance.peak_megabytes()
    began = time.monotonic()
    if not order.planned:
        _restock(stage, name)
    until = began + order.longest_seconds
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        most_memory = max(most_memory, _memory(valkey))
        if _count(connection, _PLANNED) >= order.count and not connection.execute(_OPEN).fetchone()[0]:  # type: ignore[index]
            break
    seconds = time.monotonic() - began
    usage = meter.stop()
    spent = usage.cpu | {part: instance.cpu(part) - before for part, before in cpu.items()}
    peak = instance.peak_megabytes()
    instance.end()
    row = connection.execute(_SENT).fetchone()
    assert row is not None
    count, lasted = int(str(row[0])), float(str(row[1] or 0.001))
    if count < order.count:
        print(f"only {count:,} of {order.count:,} were told within {seconds:.0f} s", file=sys.stderr)
    stages = instance.seen("stages")
    total = sum(stages.values()) or float("nan")
    spent["deliveries"] = total  # without their start
    took = lasted if order.planned else seconds
    told = Told(
        count,
        took,
        count / took,
        {part: used / max(1, count) * 1e6 for part, used in spent.items()},
        peak,
        usage.foreign_cores,
        {stage_name: used / max(1, count) * 1e6 for stage_name, used in stages.items()},
        stages.get("rq", 0.0) / total,
        most_memory - memory,
        at_start,
    )
    return told, instance.seen("stacks")


def tell_naively(stage: Stage, of: Contestant, count: int, reply_ms: float) -> Told | None:
    """Tell a few people by one RQ job each; None where there is no such design."""
    if of.naive_job is None:
        return None
    name = f"fanout_naive_{of.channel}"
    with ExitStack() as stack:
        stack.enter_context(open_crowd(stage, name, of, count))
        peer = stack.enter_context(of.open_peer(stage, reply_ms))
        instance = stack.enter_context(open_instance(stage, name, peer.settings, 1))
        connection = stack.enter_context(stage.connect(name))
        instance.start("stock", "worker", "stock")
        instance.start("sweep", "sweep")
        time.sleep(_START_SECONDS)
        _restock(stage, name)
        order = Order(count, 1, reply_ms, planned=True, longest_seconds=120)
        _wait(lambda: _count(connection, _PLANNED) >= count, order, instance)
        instance.end()
        queue = Queue(QUEUE, connection=redis.Redis.from_url(stage.valkey.url()))
        for (delivery_id,) in connection.execute("SELECT id FROM deliveries ORDER BY id").fetchall():
            queue.enqueue(of.naive_job.replace(":", "."), delivery_id)
        meter, began = Meter(PostgreSQL=stage.postgres.process.pid), time.monotonic()
        naive = Instance(stage, instance.environment, stack)
        naive._start("naive", [sys.executable, "-m", "tests.benchmarks.fanout.naive_worker", of.naive_job])
        _use_every_core(naive)
        before = os.times()
        code = naive.parts["naive"].wait(600)
        after, usage = os.times(), meter.stop()
        spent = usage.cpu | {
            "jobs": after.children_user - before.children_user + after.children_system - before.children_system
        }
        row = connection.execute(_SENT).fetchone()
        assert row is not None
        if code or int(str(row[0])) < count:
            raise StartError(f"the naive worker told {row[0]} of {count}: {stage.folder}/naive.log")
        lasted = float(str(row[1]))  # from the first to the last: its start is not counted
        cpu_us = {part: used / count * 1e6 for part, used in spent.items()}
        return Told(count, time.monotonic() - began, (count - 1) / lasted, cpu_us, 0.0, usage.foreign_cores)


def _restock(stage: Stage, name: str) -> None:
    """Send the webhook that says there is stock again, as the web server would store it."""
    database = opened(stage.database_url(name))
    waker, now = Waker(database), datetime.now(UTC)
    body = {"inventory_item_id": 1, "location_id": 1, "available": 1, "updated_at": now.isoformat()}
    message = InboxMessage(SHOP, secrets.token_hex(16), "inventory_levels/update", json.dumps(body).encode(), now)
    InboxService(database, 0.0).receive(message)
    waker.wake()
    waker.close()
    database.dispose()


def _wait(is_over: Callable[[], bool], order: Order, instance: Instance) -> None:
    until = time.monotonic() + order.longest_seconds
    while not is_over():
        if time.monotonic() > until:
            raise StartError(f"not planned within {order.longest_seconds:.0f} s: see {instance.stage.folder}")
        time.sleep(_LOOK_SECONDS)


def _use_every_core(instance: Instance) -> None:
    for part in instance.parts.values():
        use_every_core(part.pid)


def _count(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(str(row[0])) if row else 0


def _memory(valkey: redis.Redis) -> float:
    return float(valkey.info("memory")["used_memory"]) / 1e6
