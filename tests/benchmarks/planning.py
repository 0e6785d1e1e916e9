"""`restock bench planning`: a crowd before one variant, planned by a real worker, while other shops' restocks begin.

Three restocks one after the other, for crowds of several sizes: one unit where everybody wants two (the whole queue is
walked for nobody), a limited one, and one without limit. All the while small shops have restocks of their own, one
person each: from the webhook to the moment a mail server has the message. The program's parts are the real ones.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from restock.local.lifeline import StartError, start_tied, stop
from tests.benchmarks.machine import Meter, on_app_core
from tests.benchmarks.planning_peer import MailPeer, open_mail_peer
from tests.benchmarks.planning_town import SMALL_DOMAIN, WANTED, Town, open_town
from tests.benchmarks.planning_watch import LOOK_SECONDS, Transactions, peak_megabytes, watch_transactions
from tests.benchmarks.report import Goal, machine_facts
from tests.benchmarks.stage import Stage, open_stage, plain

SIZES = (10_000, 100_000, 1_000_000)
PARTS = ("worker stock", "worker deliveries", "sweep")
LIMITED_SHARE = 5  # units for one in five, factor 2
EVERY_SECONDS = 1.0  # a small shop's restock
_LONGEST_SECONDS = 600.0
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Round:
    """One restock of one crowd. Seconds, and megabytes of the worker that planned it."""

    people: int
    name: str
    walked: int
    offered: int
    seconds: float
    peak_megabytes: float
    longest_transaction: float
    statement: str
    others: list[float] = field(default_factory=list)
    foreign_cores: float = 0.0

    def line(self) -> str:
        others = f"{median(self.others):>9.2f}{max(self.others):>9.2f}" if self.others else f"{'–':>9}{'–':>9}"
        return (
            f"{self.people:>9,}  {self.name:<24}{self.walked:>10,}{self.offered:>10,}{self.seconds:>8.1f}"
            f"{self.walked / self.seconds:>9,.0f}{self.peak_megabytes:>8.0f}{self.longest_transaction:>9.2f}"
            f"{len(self.others):>7}{others}{self.foreign_cores:>9.2f}"
        )


@dataclass(frozen=True)
class _Stand:
    """Everything one crowd's rounds are played with; `planner` is the process that plans."""

    size: int
    town: Town
    peer: MailPeer
    planner: int
    watch: Transactions
    shops: Iterator[int]


