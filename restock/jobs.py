"""The doorbell: every job, how it is rung, and how a web process says that there is work.

A job carries ids, never data, and may run twice or never: the rows in the database are the truth. Nothing here raises
into its caller when Valkey or the database is away. RQ is used as queue and worker pool alone: one queue per worker,
no scheduler, no callbacks, JSON everywhere, and only functions of the table below are ever executed.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import psycopg
import redis
import rq
import structlog
from psycopg import pq
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

from restock.failpoints import failpoint

log = structlog.get_logger(__name__)

NOTIFY_CHANNEL = "restock"
NOTIFY_EVERY_SECONDS = 0.05
# Written as it goes over the wire: the driver's own way holds the interpreter ten times as long. Nobody waits for the
# disk either, where it would stand in the way of the commits it tells of: a wake may be lost.
_NOTIFY = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{NOTIFY_CHANNEL}', '')".encode()
SOCKET_TIMEOUT_SECONDS = 1.0
_ID_TEXT = re.compile(r"[a-z]{1,20}")


class Queue(StrEnum):
    """The RQ queues; a worker process listens on exactly one."""

    stock = "stock"  # inbox, stock checks, planning, passes over what is waited for
    deliveries = "deliveries"  # drains


class JobName(StrEnum):
    """Every job there is."""

    apply_inbox = "apply_inbox"
    check_stock = "check_stock"
    plan_waves = "plan_waves"
    reconcile = "reconcile"
    drain = "drain"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything RQ is told about one job; all times in seconds.

    `ttl_seconds` is how long an unheard ring is worth anything: the sweeper rings again for work that is still due.
    """

    function: str
    queue: Queue
    timeout_seconds: int = 120
    ttl_seconds: int = 60
    result_ttl_seconds: int = 10  # short, but positive: 0 was measured slower
    failure_ttl_seconds: int = 3 * 86_400


JOBS: Mapping[JobName, JobSpec] = {
    JobName.apply_inbox: JobSpec("restock.worker.tasks.apply_inbox", Queue.stock),
    JobName.check_stock: JobSpec("restock.worker.tasks.check_stock", Queue.stock),
    JobName.plan_waves: JobSpec("restock.worker.tasks.plan_waves", Queue.stock),
    JobName.reconcile: JobSpec("restock.worker.tasks.reconcile", Queue.stock),
    JobName.drain: JobSpec("restock.worker.tasks.drain", Queue.deliveries),
}
_ALLOWED = frozenset(spec.function for spec in JOBS.values())


class RefusedJobError(Exception):
    """A job names a function that is not in the table, or carries more than ids; it was not executed."""


class ListedJob(Job):
    """A job that runs a function of the table or nothing.

    RQ imports whatever path a job names, and its webhooks would call any address: whoever can write to Valkey could
    run anything. Refused jobs fail and stay in RQ's registry of failed jobs.
    """

    @property
    def func(self) -> Callable[..., Any]:
        self._refuse_strangers()
        found: Callable[..., Any] = super().func
        return found

    def restore(self, raw_data: Any) -> None:
        """Read what Valkey holds, leaving out what a job of ours never has."""
        super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []

    def _refuse_strangers(self) -> None:
        try:
            known = self.func_name in _ALLOWED and self.instance is None
            plain = not self.args and all(_is_id(value) for value in self.kwargs.values())
        except (DeserializationError, AttributeError, TypeError):
            known = plain = False
        if not (known and plain):
            raise RefusedJobError("this job is not in the job table")


def connect(redis_url: str, *, patient: bool = False) -> redis.Redis:
    """Open a client with short time limits; `patient` is for a worker, which waits at its queue on purpose."""
    return redis.Redis.from_url(
        redis_url,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=None if patient else SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=0,
    )


def open_queue(name: Queue, client: redis.Redis) -> rq.Queue:
    """Open a queue the only way we use one: JSON, and jobs of the table."""
    return rq.Queue(name.value, connection=client, job_class=ListedJob, serializer=JSONSerializer)


