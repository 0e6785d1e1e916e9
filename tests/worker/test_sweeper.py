"""The loop that keeps time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from restock.config import Settings
from restock.database import Database
from restock.errors import ConfigurationError
from restock.jobs import NOTIFY_CHANNEL
from restock.worker.main import run_worker
from restock.worker.steps import GO_ON, Step
from restock.worker.stopping import NeverStop, StopFlag
from restock.worker.sweeper import Listener, Sweeper
from tests.log_lines import log_lines


class Deaf:
    """A database that is away."""

    def listen_connection(self, channel: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
        raise psycopg.OperationalError("away")


@pytest.fixture
def stop() -> Iterator[StopFlag]:
    stop = StopFlag()
    yield stop
    stop.close()


def sweeper(*steps: Step, listener: Listener | None = None, stop: StopFlag | None = None) -> Sweeper:
    return Sweeper(steps, listener or Listener(Deaf()), stop or NeverStop(), 0.01)


def test_a_step_that_has_more_to_do_is_run_again_at_the_next_tick() -> None:
    left = [GO_ON, GO_ON, None]
    loop = sweeper(Step("long", 3600, lambda: left.pop(0)))
    for _ in range(5):
        loop.sweep()
    assert left == []


def test_one_failing_step_never_stops_the_others() -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("fail")
        raise RuntimeError("broken")

    loop = sweeper(Step("broken", 0, fail), Step("fine", 0, lambda: done.append("fine")))
    loop.sweep()
    loop.sweep()
    assert done == ["fail", "fine", "fail", "fine"]


def test_a_failure_is_said_once_and_its_end_too() -> None:
    answers = iter([True, True, True, False])

    def fail() -> None:
        if next(answers):
            raise OperationalError("SELECT 1", {}, Exception("away"))

    loop = sweeper(Step("stock", 0, fail))
    with log_lines() as lines:
        for _ in range(4):
            loop.sweep()
    assert [line["event"] for line in lines] == ["database_away", "step_recovered"]


def test_a_step_runs_in_its_own_rhythm() -> None:
    done: list[str] = []
    steps = Step("often", 0, lambda: done.append("often")), Step("seldom", 60, lambda: done.append("seldom"))
    loop = sweeper(*steps)
    loop.sweep()
    loop.sweep()
    assert done == ["often", "seldom", "often"]


def test_a_wake_is_heard_at_once_and_many_count_as_one(database: Database) -> None:
    listener, stop = Listener(database), NeverStop()
    listener.wait(stop, 0)
    with database.listen_connection() as connection:
        # Five different ones of one transaction: PostgreSQL hands them over together, however busy the machine is.
        connection.execute("SELECT pg_notify(%s, n::text) FROM generate_series(1, 5) AS n", [NOTIFY_CHANNEL])
    began = time.monotonic()
    assert listener.wait(stop, 60)
    assert time.monotonic() - began < 30
    assert not listener.wait(stop, 0.05)
    listener.close()


def test_without_a_database_the_sweeper_waits_and_tries_again() -> None:
    began = time.monotonic()
    assert not Listener(Deaf()).wait(NeverStop(), 0.1)
    assert time.monotonic() - began >= 0.09


def test_a_lost_listening_connection_is_opened_again(database: Database) -> None:
    listener, stop = Listener(database), NeverStop()
    listener.wait(stop, 0)
    with database.listen_connection() as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )

        def notified() -> bool:
            other.execute("SELECT pg_notify(%s, '')", [NOTIFY_CHANNEL])
            return listener.wait(stop, 0.05)

        assert any(notified() for _ in range(200))
    listener.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_at_once(stop: StopFlag, number: signal.Signals) -> None:
    threading.Timer(0.1, os.kill, [os.getpid(), number]).start()
    began = time.monotonic()
    stop.wait(300)
    assert time.monotonic() - began < 100
    assert stop.requested()
    assert stop.requested()


def test_other_signals_are_let_go(stop: StopFlag) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    stop.wait(0.05)
    signal.signal(signal.SIGUSR1, before)
    assert not stop.requested()


def test_the_signals_go_back_to_whoever_had_them() -> None:
    before = signal.getsignal(signal.SIGTERM)
    StopFlag().close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_queue_that_does_not_exist_is_refused_by_name(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="choose stock or deliveries"):
        run_worker("mail", settings)