_HEAD = (
    f"{'waiting':>9}  {'restock':<24}{'walked':>10}{'offered':>10}{'s':>8}{'people/s':>9}{'peak MB':>8}{'tx max s':>9}"
    f"{'others':>7}{'median s':>9}{'worst s':>9}{'foreign':>9}"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when every goal is met."""
    options = _parser().parse_args(argv)
    sizes = [*(size for size in SIZES if size < options.n), options.n]
    rounds: list[Round] = []
    try:
        with open_stage() as stage:
            for size in sizes:
                for one in _play(stage, size):
                    _say(one.line())
                    rounds.append(one)
    except StartError as missing:
        print(missing, file=sys.stderr)
        return 1
    goals = _goals(rounds)
    print("\n".join(["planning", "", _HEAD, *(one.line() for one in rounds), "", *(goal.line() for goal in goals)]))
    print("\n  " + " · ".join(f"{fact} {value}" for fact, value in machine_facts().items()))
    if options.json is not None:
        result = {"machine": machine_facts(), "rounds": [asdict(one) for one in rounds]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(goal.met for goal in goals) else 1


def _goals(rounds: Sequence[Round]) -> list[Goal]:
    others = [seconds for one in rounds for seconds in one.others]
    smallest, largest = rounds[0].people, rounds[-1].people
    peaks = {size: max(one.peak_megabytes for one in rounds if one.people == size) for size in (smallest, largest)}
    return [
        Goal("longest transaction, s", max(one.longest_transaction for one in rounds), 2, at_most=True),
        Goal("another shop's message, worst, s", max(others, default=None), 2, at_most=True),
        Goal(f"memory, {largest:,} to {smallest:,}", peaks[largest] / peaks[smallest], 1.25, at_most=True),
    ]


def _play(stage: Stage, size: int) -> Iterator[Round]:
    """Let one crowd live through its three restocks, with a worker of its own."""
    _say(f"{size:,} people: filling the tables …")
    name = f"planning_{size}"
    with ExitStack() as stack:
        town = stack.enter_context(open_town(stage, name, size))
        peer = stack.enter_context(open_mail_peer(SMALL_DOMAIN))
        planner = stack.enter_context(_program(stage, name, peer))
        watch = stack.enter_context(watch_transactions(plain(stage.database_url(name))))
        stand = _Stand(size, town, peer, planner, watch, iter(town.small_ids))
        _warm_up(stand)
        for title, units in (
            ("1 unit, all want 2", 1),
            ("limited, factor 2", size * WANTED // LIMITED_SHARE // 2),
            ("without limit", None),
        ):
            _say(f"{size:,} people: {title} …")
            yield _round(stand, title, units)
            if units == 1:
                town.sell_out()


def _warm_up(stand: _Stand) -> None:
    """Let one small restock go by: the first of everything is slow."""
    others = _Others(stand.town, stand.peer, stand.shops)
    others.step(may_begin=True)
    while others.is_waiting:
        others.step(may_begin=False)
        time.sleep(LOOK_SECONDS)


@contextmanager
def _program(stage: Stage, database: str, peer: MailPeer) -> Iterator[int]:
    """Run the parts of the program that plan and send; give the process that plans."""
    more = {"SMTP_URL": f"smtp://127.0.0.1:{peer.port}", "SETTLE_SECONDS": "0", "WORKERS": "1"}
    with ExitStack() as stack:
        processes = []
        for part in PARTS:
            log = stack.enter_context((stage.folder / f"{database}-{part.replace(' ', '-')}.log").open("wb"))
            command = [sys.executable, "-m", "restock.cli", *part.split()]
            with on_app_core():
                process = start_tied(
                    command, last_signal=signal.SIGTERM, output=log, environment=stage.environment(database) | more
                )
            stack.callback(stop, process, signal.SIGTERM)
            processes.append(process)
        yield processes[0].pid


@dataclass
class _Others:
    """Restocks of small shops, one at a time, each from its webhook to its message at the mail server."""

    town: Town
    peer: MailPeer
    shops: Iterator[int]
    seconds: list[float] = field(default_factory=list)
    _waits_for: str | None = None
    _told_at: float = 0.0

    @property
    def is_waiting(self) -> bool:
        return self._waits_for is not None

    def step(self, *, may_begin: bool) -> None:
        """See whether the message has come; if so, and a second has gone by, have the next shop's restock begin."""
        if self._waits_for is not None:
            taken_at = self.peer.taken_at.get(self._waits_for)
            if taken_at is None and time.monotonic() - self._told_at < _LONGEST_WAIT:
                return
            self.seconds.append((taken_at or time.monotonic()) - self._told_at)
            self._waits_for = None
        if may_begin and time.monotonic() - self._told_at >= EVERY_SECONDS:
            shop_id = next(self.shops)
            self._told_at, self._waits_for = time.monotonic(), f"ada-{shop_id}@{SMALL_DOMAIN}"
            self.town.tell(shop_id, 1)


def _round(stand: _Stand, title: str, units: int | None) -> Round:
    """Have one restock planned to its end, and small ones meanwhile."""
    town, before = stand.town, stand.town.progress()
    others = _Others(town, stand.peer, stand.shops)
    stand.watch.forget()
    meter, began, ended = Meter(), time.monotonic(), None
    town.tell(town.big_id, units)
    while ended is None or others.is_waiting:
        others.step(may_begin=ended is None)
        now = town.progress()
        if ended is None and now.is_over and now.waves > before.waves:
            ended = time.monotonic()
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise StartError(f"{title}: not planned within {_LONGEST_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
    return Round(
        stand.size,
        title,
        now.walked - before.walked,
        now.offered - before.offered,
        ended - began,
        peak_megabytes(stand.planner),
        stand.watch.longest_seconds,
        stand.watch.statement,
        others.seconds,
        meter.stop().foreign_cores,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="restock bench planning", description=__doc__)
    parser.add_argument("--n", type=int, default=SIZES[-1], help="people of the largest crowd (1000000)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
