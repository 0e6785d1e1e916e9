"""What a message costs, and what memory a worker takes, among few people and among many: both are to stay the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tests.benchmarks.fanout.contestant import Contestant, Told
from tests.benchmarks.fanout.telling import Order, tell_all
from tests.benchmarks.machine import wait_for_calm
from tests.benchmarks.report import Goal, machine_facts
from tests.benchmarks.stage import Stage

ENOUGH = 10_000  # of fewer what happens once weighs too much
_PARTS = ("deliveries", "PostgreSQL", "provider")


def run(stage: Stage, of: Contestant, options: argparse.Namespace, say: Callable[[str], None]) -> Sequence[Goal]:
    """Tell each number of people what is queued already; hold the largest against the smallest that is large enough."""
    told: dict[int, Told] = {}
    print(f"{'people':>12}{'messages/s':>12}{'peak MB':>9}{'foreign':>9}   CPU of a message, µs", flush=True)
    for count in sorted(options.flat):
        wait_for_calm(0.25, options.patience)
        order = Order(count, options.workers, options.reply_ms, planned=True, longest_seconds=options.longest)
        told[count], _ = tell_all(stage, of, order, say)
        print(_line(told[count]), flush=True)
    if options.json:
        runs = {str(count): asdict(one) for count, one in told.items()}
        options.json.write_text(json.dumps({"machine": machine_facts(), "flat": runs}, indent=1) + "\n")
    largest = max(told)
    base = min((count for count in told if count >= ENOUGH), default=min(told))
    grown = max(one.peak_megabytes for one in told.values()) - told[min(told)].peak_megabytes
    return [
        Goal("everybody was told", sum(one.count for one in told.values()), sum(told)),
        Goal(
            f"a message among {largest:,} / among {base:,}, CPU",
            _cost(told[largest]) / _cost(told[base]),
            1.1,
            at_most=True,
        ),
        Goal(f"a worker's peak grows from {min(told):,} on, MB", grown, 5, at_most=True),
        Goal("peak of a worker, MB", max(one.peak_megabytes for one in told.values()), 100, at_most=True),
    ]


def _cost(told: Told) -> float:
    """Of the worker and of PostgreSQL; the provider's stand-in is not ours."""
    return told.cpu_us["deliveries"] + told.cpu_us["PostgreSQL"]


def _line(told: Told) -> str:
    parts = ", ".join(f"{part} {told.cpu_us[part]:.1f}" for part in _PARTS if part in told.cpu_us)
    return f"{told.count:>12,}{told.rate:>12,.0f}{told.peak_megabytes:>9.0f}{told.foreign_cores:>9.2f}   {parts}"
