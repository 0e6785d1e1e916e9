"""The program as it really runs on a crowd's database: stock worker, delivery workers, sweeper; and what they use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from restock.local.lifeline import start_tied, stop
from tests.benchmarks.machine import tree_seconds
from tests.benchmarks.stage import Stage

_RESTOCK = (sys.executable, "-m", "restock.cli")
_WATCHED = (sys.executable, "-m", "tests.benchmarks.fanout.worker")


@dataclass
class Instance:
    """What runs. Delivery workers are added when they are to begin."""

    stage: Stage
    environment: Mapping[str, str]
    stack: ExitStack
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _seen: list[Path] = field(default_factory=list)

    def start(self, name: str, *words: str) -> None:
        """Start a part of the program under a name, on any core."""
        self._start(name, [*_RESTOCK, *words])

    def start_deliveries(self, count: int) -> None:
        """Start so many delivery workers, watched."""
        for number in range(1, count + 1):
            name = f"deliveries {number}"
            self._seen.append(self.stage.folder / f"{self.environment['DATABASE_URL'][-12:].strip('/')}-{number}.json")
            self._start(name, [*_WATCHED, str(self._seen[-1])])

    def cpu(self, name: str) -> float:
        """CPU seconds of the parts whose name begins so, until now."""
        return sum(tree_seconds(part.pid) for known, part in self.parts.items() if known.startswith(name))

    def peak_megabytes(self) -> float:
        """Read the most memory a delivery worker has had at once."""
        found = [part.pid for name, part in self.parts.items() if name.startswith("deliveries")]
        return max(_peak(pid) for pid in found)

    def end(self) -> None:
        """End all of it, so that the watched ones tell what they saw."""
        for part in self.parts.values():
            stop(part, signal.SIGTERM)

    def seen(self, kind: str) -> dict[str, float]:
        """Add up the CPU seconds of the delivery workers by `stages` or `stacks`."""
        sums: dict[str, float] = defaultdict(float)
        for path in self._seen:
            if path.exists():
                for name, seconds in json.loads(path.read_text())[kind].items():
                    sums[name] += seconds
        return dict(sums)

    def _start(self, name: str, command: list[str]) -> None:
        log = self.stack.enter_context((self.stage.folder / f"{name.replace(' ', '-')}.log").open("ab"))
        process = start_tied(command, last_signal=signal.SIGTERM, output=log, environment=dict(self.environment))
        self.parts[name] = process
        self.stack.callback(stop, process, signal.SIGTERM)


@contextmanager
def open_instance(stage: Stage, database: str, settings: Mapping[str, str], workers: int) -> Iterator[Instance]:
    """Set up an instance on a database; nothing runs before it is started."""
    more = {"SETTLE_SECONDS": "0", "WORKERS": str(workers)}
    with ExitStack() as stack:
        yield Instance(stage, stage.environment(database) | more | dict(settings), stack)


def use_every_core(pid: int) -> None:
    """Let a process and what it has started run wherever there is room: here both cores are for all."""
    cores = range(os.cpu_count() or 1)
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in entry.read_text().split():
            use_every_core(int(child))
    os.sched_setaffinity(pid, cores)


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")
