"""`restock bench faults`: hours of bad luck in ten minutes, on a Restock of real processes, judged from outside.

A throw-away instance with a PostgreSQL and a Valkey of its own; the providers are witnesses on this machine.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import Goal
from tests.faults.chaos import Chaos, Plan
from tests.faults.instance import Instance
from tests.faults.oracle import Judgement
from tests.faults.town import Town

SECONDS_FOR_EACH_FAULT = 2.4
LONGEST_SECONDS = 540.0
LEASE_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """One run."""

    plan: Plan
    chaos: Chaos
    judgement: Judgement
    seconds: float

    def goals(self) -> list[Goal]:
        found, plan = self.judgement, self.plan
        settled = found.settled_seconds
        return [
            Goal("deliveries due", found.due, plan.deliveries),
            Goal("faults", sum(self.chaos.done.values()), plan.faults),
            Goal("never sent (unknown under at-most-once apart)", len(found.never_sent), 0, at_most=True),
            Goal("people who were told twice", len(found.told_twice), 0, at_most=True),
            Goal("rows that say what no provider says", len(found.lies), 0, at_most=True),
            Goal("webhooks answered and not stored once", found.webhooks_lost, 0, at_most=True),
            Goal("repeats at providers", sum(found.repeats.values()), found.repeats_allowed, at_most=True),
            Goal("settled after so many seconds of calm", settled, found.patience_seconds, at_most=True),
        ]

    def replay(self) -> str:
        plan = self.plan
        return f"restock bench faults --seed {plan.seed} --deliveries {plan.deliveries} --faults {plan.faults}"

    def text(self) -> str:
        """Write the table."""
        found, chaos = self.judgement, self.chaos
        lines = [f"Faults, seed {self.plan.seed}: {self.seconds:,.0f} s, {found.accepted:,} messages taken", ""]
        lines += [f"  {count:>5}  {name}" for name, count in sorted(chaos.done.items(), key=lambda kind: -kind[1])]
        lines += [f"      –  {name}: {why}" for name, why in chaos.skipped.items()]
        lines += ["", f"  {chaos.lost} processes lost; unknown and shown so: {found.unknown} (text messages)"]
        lines += [f"  taken again under the same name: {_by_channel(found.repeats)}"]
        lines += ["", *(goal.line() for goal in self.goals())]
        lines += [f"  {sentence}" for sentence in found.faults()]
        return "\n".join([*lines, "", f"  again: {self.replay()}"])

    def as_dict(self) -> dict[str, object]:
        goals = [{"text": g.text, "value": g.value, "limit": g.limit, "met": g.met} for g in self.goals()]
        run = {"seed": self.plan.seed, "seconds": self.seconds, "faults": dict(self.chaos.done)}
        crashes = {"processes_lost": self.chaos.lost, "skipped": self.chaos.skipped}
        return run | crashes | {"judgement": self.judgement.as_dict(), "goals": goals, "again": self.replay()}


def main(words: Sequence[str]) -> int:
    """Run once; 0 when every goal is met."""
    options = _parser().parse_args(words)
    seconds = min(LONGEST_SECONDS, options.faults * SECONDS_FOR_EACH_FAULT)
    plan = Plan(options.seed, options.deliveries, options.faults, seconds, max(10, options.deliveries // 100))
    print(f"seed {plan.seed}: about {seconds / 60:.0f} minutes", file=sys.stderr, flush=True)
    outcome = run(plan)
    print(outcome.text(), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(outcome.as_dict(), indent=1) + "\n")
    return 0 if all(goal.met for goal in outcome.goals()) and not outcome.judgement.faults() else 1


def run(plan: Plan) -> Outcome:
    """Run a plan on an instance of its own, which is gone afterwards."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="restock-faults-") as folder:
        instance = Instance(Path(folder), lease_seconds=LEASE_SECONDS, wrong_clocks=True)
        town = Town(instance)
        chaos = Chaos(plan, town)
        try:
            judgement = chaos.run()
        finally:
            town.close()
            instance.close()
    return Outcome(plan, chaos, judgement, time.monotonic() - began)


def _by_channel(repeats: dict[str, int]) -> str:
    return ", ".join(f"{count} {channel}" for channel, count in sorted(repeats.items()) if count) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="restock bench faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="the same seed, the same faults")
    parser.add_argument("--deliveries", type=int, default=10_000, help="how many people wait (10000)")
    parser.add_argument("--faults", type=int, default=200, help="how many faults (200), one every 2.4 s")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser
