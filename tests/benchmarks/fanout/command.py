"""`restock bench fanout`: one restock told to many people through the real pipeline, the naive design, and the limit.

Webhook, stock worker, delivery workers under RQ, sweeper, PostgreSQL with real fsync, Valkey; the provider's stand-in
is on the same machine. Both cores are for all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

from restock.local.lifeline import StartError
from tests.benchmarks.fanout import claims, flame, flat
from tests.benchmarks.fanout.contestant import Contestant, Limit, Told
from tests.benchmarks.fanout.email import Email
from tests.benchmarks.fanout.telling import Order, tell_all, tell_naively
from tests.benchmarks.machine import wait_for_calm
from tests.benchmarks.report import Goal, machine_facts
from tests.benchmarks.stage import Stage, open_stage

CHANNELS = ("email", "sms", "push")
_STAGES = ("claim", "build", "send", "record", "other", "rq")
_HEAD = f"{'':<44}{'messages':>10}{'s':>8}{'messages/s':>12}{'start MB':>10}{'peak MB':>9}{'foreign':>9}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when every goal is met."""
    options = _parser().parse_args(argv)
    try:
        with open_stage() as stage:
            if options.claim:
                goals = claims.run(stage, options.claim, _say)
            elif options.flat:
                goals = flat.run(stage, _contestant(options), options, _say)
            else:
                goals = _play(stage, _contestant(options), options)
    except (StartError, ModuleNotFoundError) as missing:
        print(missing, file=sys.stderr)
        return 1
    print("\n".join(["", *(goal.line() for goal in goals)]))
    print("\n  " + " · ".join(f"{fact} {value}" for fact, value in machine_facts().items()))
    return 0 if all(goal.met for goal in goals) else 1


def _play(stage: Stage, of: Contestant, options: argparse.Namespace) -> Sequence[Goal]:
    wait_for_calm(0.25, options.patience)
    limit = of.limit(stage, options.n, options.reply_ms)
    if limit is not None:
        print(
            f"{'limit: ' + limit.name:<44}{'':>10}{'':>8}{limit.rate:>12,.0f}   {limit.cpu_us:,.0f} µs CPU", flush=True
        )
    if options.limit_only:
        return []
    naive = tell_naively(stage, of, options.naive, options.reply_ms) if options.naive else None
    print(_HEAD, flush=True)
    if naive is not None:
        print(_line("one RQ job per subscriber (fork, preloaded)", naive), flush=True)
        print(_costs(naive), flush=True)
    runs: dict[str, Told] = {}
    stacks: dict[str, float] = {}
    for title, planned in (("from the webhook on", False), ("what is queued already", True)):
        order = Order(options.n, options.workers, options.reply_ms, planned, options.longest)
        runs[title], stacks = tell_all(stage, of, order, _say)
        print(_line(title, runs[title]), flush=True)
        print(_costs(runs[title]), flush=True)
    if options.flame:
        options.flame.write_text(flame.icicle(stacks, f"a delivery worker's CPU, {options.channel}, {options.n:,}"))
    if options.json:
        _write(options.json, runs, naive, limit)
    whole, drained = runs.values()
    return [*of.goals(drained, naive, limit, options.reply_ms), *_goals(whole, drained)]


def _goals(whole: Told, drained: Told) -> list[Goal]:
    return [
        Goal("everybody was told", min(whole.count, drained.count), max(whole.count, drained.count)),
        Goal("RQ's share of the workers' CPU, %", 100 * drained.rq_share, 2, at_most=True),
        Goal("Valkey, MB per 100,000", whole.valkey_megabytes * 100_000 / whole.count, 1, at_most=True),
        Goal("peak of a worker, MB", max(whole.peak_megabytes, drained.peak_megabytes), 100, at_most=True),
    ]


def _line(title: str, told: Told) -> str:
    peak = f"{told.peak_megabytes:>9.0f}" if told.peak_megabytes else f"{'–':>9}"
    start = f"{told.start_megabytes:>10.0f}" if told.start_megabytes > 0 else f"{'–':>10}"
    return f"{title:<44}{told.count:>10,}{told.seconds:>8.1f}{told.rate:>12,.0f}{start}{peak}{told.foreign_cores:>9.2f}"


def _costs(told: Told) -> str:
    parts = ", ".join(f"{part} {used:.1f}" for part, used in told.cpu_us.items())
    stages = ", ".join(f"{stage} {told.stages[stage]:.1f}" for stage in _STAGES if stage in told.stages)
    return f"    CPU of a message, µs: {parts}" + (f"\n    of which in a delivery worker: {stages}" if stages else "")


def _write(path: Path, runs: Mapping[str, Told], naive: Told | None, limit: Limit | None) -> None:
    found = {"machine": machine_facts(), "runs": {title: asdict(told) for title, told in runs.items()}}
    others = {"naive": asdict(naive) if naive else None, "limit": asdict(limit) if limit else None}
    path.write_text(json.dumps(found | others, indent=1) + "\n")


def _contestant(options: argparse.Namespace) -> Contestant:
    found: Contestant = import_module(f"tests.benchmarks.fanout.{options.channel}").CONTESTANT
    if isinstance(found, Email):
        return replace(found, connections=options.connections, workers=options.workers)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="restock bench fanout", description=__doc__)
    parser.add_argument("--channel", choices=CHANNELS, default="email")
    parser.add_argument("--n", type=int, default=100_000, help="people who wait (100000)")
    parser.add_argument("--workers", type=int, default=2, help="delivery workers (2)")
    parser.add_argument("--naive", type=int, default=300, help="people told by the naive design; 0: leave it out (300)")
    parser.add_argument("--reply-ms", type=float, default=0, help="what each reply of the provider takes (0)")
    parser.add_argument(
        "--connections", type=int, default=64, help="e-mail: connections of all workers, where replies take time (64)"
    )
    parser.add_argument(
        "--flat", type=int, nargs="+", metavar="N", help="only what a message costs among so many, and what memory"
    )
    parser.add_argument("--limit-only", action="store_true", help="measure the limit alone")
    parser.add_argument("--claim", type=int, nargs="+", metavar="ROWS", help="only claim, from tables of these sizes")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine (60)")
    parser.add_argument("--longest", type=float, default=900, help="seconds after which a run is given up (900)")
    parser.add_argument("--flame", type=Path, metavar="FILE.svg", help="draw where a worker's CPU time went")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