class Doorbell:
    """Ring workers. Never raises; safe across threads and forks."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._queues = {name: open_queue(name, self._client) for name in Queue}

    def ring(self, job: JobName, **ids: int | str) -> bool:
        """Ask a worker to run a job; False when Valkey is away. A text among the ids is one plain word."""
        spec = JOBS[job]
        if not all(_is_id(value) for value in ids.values()):
            raise ValueError("a job carries ids and plain words only")
        failpoint("ring.before")
        try:
            self._queues[spec.queue].enqueue_call(
                spec.function,
                kwargs=ids,
                job_id=_job_id(job, ids),
                timeout=spec.timeout_seconds,
                ttl=spec.ttl_seconds,
                result_ttl=spec.result_ttl_seconds,
                failure_ttl=spec.failure_ttl_seconds,
                description=job.value,
            )
        except (redis.RedisError, OSError):
            return False
        failpoint("ring.after")
        return True

    def waiting(self, queue: Queue) -> list[str] | None:
        """List the bells nobody has answered yet, such as `drain-email`, first come first; None when Valkey is away.

        At most 100: what counts is whether there are any.
        """
        try:
            ids = self._queues[queue].get_job_ids(0, 100)
        except (redis.RedisError, OSError):
            return None
        return [job_id.rsplit("-", 2)[0] for job_id in ids]

    def close(self) -> None:
        """Close the connections; the next ring opens others."""
        self._client.close()

    def answers(self) -> bool:
        """Say whether Valkey is there, within its time limit."""
        try:
            return bool(self._client.ping())
        except (redis.RedisError, OSError):
            return False


def bell(job: JobName, **ids: int | str) -> str:
    """Name a job and its ids as `Doorbell.waiting` lists them."""
    return "-".join([job.value, *(str(value) for value in ids.values())])


def _job_id(job: JobName, ids: Mapping[str, int | str]) -> str:
    """Make an id of our own: never reused, so RQ's traps with repeated ids cannot be met."""
    return f"{bell(job, **ids)}-{time.time_ns() // 1_000_000}-{secrets.token_hex(3)}"


def _is_id(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and _ID_TEXT.fullmatch(value) is not None)


class Notifier(Protocol):
    """Open a connection of the caller's own, each statement its own transaction."""

    def listen_connection(self, channel: str | None = None) -> psycopg.Connection[tuple[Any, ...]]: ...


class Waker:
    """Tell the sweeper, after a commit, that there is work: one NOTIFY for everything within 50 ms.

    NOTIFY inside the request's own statement serialises commits, so one thread per process sends it on its own
    connection, started by the first call and again after a fork. A wake that is lost costs one sweep interval.
    """

    def __init__(self, database: Notifier) -> None:
        self._database = database
        self._wanted = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closing = threading.Event()

    def wake(self) -> None:
        """Say that there is work; returns at once and never raises."""
        self._wanted.set()
        if self._pid != os.getpid() or self._thread is None:
            self._start()

    def close(self) -> None:
        """End the thread and its connection; nobody is woken from here any more."""
        self._closing.set()
        self._wanted.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout=2)

    def _start(self) -> None:
        if self._pid not in (0, os.getpid()):  # after a fork neither the parent's thread nor its locks are ours
            self._starting, self._wanted = threading.Lock(), threading.Event()
            self._wanted.set()
        with self._starting:
            if self._pid == os.getpid() or self._closing.is_set():
                return
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        connection: psycopg.Connection[tuple[Any, ...]] | None = None
        pause = NOTIFY_EVERY_SECONDS
        while not self._closing.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                connection = connection or self._database.listen_connection()
                _notify(connection)
                pause = NOTIFY_EVERY_SECONDS
            except (psycopg.Error, OSError):
                _drop(connection)
                connection, pause = None, min(max(pause * 2, 0.2), 5.0)
                self._wanted.set()
                log.debug("wake_deferred", pause_seconds=pause)
            self._closing.wait(pause)
        _drop(connection)


def _notify(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    if connection.pgconn.exec_(_NOTIFY).status != pq.ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError("the database did not take a wake")


def _drop(connection: psycopg.Connection[tuple[Any, ...]] | None) -> None:
    if connection is not None:
        connection.close()
