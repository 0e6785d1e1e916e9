"""A whole engine of real processes: workers, a sweeper, a Valkey and a mail server that remembers what it took.

The mail server is the witness: it stands outside every process that is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from restock.local.sockets import free_port
from restock.local.valkey import Valkey, start_valkey
from tests.restocks.store import Store

KEY = "a-key-for-tests-only-000001"
_START = (
    "import sys; from restock.config import load_settings; from restock.logs import configure_logging;"
    "settings = load_settings(); configure_logging(settings);"
)
_WORKER = _START + "from restock.worker.main import run_worker; sys.exit(run_worker(sys.argv[1], settings))"
_SWEEPER = _START + "from restock.worker.sweeper import run_sweeper; sys.exit(run_sweeper(settings))"


@dataclass
class Witness:
    """An SMTP server that remembers every message it has taken, and when. `delay_seconds` before each answer."""

    delay_seconds: float = 0.0
    taken: list[tuple[str, str]] = field(default_factory=list)  # recipient, Message-ID
    times: list[float] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.taken.append((envelope.rcpt_tos[0], str(message_from_bytes(content)["Message-ID"])))
        self.times.append(time.monotonic())
        await asyncio.sleep(self.delay_seconds)
        return "250 taken"

    def repeats(self) -> int:
        """How many messages came more than once, counted by their repeats."""
        return sum(count - 1 for count in Counter(self.taken).values())


class Instance:
    """The processes of one engine, ended with the test."""

    def __init__(self, database_url: str, folder: Path, lease_seconds: float = 2.0) -> None:
        self.witness = Witness()
        self._mail_port = free_port()
        self.start_mail()
        self._folder = folder
        self.valkey: Valkey | None = start_valkey(folder / "valkey", durable=False)
        self.redis_url = self.valkey.url()
        self.store = Store(database_url, lease_seconds=lease_seconds)
        self._running: list[subprocess.Popen[bytes]] = []
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": KEY,
            "SMTP_URL": f"smtp://127.0.0.1:{self._mail_port}",
            "EMAIL_FROM": "Demo <alerts@example.com>",
            "SETTLE_SECONDS": "0",
            "SWEEP_SECONDS": "0.2",
            "DELIVERY_LEASE_SECONDS": str(lease_seconds),
            "RESTOCK_DATA_DIR": str(folder),
            "LOG_FORMAT": "json",
        }

    def worker(self, queue: str = "deliveries") -> subprocess.Popen[bytes]:
        return self._start(_WORKER, queue)

    def sweeper(self, **more: str) -> subprocess.Popen[bytes]:
        return self._start(_SWEEPER, more=more)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and every child of it as a power cut would."""
        for pid in [*_children(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=10)

    def start_mail(self) -> None:
        self._mail = Controller(self.witness, hostname="127.0.0.1", port=self._mail_port)
        self._mail.start()

    def stop_mail(self) -> None:
        self._mail.stop()

    def kill_valkey(self) -> None:
        if self.valkey is not None:
            self.valkey.stop()
            self.valkey = None

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill(process)
        self.kill_valkey()
        self._mail.stop()
        self.store.close()

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def _start(self, program: str, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{len(self._running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=self._environment | dict(more or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[2],
        )
        log.close()
        self._running.append(process)
        return process


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                found += [*_children(int(child)), int(child)]
    return found


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait until a condition holds; False when it does not within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.03)
    return condition()


@contextlib.contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread while the block runs."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(timeout=30)
