"""The sweeper: the loop that keeps time, and the guarantee behind every doorbell.

It listens for wakes of the web processes and looks at the tables each second anyway. It must never stop for a failing
step, a missing Valkey or a missing database: it goes on trying, and says so once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from restock.bootstrap import build_services
from restock.failpoints import failpoint
from restock.jobs import NOTIFY_CHANNEL, Notifier
from restock.worker.process import chain_of
from restock.worker.steps import GO_ON, Step, steps_of
from restock.worker.stopping import StopFlag

if TYPE_CHECKING:
    from restock.config import Settings

log = structlog.get_logger(__name__)

SAY_AGAIN_SECONDS = 60.0
RECONNECT_SECONDS = 2.0


def run_sweeper(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT; return the exit code. Several may run at once."""
    stop = StopFlag()
    services = build_services(settings)
    sweeper = Sweeper(
        steps_of(services, chain_of(services, stop)), Listener(services.database), stop, settings.sweep_seconds
    )
    log.info("sweeper_started")
    sweeper.run()
    log.info("sweeper_stopped")
    sweeper.listener.close()
    services.close()
    stop.close()
    return 0


@dataclass
class Listener:
    """Hear the wakes of the web processes; while the database is away, none are heard."""

    database: Notifier
    _connection: psycopg.Connection[tuple[Any, ...]] | None = None
    _not_before: float = 0.0

    def wait(self, stop: StopFlag, seconds: float) -> bool:
        """Wait for a wake, for the process's end, or so many seconds; True for a wake, of which many count as one."""
        connection = self._connected()
        if connection is None:
            return stop.wait(seconds)
        try:
            if stop.wait(seconds, also=[connection.fileno()]):
                return bool(list(connection.notifies(timeout=0)))
        except (psycopg.Error, OSError):
            self.close()
        return False

    def close(self) -> None:
        """End the connection; the next wait opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]] | None:
        if self._connection is None and time.monotonic() >= self._not_before:
            try:
                self._connection = self.database.listen_connection(NOTIFY_CHANNEL)
            except (psycopg.Error, OSError):
                self._not_before = time.monotonic() + RECONNECT_SECONDS
        return self._connection


@dataclass
class Sweeper:
    """Run the steps that are due, each guarded, until asked to stop."""

    steps: Sequence[Step]
    listener: Listener
    stop: StopFlag
    sweep_seconds: float
    _next_run: dict[str, float] = field(default_factory=dict)
    _failures: dict[str, tuple[str, float]] = field(default_factory=dict)

    def run(self) -> None:
        """Sweep until asked to stop."""
        while not self.stop.requested():
            self.sweep()
            self.listener.wait(self.stop, self.sweep_seconds)

    def sweep(self) -> None:
        """Run every step whose time has come."""
        for step in self.steps:
            if self.stop.requested():
                return
            now = time.monotonic()
            if now >= self._next_run.get(step.name, 0.0):
                self._next_run[step.name] = now + step.every_seconds
                self._run(step)

    def _run(self, step: Step) -> None:
        failpoint("sweep.step")
        try:
            if step.run() is GO_ON:
                self._next_run[step.name] = 0.0
        except (OperationalError, InterfaceError) as error:
            self._say(step, "database_away", type(error.orig or error).__name__)
        except Exception as error:  # noqa: BLE001 (the outer door of a step: the others go on)
            self._say(step, "step_failed", type(error).__name__, error)
        else:
            if self._failures.pop(step.name, None):
                log.info("step_recovered", step=step.name)

    def _say(self, step: Step, event: str, kind: str, error: Exception | None = None) -> None:
        """Log a failure when it is new, then once a minute."""
        known, said_at = self._failures.get(step.name, ("", 0.0))
        if known != kind or time.monotonic() - said_at > SAY_AGAIN_SECONDS:
            log.error(event, step=step.name, kind=kind, exc_info=error)
            self._failures[step.name] = (kind, time.monotonic())
