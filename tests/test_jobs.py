"""The doorbell and the wake, on a real Valkey and a real PostgreSQL."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
import rq
from rq.serializers import JSONSerializer

from restock.database import Database
from restock.jobs import (
    JOBS,
    NOTIFY_CHANNEL,
    NOTIFY_EVERY_SECONDS,
    Doorbell,
    JobName,
    ListedJob,
    Queue,
    Waker,
    bell,
    open_queue,
)

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_a_ring_is_heard_as_one_job_with_ids_and_nothing_else(redis_url: str, client: redis.Redis) -> None:
    assert Doorbell(redis_url).ring(JobName.drain, channel="email")
    queue = open_queue(Queue.deliveries, client)
    (job,) = queue.jobs
    spec = JOBS[JobName.drain]
    assert (job.func_name, job.args, job.kwargs) == (spec.function, [], {"channel": "email"})
    assert (job.timeout, job.result_ttl, job.ttl) == (spec.timeout_seconds, spec.result_ttl_seconds, spec.ttl_seconds)
    assert job.id.startswith("drain-email-")


def test_rings_never_share_an_id(redis_url: str, client: redis.Redis) -> None:
    doorbell = Doorbell(redis_url)
    for _ in range(20):
        doorbell.ring(JobName.plan_waves)
    assert len(set(open_queue(Queue.stock, client).get_job_ids())) == 20


def test_the_bells_nobody_has_answered_are_listed(redis_url: str) -> None:
    doorbell = Doorbell(redis_url)
    doorbell.ring(JobName.drain, channel="email")
    doorbell.ring(JobName.drain, channel="sms")
    assert doorbell.waiting(Queue.deliveries) == ["drain-email", bell(JobName.drain, channel="sms")]
    assert doorbell.waiting(Queue.stock) == []


def test_without_valkey_a_ring_says_so_soon_and_never_raises() -> None:
    doorbell, began = Doorbell(NOWHERE), time.monotonic()
    assert doorbell.ring(JobName.plan_waves) is False
    assert doorbell.waiting(Queue.stock) is None
    assert doorbell.answers() is False
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("value", ["ada@example.com", "a b", "x" * 21, 1.5, None, ["email"], True])
def test_a_job_carries_nothing_personal(redis_url: str, value: object) -> None:
    with pytest.raises(ValueError, match="ids"):
        Doorbell(redis_url).ring(JobName.drain, channel=value)  # type: ignore[arg-type]


class Mark:
    """A pickle that leaves a mark where it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize(
    ("function", "kwargs"),
    [
        ("os.system", {"command": "touch {mark}"}),
        ("restock.worker.tasks.current_chain", {}),
        ("restock.worker.tasks.nothing", {}),
        ("restock.worker.tasks.drain", {"channel": ["touch {mark}"]}),
        ("restock.worker.tasks.drain", {"channel": "../../x"}),
    ],
)
def test_a_job_that_is_not_in_the_table_fails_and_is_not_executed(
    client: redis.Redis, tmp_path: Path, function: str, kwargs: dict[str, object]
) -> None:
    mark = tmp_path / "mark"
    filled = {key: str(value).replace("{mark}", str(mark)) for key, value in kwargs.items()}
    job = open_queue(Queue.stock, client).enqueue_call(function, kwargs=filled)
    _work(client)
    assert not mark.exists()
    assert job.get_status() == "failed"
    assert "RefusedJobError" in (job.latest_result().exc_string or "")


def test_a_pickled_job_is_not_opened(client: redis.Redis, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job = open_queue(Queue.stock, client).enqueue_call("os.system")
    client.hset(job.key, "data", zlib.compress(pickle.dumps(Mark(mark))))
    _work(client)
    assert not mark.exists()
    assert job.get_status() == "failed"


def test_callbacks_and_webhooks_of_a_forged_job_do_nothing(client: redis.Redis, tmp_path: Path) -> None:
    job = open_queue(Queue.stock, client).enqueue_call("os.system")
    hooks = '[{"url": "http://127.0.0.1:9/x", "statuses": ["failed"]}]'
    client.hset(job.key, mapping={"failure_callback_name": "os.abort", "webhooks": hooks})
    found = ListedJob.fetch(job.id, connection=client, serializer=JSONSerializer)
    assert found.failure_callback is None
    assert found.webhooks == []


def _work(client: redis.Redis) -> None:
    queue = open_queue(Queue.stock, client)
    worker = rq.SimpleWorker([queue], connection=client, job_class=ListedJob, serializer=JSONSerializer)
    worker._install_signal_handlers = lambda: None  # type: ignore[method-assign]
    worker.work(burst=True, logging_level="CRITICAL")


@pytest.fixture
def listener(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    connection = database.listen_connection(NOTIFY_CHANNEL)
    yield connection
    connection.close()


def test_many_wakes_become_few_notices(database: Database, listener: psycopg.Connection[tuple[object, ...]]) -> None:
    """One for everything within 50 ms, however long a busy machine takes for it."""
    waker, began = Waker(database), time.monotonic()
    for _ in range(200):
        waker.wake()
        time.sleep(0.0005)
    most = (time.monotonic() - began) / NOTIFY_EVERY_SECONDS + 3
    heard = list(listener.notifies(timeout=30, stop_after=1))
    waker.close()
    heard += listener.notifies(timeout=0.3)
    assert 1 <= len(heard) <= most


def test_a_wake_after_a_fork_is_heard(database: Database, listener: psycopg.Connection[tuple[object, ...]]) -> None:
    waker = Waker(database)
    waker.wake()
    assert list(listener.notifies(timeout=30, stop_after=1))
    pid = os.fork()
    if pid == 0:
        waker.wake()
        time.sleep(60)
        os._exit(0)
    heard = list(listener.notifies(timeout=30, stop_after=1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    waker.close()
    assert heard


def test_a_wake_without_a_database_costs_the_request_nothing() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Away:
        def listen_connection(self, channel: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
            raise psycopg.OperationalError("away")

    class Hanging(Away):
        def listen_connection(self, channel: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
            asked.set()
            go_on.wait(60)
            return super().listen_connection(channel)

    waker = Waker(Hanging())
    for _ in range(1000):
        waker.wake()
    assert asked.wait(30)
    assert not go_on.is_set(), "a thousand wakes, and the database has not even refused the first"
    go_on.set()
    waker.close()


def test_a_lost_connection_is_opened_again(
    database: Database, listener: psycopg.Connection[tuple[object, ...]]
) -> None:
    waker = Waker(database)
    waker.wake()
    assert list(listener.notifies(timeout=30, stop_after=1))
    with database.listen_connection() as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_notify%'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    waker.wake()
    assert list(listener.notifies(timeout=30, stop_after=1))
    waker.close()
