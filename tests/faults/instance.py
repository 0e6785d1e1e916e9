"""A whole Restock of real processes: web, workers, sweepers, their servers, and the providers as witnesses."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import psycopg
import redis
import urllib3

from restock.local.postgres import Postgres, start_postgres
from restock.local.sockets import free_port
from restock.local.valkey import Valkey, start_valkey
from tests.faults.nursery import Nursery, Process
from tests.faults.witnesses import ACCOUNT_SID, AUTH_TOKEN, Witnesses, until
from tests.opened import opened

KEY = "a-key-for-tests-only-000001"
API_KEY, API_SECRET = "restock-faults-key", "a-client-secret-for-the-fault-tests"
VAPID_KEY = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"  # a valid P-256 scalar, known to everybody
LADDER = "1,2,4,8"
WORDS = {
    "web": ["web"],
    "stock": ["worker", "stock"],
    "deliveries": ["worker", "deliveries"],
    "sweeper": ["sweep"],
}
_STEADY = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
_FAKE_CLOCKS = (
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    *Path("/usr/lib").glob("faketime/libfaketime.so.1"),
)


class Instance:
    """The processes of one engine; a role such as `deliveries-1` is one of them. From the main thread alone.

    `database_url` None: a PostgreSQL of its own, which can be restarted.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        lease_seconds: float = 2.0,
        more: Mapping[str, str] = MappingProxyType({}),
        wrong_clocks: bool = False,
    ) -> None:
        self.folder = folder
        self.witnesses = Witnesses.open(folder)
        self.nursery = Nursery(folder)
        self.valkey: Valkey | None = None
        self.start_valkey()
        self.postgres: Postgres | None = None
        self.database_url = database_url or self._own_postgres()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.roles: dict[str, Process] = {}
        self.starts = 0
        self._more = dict(more)
        library = fake_clock()
        self._wrong_clocks: Nursery | None = None
        if wrong_clocks and library is not None:
            self._wrong_clocks = Nursery(folder, {"LD_PRELOAD": str(library), "FAKETIME": "+0", **_STEADY})
        self._lease_seconds = lease_seconds

    @property
    def dsn(self) -> str:
        return self.database_url.replace("+psycopg", "", 1)

    @property
    def redis_url(self) -> str:
        return f"unix://{self._socket}?db=0"

    def start(self, role: str, **more: str) -> Process:
        """Start the process of a role, beside whatever runs under that name already."""
        self.starts += 1
        words = WORDS[role.partition("-")[0]]
        log = self.folder / f"{self.starts:04d}-{role}.log"
        self.roles[role] = self.nursery.start(words, self.environment() | more, log)
        return self.roles[role]

    def start_with_clock(self, role: str, shift: str) -> Process | None:
        """Start the process of a role whose clock goes wrong, such as `+3h`; None without libfaketime."""
        if self._wrong_clocks is None:
            return None
        self.starts += 1
        log = self.folder / f"{self.starts:04d}-{role}.log"
        environment = self.environment() | {**_STEADY, "FAKETIME": shift}
        self.roles[role] = self._wrong_clocks.start(WORDS[role.partition("-")[0]], environment, log)
        return self.roles[role]

    def keep(self, roles: Sequence[str]) -> list[str]:
        """Start those of the roles whose process has ended; return which."""
        ended = [role for role in roles if role not in self.roles or self.roles[role].poll() is not None]
        for role in ended:
            self.start(role)
        return ended

    def kill(self, role: str) -> None:
        """End the process of a role as a power cut would."""
        self.roles[role].kill()

    def wait_for_web(self, seconds: float = 90.0) -> None:
        """Wait until the web answers; raises TimeoutError."""

        def answers() -> bool:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                return urllib3.request("GET", f"{self.url}/healthz", timeout=10, retries=False).status < 500
            return False

        if not until(answers, seconds):
            raise TimeoutError(self.log())

    def environment(self) -> dict[str, str]:
        witnesses = self.witnesses
        return {
            "PATH": os.environ["PATH"],
            "RESTOCK_DATA_DIR": str(self.folder / "data"),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": KEY,
            "PORT": str(self.port),
            "APP_URL": self.url,
            "SMTP_URL": witnesses.mail.url,
            "EMAIL_FROM": "Demo <alerts@example.com>",
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_FROM": "+447700900000",
            "TWILIO_API_URL": witnesses.sms.url,
            "SMS_SEGMENTS_PER_SECOND": "0",  # it is about faults here, and a number of its own would take minutes
            "VAPID_PRIVATE_KEY": VAPID_KEY,
            "VAPID_SUBJECT": "mailto:ada@example.com",
            "PUSH_EXTRA_HOSTS": witnesses.push.host,
            "SHOPIFY_API_KEY": API_KEY,
            "SHOPIFY_API_SECRET": API_SECRET,
            "SETTLE_SECONDS": "0",
            "SWEEP_SECONDS": "0.2",
            "DELIVERY_LEASE_SECONDS": str(self._lease_seconds),
            "RETRY_LADDER_SECONDS": LADDER,
            "INTENT_LIMIT_CLIENT": "1000000",
            "INTENT_LIMIT_SHOP": "1000000",
            "LOG_FORMAT": "json",
            **self._more,
        }

    def start_valkey(self) -> None:
        self.valkey = start_valkey(self.folder / "valkey", durable=False)
        self._socket = self.valkey.socket

    def kill_valkey(self) -> None:
        """End Valkey without a word; it had written nothing down."""
        if self.valkey is not None:
            self.valkey.process.send_signal(signal.SIGKILL)
            self.valkey.process.wait(10)
            self.valkey = None

    def flush_valkey(self) -> None:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.redis_url, socket_timeout=1) as client:
            client.flushall()

    def restart_postgres(self) -> None:
        """Cut PostgreSQL off as a crash would (its immediate shutdown), and start it again."""
        assert self.postgres is not None, "this PostgreSQL is others' too"
        self.postgres.process.send_signal(signal.SIGQUIT)
        self.postgres.process.wait(20)
        self.postgres = start_postgres(self.folder / "postgres", durable=False)

    def close(self) -> None:
        self.nursery.close()
        if self._wrong_clocks is not None:
            self._wrong_clocks.close()
        self.witnesses.close()
        if self.valkey is not None:
            self.valkey.stop()
        opened(self.database_url).dispose()
        if self.postgres is not None:
            self.postgres.stop()

    def log(self, lines: int = 60) -> str:
        """Quote the last of what the processes said, and where they are now."""
        for role, process in self.roles.items():
            if not role.startswith("web"):
                process.say_where()
        time.sleep(0.3)
        said = [line for path in sorted(self.folder.glob("*.log")) for line in path.read_text().splitlines()]
        return "\n".join(said[-lines:])

    def said(self, word: str) -> bool:
        return any(word in path.read_text() for path in self.folder.glob("*.log"))

    def _own_postgres(self) -> str:
        """Start a server of our own. What it commits outlives its own crash, though not the machine's."""
        self.postgres = start_postgres(self.folder / "postgres", durable=False)
        url = self.postgres.url()
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute("ALTER DATABASE restock SET synchronous_commit = on")
        opened(url).upgrade()
        return url


def fake_clock() -> Path | None:
    """Find libfaketime; None where it is not installed."""
    return next(iter(_FAKE_CLOCKS), None)
