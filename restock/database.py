"""The ground every room stands on: transactions, and the two hot paths' connections.

The only module that knows Flask-SQLAlchemy and Flask-Migrate. They are loaded for an application that serves, and for
migrations: a worker never carries them. It must never know a table.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from weakref import WeakSet, finalize

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from restock.errors import ConfigurationError
from restock.tables import Base, UtcDateTime

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

Connection = psycopg.Connection[tuple[Any, ...]]

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
OLDEST_SERVER = 15  # PostgreSQL: NULLS NOT DISTINCT, see migration 0022
_NOTICE_A_DEAD_SERVER = {  # within some 15 seconds, when it vanished without a word; for TCP alone
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
# A batch that meets somebody's lock is taken apart, so that one row never holds up everybody. Its plan does not depend
# on the values, and is not worth compiling.
_BATCH_OPTIONS = "-c lock_timeout=250 -c statement_timeout=5000 -c plan_cache_mode=force_generic_plan -c jit=off"


@cache
def _extension() -> SQLAlchemy:
    from flask_sqlalchemy import SQLAlchemy

    return SQLAlchemy(model_class=Base)


def _render_item(kind: str, value: object, _context: object) -> str | bool:
    """Write our own column type into migrations as the plain one, so that they stand alone."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(value, UtcDateTime) else False


def connect_arguments() -> dict[str, object]:
    """Give psycopg the limits every connection of ours has (milliseconds inside `options`)."""
    options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "options": options,
        "application_name": "restock",
        **_NOTICE_A_DEAD_SERVER,
    }


def engine_options() -> dict[str, Any]:
    """Give SQLAlchemy's pool the sizes and checks every process of ours has."""
    return {
        "pool_pre_ping": True,
        "pool_size": 8,
        "max_overflow": 8,
        "pool_timeout": 10,
        "connect_args": connect_arguments(),
    }


def server_fault(version: int) -> str | None:
    """Say what is wrong with a version of PostgreSQL, and the mend; None when it will do."""
    if version >= OLDEST_SERVER * 10_000:
        return None
    return f"PostgreSQL {version // 10_000} is too old: have DATABASE_URL name one of version {OLDEST_SERVER} or newer"


