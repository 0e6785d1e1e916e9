"""Sets the stage: PostgreSQL with real fsync and Valkey on one core, one web server per contestant on the other.

All of them run for the whole benchmark, so that samples can be taken in turns. Everything started here ends with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psycopg
from flask import Flask
from psycopg import sql

from restock.database import Database, init_database
from restock.local.lifeline import start_tied, stop
from restock.local.postgres import Postgres, start_postgres
from restock.local.sockets import free_port
from restock.local.valkey import Valkey, start_valkey
from tests.benchmarks import bodies
from tests.benchmarks.baselines import SECRET_VARIABLE
from tests.benchmarks.machine import on_app_core, stay_off_the_app_core

ROOT = Path(__file__).resolve().parents[2]
WSGI_THREADS = 8  # of a baseline that granian serves by WSGI; the fastest number for the echo
OURS, NAIVE = "ours", "naive"  # the two databases
_START_SECONDS = 60.0
_NO_LIMIT = "1000000000"  # the limiter counts every request, and refuses none

_PROVIDERS = {  # all three channels are on; nothing is sent while a web server is measured
    "SMTP_URL": "smtp://127.0.0.1:9",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "none",
    "TWILIO_FROM": "+15005550006",
    "TWILIO_API_URL": "http://127.0.0.1:9",
    "VAPID_PRIVATE_KEY": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    "VAPID_SUBJECT": "mailto:bench@example.com",
}


@dataclass(frozen=True)
class Server:
    """One contestant's web server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path


@dataclass(frozen=True)
class Stage:
    """What runs for the whole benchmark."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    stack: ExitStack

    def database_url(self, name: str) -> str:
        return self.postgres.url(name)

    def connect(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection of the benchmark's own, for set-up and checks."""
        return psycopg.connect(plain(self.database_url(name)), autocommit=True)

    def add_shop(self, domain: str) -> int:
        """Make a shop that has the app; return its id."""
        statement = "INSERT INTO shops (domain, name) VALUES (%s, 'Bench') RETURNING id"
        with self.connect(OURS) as connection:
            row = connection.execute(statement, [domain]).fetchone()
        assert row is not None
        return int(str(row[0]))

    def know_sold_out(self, shop_id: int, variant_ids: Iterable[int]) -> None:
        """Record that these variants cannot be bought: so it is seconds after the first post for each."""
        statement = (
            "INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at)"
            " VALUES (%s, %s, false, 0, 'webhook', now())"
        )
        with self.connect(OURS) as connection:
            connection.cursor().executemany(statement, [(shop_id, variant_id) for variant_id in variant_ids])

    def serve_restock(self) -> Server:
        """Serve the app itself."""
        return self.serve("restock.web.app:create_adapter", OURS, "/healthz")

    def serve(self, target: str, database: str, probe: str = "/", *, by_wsgi: bool = False) -> Server:
        """Serve what the function `module:function` makes as `restock web` does, on the app's core.

        `by_wsgi`: it is a WSGI application, and granian serves it by that interface, in WSGI_THREADS threads.
        """
        port = free_port()
        log = self.folder / f"{database}-{port}.log"
        command = [sys.executable, "-m", "granian", "--no-ws", "--http", "1", "--workers", "1"]
        command += ["--log-level", "warning"]
        wsgi = ["--interface", "wsgi", "--blocking-threads", str(WSGI_THREADS)]
        command += wsgi if by_wsgi else ["--interface", "rsgi"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--factory", target]
        with on_app_core(), log.open("wb") as output:
            environment = self.environment(database)
            process = start_tied(command, last_signal=signal.SIGTERM, output=output, environment=environment)
        self.stack.callback(stop, process, signal.SIGTERM)
        _wait_until_answering(process, f"http://127.0.0.1:{port}{probe}", log)
        return Server(port, process, log)

    def environment(self, database: str) -> dict[str, str]:
        """Give the settings of an instance on that database."""
        limits = dict.fromkeys(("INTENT_LIMIT_CLIENT", "INTENT_LIMIT_ADDRESS", "INTENT_LIMIT_SHOP"), _NO_LIMIT)
        return limits | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "RESTOCK_DATA_DIR": str(self.folder / "data"),
            "DATABASE_URL": self.database_url(database),
            "REDIS_URL": self.valkey.url(),
            "SECRET_KEY": "a-signing-secret-for-benchmarks-0001",
            "SHOPIFY_API_SECRET": bodies.SECRET,
            SECRET_VARIABLE: bodies.SECRET,
            "LOG_FORMAT": "json",
            **_PROVIDERS,
        }


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start the servers' servers in a folder of their own, on disk; remove all of it at the end."""
    stay_off_the_app_core()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="restock-bench-", dir=os.environ.get("BENCH_DIR")))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = start_postgres(folder / "postgres", durable=True)
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey")
        stack.callback(valkey.stop)
        stage = Stage(folder, postgres, valkey, stack)
        _make_databases(stage)
        yield stage


def _make_databases(stage: Stage) -> None:
    with stage.connect("postgres") as connection:
        for name in (OURS, NAIVE):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = stage.database_url(OURS)
    app = Flask("benchmarks")
    init_database(app, url)
    database = Database(app, url)
    database.upgrade()
    database.dispose()


def plain(url: str) -> str:
    """Write a database's address as libpq wants it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _wait_until_answering(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError as error:  # an HTTP answer of any kind will do: the app is there
            if hasattr(error, "code"):
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a server did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
