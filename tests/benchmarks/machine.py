"""What the machine does meanwhile: which core a program runs on, what CPU time it took, who else was busy.

Linux only (/proc). It must never count a process that the benchmark did not start as ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.5
APP_CORE, OTHER_CORE = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]


def stay_off_the_app_core() -> None:
    """Move this process, and whatever it starts from now on, to the core that the app does not use."""
    os.sched_setaffinity(0, {OTHER_CORE})


@contextmanager
def on_app_core() -> Iterator[None]:
    """What is started inside runs on the app's core, alone there as far as it is up to us."""
    os.sched_setaffinity(0, {APP_CORE})
    try:
        yield
    finally:
        stay_off_the_app_core()


@dataclass(frozen=True)
class Usage:
    """One stretch of time: how long, what each of our trees used, and what others used. CPU in seconds."""

    seconds: float
    cpu: dict[str, float]
    foreign_cores: float


class Meter:
    """Measures CPU time of named process trees against the whole machine, from its making to `stop`."""

    def __init__(self, **roots: int) -> None:
        self._roots = roots
        self._begun = monotonic()
        self._trees = _tree_times(roots)
        self._busy, self._ours = _busy_seconds(), tree_seconds(os.getpid())

    def stop(self) -> Usage:
        """End the stretch. Time taken from the machine by its host counts as foreign."""
        seconds = monotonic() - self._begun
        now = _tree_times(self._roots)
        foreign = (_busy_seconds() - self._busy) - (tree_seconds(os.getpid()) - self._ours)
        cpu = {name: now[name] - self._trees[name] for name in now}
        return Usage(seconds, cpu, max(0.0, foreign / seconds))


def wait_for_calm(limit: float, patience_seconds: float) -> float:
    """Wait until others use fewer than `limit` cores, or the patience is over; return the seconds it took."""
    begun = monotonic()
    while True:
        meter = Meter()
        sleep(_LOOK_SECONDS)
        waited = monotonic() - begun
        if meter.stop().foreign_cores < limit or waited > patience_seconds:
            return waited


def _tree_times(roots: dict[str, int]) -> dict[str, float]:
    return {name: tree_seconds(pid) for name, pid in roots.items()}


def tree_seconds(root: int) -> float:
    """Add up the CPU time of a process, its descendants, and those of them that have ended."""
    children: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _read(entry)) is not None:
            parent, seconds = found
            children.setdefault(parent, []).append(int(entry.name))
            times[int(entry.name)] = seconds
    total, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        total += times.get(pid, 0.0)
        waiting += children.get(pid, ())
    return total


def _read(entry: Path) -> tuple[int, float] | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended while we looked
        return None
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def _busy_seconds() -> float:
    """The machine's busy time: user, nice, system, and stolen by the host; interrupts belong to nobody."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[place]) for place in (0, 1, 2, 7)) / _TICKS
