"""`restock bench [NAME]`: run benchmarks on this machine and print the ratios, each with its goal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from restock.local.lifeline import StartError
from tests.benchmarks import faults, intents, latency, planning, webhooks
from tests.benchmarks.fanout import command as fanout
from tests.benchmarks.load import MissingToolError, wrk_program
from tests.benchmarks.policies import command as policies
from tests.benchmarks.report import Report, machine_facts
from tests.benchmarks.sampling import Effort
from tests.benchmarks.stage import Stage, open_stage

Benchmark = Callable[[Stage, Effort, Callable[[str], None]], Report]
BENCHMARKS: Mapping[str, Benchmark] = {"intents": intents.run, "webhooks": webhooks.run}
COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {  # what needs no load generator, and reads its own words
    "fanout": fanout.main,
    "faults": faults.main,
    "latency": latency.main,
    "planning": planning.main,
    "policies": policies.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments name; 0 when every goal is met, 1 when one is missed or a tool is absent."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    if words and not words[0].startswith("-") and words[0] not in {*BENCHMARKS, "all"}:
        print(f"There is no benchmark {words[0]!r}. There are:\n\n{_names()}", file=sys.stderr)
        return 2
    options = _parser().parse_args(words)
    names = list(BENCHMARKS) if options.name == "all" else [options.name]
    try:
        wrk_program()
        reports = {name: _run(name, Effort(options.rounds, options.seconds, options.patience)) for name in names}
    except (MissingToolError, StartError) as missing:
        print(missing, file=sys.stderr)
        return 1
    if options.json is not None:
        result = {"machine": machine_facts(), "reports": {name: report.as_dict() for name, report in reports.items()}}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(goal.met for report in reports.values() for goal in report.goals) else 1


def _run(name: str, effort: Effort) -> Report:
    with open_stage() as stage:
        report = BENCHMARKS[name](stage, effort, _say)
    print("\n" + report.text())
    print("\n  " + " · ".join(f"{fact} {value}" for fact, value in machine_facts().items()) + "\n", flush=True)
    return report


def _say(text: str) -> None:
    """Tell how far it is, where it does not get in the way of the result."""
    print(text, file=sys.stderr, flush=True)


def _names() -> str:
    """List every benchmark with what it is about, in the words its module begins with."""
    lines = [f"  {name:9} {_about(run)}" for name, run in (*BENCHMARKS.items(), *COMMANDS.items())]
    return "\n".join(
        [*lines, f"  {'all':9} {' and '.join(BENCHMARKS)}, one after the other: what is run without a name"]
    )


def _about(run: Callable[..., object]) -> str:
    first_line = (sys.modules[run.__module__].__doc__ or "").partition("\n")[0]
    return first_line.partition(": ")[2]


def _parser() -> argparse.ArgumentParser:
    others = f"benchmarks, of which {', '.join(COMMANDS)} have options of their own (NAME --help):\n{_names()}"
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="restock bench", description=__doc__, epilog=others, formatter_class=raw)
    parser.add_argument(
        "name", nargs="?", default="all", choices=[*BENCHMARKS, "all"], metavar="NAME", help="see below (all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="samples of each contestant, taken in turns (5)")
    parser.add_argument("--seconds", type=float, default=4, help="length of a sample (4)")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds a benchmark waits for a quiet machine (120)"
    )
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