def run_lean(session: Session, query: LiteralString, values: Mapping[str, object]) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run a statement by the driver itself, prepared, in the session's transaction; its rows are plain tuples.

    For the few statements a fan-out runs for every hundred messages: measured 40 µs where `session.execute` takes 200.
    Raises what `session.execute` would.
    """
    connection = session.connection()
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        return driver.cursor(binary=True).execute(query, values, prepare=True)
    except psycopg.Error as error:
        if lost := driver.closed or driver.broken:
            connection.invalidate(error)
        raise DBAPIError.instance(query, None, error, psycopg.Error, connection_invalidated=lost) from error


def written_ids(ids: Iterable[int]) -> str:
    """Write ids as PostgreSQL reads an array: a fifth of what the driver takes to write a list of numbers."""
    return f"{{{','.join(map(str, ids))}}}"


def init_database(app: Flask, database_url: str) -> None:
    """Bind an application's tables to one database; connects to nothing yet.

    The URL is the normalised one of `Settings.database_url` (postgresql+psycopg://).
    """
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options()
    _extension().init_app(app)
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":  # `flask db …` of whoever writes a migration
        offer_migrations(app)


def offer_migrations(app: Flask) -> None:
    """Let Flask-Migrate find our tables; loaded only where migrations run, for it is a third of the start."""
    from flask_migrate import Migrate

    Migrate(app, _extension(), directory=str(MIGRATIONS), compare_type=True, render_item=_render_item)


def _engine_of(app: Flask) -> Engine:
    with app.app_context():
        return _extension().engine


def _application(database_url: str) -> Flask:
    """Make an application for as long as migrations run, which know the database through one."""
    from flask import Flask

    app = Flask("restock")
    init_database(app, database_url)
    return app


class _OwnConnection:
    """A thread's own connection; it is closed when the thread has ended."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._pid = os.getpid()
        self._closing = finalize(self, _close_here, connection, self._pid)
        self._closing.atexit = False  # another thread may be in the middle of a statement

    def is_usable(self) -> bool:
        return self._pid == os.getpid() and not self.connection.closed

    def close(self) -> None:
        self._closing()


def _close_here(connection: Connection, pid: int) -> None:
    if pid == os.getpid():  # a goodbye from a forked child would end the parent's session
        connection.close()


class Database:
    """Transactions on one database.

    `app`: the application that `init_database` has bound to it, whose pool is used; None: this process has no
    application, and a pool of its own. Connects to nothing yet. Safe across threads. After a fork the first use drops
    the parent's connections without touching them.
    """

    def __init__(self, app: Flask | None, database_url: str) -> None:
        self._app, self._url = app, database_url
        self.engine = create_engine(database_url, **engine_options()) if app is None else _engine_of(app)
        self.dsn = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._pid = os.getpid()
        self._hot = threading.local()
        self._of_threads: WeakSet[_OwnConnection] = WeakSet()
        self._for_batches: list[Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open one transaction: commits at the end, rolls back on any exception, gives the connection back."""
        self._leave_parent()
        with Session(self.engine) as session, session.begin():
            yield session

    def hot(self) -> Connection:
        """Give this thread's own connection: autocommit, statements prepared at first use, closed when the thread ends.

        For the two statements measured to need it (intent, inbox). A broken one is replaced by `drop_hot`.
        """
        own: _OwnConnection | None = getattr(self._hot, "own", None)
        if own is None or not own.is_usable():
            self._hot.own = own = _OwnConnection(self._connect())
            self._of_threads.add(own)
        return own.connection

    def drop_hot(self) -> None:
        """Close this thread's own connection after a failure; the next use opens another."""
        own: _OwnConnection | None = self._hot.__dict__.pop("own", None)
        if own is not None:
            own.close()

    def connect_for_batches(self) -> Connection:
        """Open a connection that writes batches: it gives up soon where an item alone would wait, and plans once."""
        connection = self._connect(_BATCH_OPTIONS)
        self._for_batches = [*(known for known in self._for_batches if not known.closed), connection]
        return connection

    def _connect(self, options: str = "") -> Connection:
        arguments = connect_arguments()
        arguments["options"] = f"{arguments['options']} {options}"
        connection = psycopg.connect(self.dsn, autocommit=True, **arguments)  # type: ignore[arg-type]
        connection.prepare_threshold = 0
        return connection

    def listen_connection(self, channel: str | None = None) -> Connection:
        """Open a connection of the caller's own for NOTIFY, or LISTENing on a channel."""
        connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
        if channel is not None:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return connection

    def upgrade(self) -> None:
        """Bring the tables to the newest migration; several processes may call it at once.

        Raises ConfigurationError, before anything is changed, where PostgreSQL is too old.
        """
        from flask_migrate import upgrade

        if fault := server_fault(self.server_version()):
            raise ConfigurationError(fault)
        app = self._app or _application(self._url)
        offer_migrations(app)
        with app.app_context():
            upgrade(directory=str(MIGRATIONS))
        if self._app is None:
            _engine_of(app).dispose()

    def server_version(self) -> int:
        """Read which PostgreSQL this is, as one number: 150004 is 15.4."""
        with self.transaction() as session:
            return int(session.execute(text("SHOW server_version_num")).scalar_one())

    def at_head(self) -> bool:
        """Say whether the database has exactly the newest migration."""
        from alembic.script import ScriptDirectory

        newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        with self.transaction() as session:
            known = session.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar()
            found = session.execute(text("SELECT version_num FROM alembic_version")).scalars().all() if known else []
        return list(found) == [newest]

    def dispose(self) -> None:
        """Close every connection of this process, once no thread uses one any more; the next use opens others."""
        for own in list(self._of_threads):
            own.close()
        for connection in self._for_batches:
            connection.close()
        self.engine.dispose()

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            self.engine.dispose(close=False)
            self._pid = os.getpid()
