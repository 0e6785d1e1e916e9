"""What is watched while a restock is planned: the worker's memory, and how long transactions take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

LOOK_SECONDS = 0.02
# A session that waits for the next command outside a transaction has no xact_start.
_LONGEST = """
    SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8, pid, xact_start, left(query, 60)
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'restock' AND xact_start IS NOT NULL
"""


@dataclass
class Transactions:
    """The longest transaction of the program's own seen so far, and what it was doing then."""

    longest_seconds: float = 0.0
    statement: str = ""
    looks: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self.looks += 1
        for seconds, _pid, _since, query in connection.execute(_LONGEST):
            if float(str(seconds)) > self.longest_seconds:
                self.longest_seconds, self.statement = float(str(seconds)), " ".join(str(query).split())

    def forget(self) -> None:
        self.longest_seconds, self.statement, self.looks = 0.0, "", 0


@contextmanager
def watch_transactions(address: str) -> Iterator[Transactions]:
    """Look every 20 ms until the block ends."""
    watch = Transactions()

    def run() -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            while not watch._stop.wait(LOOK_SECONDS):
                watch.look(connection)

    thread = threading.Thread(target=run, name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch._stop.set()
        thread.join(5)


def peak_megabytes(pid: int) -> float:
    """Read the most memory a process has had at once (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")
