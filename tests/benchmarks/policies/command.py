"""`restock bench policies`: run the simulator, print its tables and goals, draw its picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.policies.measures import Score, play
from tests.benchmarks.policies.ours import OURS
from tests.benchmarks.policies.picture import picture
from tests.benchmarks.policies.results import Results
from tests.benchmarks.policies.rivals import RIVALS
from tests.benchmarks.policies.scenarios import SCENARIOS
from tests.benchmarks.policies.sharing import Policy

POLICIES: tuple[Policy, ...] = (*RIVALS, *OURS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when every goal is met."""
    options = _parser().parse_args(argv)
    scores: list[Score] = []
    for scenario in SCENARIOS.values():
        print(f"{scenario.name}: {scenario.title} …", file=sys.stderr, flush=True)
        scores += play([scenario], POLICIES, options.seeds)
    results = Results(scores, options.seeds)
    print(results.text())
    if options.json is not None:
        options.json.write_text(json.dumps(results.as_dict(), indent=1) + "\n")
    if options.svg is not None:
        options.svg.write_text(picture(results))
    return 0 if all(aim.met for aim in results.aims) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="restock bench policies", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="stories of each kind (100)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    parser.add_argument("--svg", type=Path, help="also draw the picture into this file (docs/images/policies.svg)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
