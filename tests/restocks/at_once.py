"""Races by real threads on committed data: in rounds, and a deadlock counts even where somebody would try again.

`RACE_ROUNDS=10` runs ten times as many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.errors import DeadlockDetected
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from restock.database import Database
from tests.restocks.store import together


@contextmanager
def no_deadlock(database: Database) -> Iterator[None]:
    """Fail at the end when any statement met a deadlock, whoever took it back and tried again."""
    met: list[str] = []

    def look(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, DeadlockDetected):
            met.append(f"{context.statement}\n{context.original_exception}")

    event.listen(database.engine, "handle_error", look)
    try:
        yield
    finally:
        event.remove(database.engine, "handle_error", look)
    assert not met, "\n".join(met)


def race(*jobs: Callable[[], object]) -> None:
    """Start all jobs at the same moment; none may fail."""
    errors = together(*jobs)
    assert not errors, repr(errors)


def rounds(count: int) -> range:
    """Count that many rounds, or a multiple."""
    return range(count * int(os.environ.get("RACE_ROUNDS", "1")))
