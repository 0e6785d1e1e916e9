"""One `Database` for each address and process: what SQLAlchemy learns of a database and compiles is learnt once."""

from __future__ import annotations

import os
import select
from functools import cache
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

from restock.database import Database, engine_options


@cache
def opened(url: str) -> Database:
    """Give the database at a URL. Whoever uses it disposes of it at the end; the next use connects again."""
    return Database(None, url)


class Kept(Database):
    """A database whose sessions outlive a test: to begin one takes longer than most tests use it."""

    def dispose(self) -> None:
        """Keep the sessions for the next test."""

    def end(self) -> None:
        super().dispose()
        pool = self.engine.pool
        assert isinstance(pool, _LastingPool)
        pool.end()


@cache
def kept(url: str) -> Kept:
    """Give the database at a URL to tests that do not ask how many sessions there are; the run ends it."""
    database = Kept(None, url)
    keep_sessions(database, url)
    return database


def keep_sessions(database: Database, url: str) -> None:
    """Have a database that nobody used yet share the sessions of `kept`, and leave them open at its own end."""
    database.engine = _lasting_engine(url)


@cache
def _lasting_engine(url: str) -> Engine:
    options = engine_options() | {"pool_use_lifo": True}  # the session used last has its statements prepared
    engine = create_engine(url, poolclass=_LastingPool, **options)
    ask = engine.dialect.do_ping
    engine.dialect.do_ping = lambda session: not _has_word(session) or ask(session)  # type: ignore[method-assign, assignment]
    return engine


def _has_word(session: Any) -> bool:
    """See whether the server has said something nobody asked for, as it does when it ends a session."""
    return session.closed or bool(select.select([session.fileno()], [], [], 0)[0])


class _LastingPool(QueuePool):
    """Connections that stay open when their engine is disposed of, in the process that opened them."""

    def __init__(self, *values: object, **options: object) -> None:
        super().__init__(*values, **options)  # type: ignore[arg-type]
        self._pid = os.getpid()

    def dispose(self) -> None:
        """Keep them."""

    def recreate(self) -> QueuePool:
        return self if self._pid == os.getpid() else super().recreate()

    def end(self) -> None:
        super().dispose()


def nowhere() -> Database:
    """Give a database that does not answer."""
    return Database(None, "postgresql+psycopg://nobody@127.0.0.1:1/none")
