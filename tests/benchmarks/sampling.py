"""Takes samples of several contestants in turns, so that whatever disturbs the machine disturbs all of them alike.

A sample taken while others were busy is taken again, a bounded number of times, and says so if it stays disturbed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import sleep

from tests.benchmarks.load import Outcome
from tests.benchmarks.machine import Meter, wait_for_calm

FOREIGN_LIMIT = 0.25  # cores
_TRIES = 3
_SETTLE_SECONDS = 0.1  # a database session that has ended is accounted for when its parent has collected it


@dataclass(frozen=True)
class Sample:
    """One stretch of load on one contestant. CPU in microseconds per request; `load_core`: busy share of that core."""

    rate: float
    p50_ms: float
    p99_ms: float
    app_us: float
    postgres_us: float
    load_core: float
    foreign_cores: float
    refused: int
    broken: int
    late_p99_ms: float = 0.0
    queued_p99_ms: float = 0.0

    @property
    def disturbed(self) -> bool:
        return self.foreign_cores > FOREIGN_LIMIT

    @property
    def clients_own(self) -> str:
        """Say what of a steady load's latencies is not the server's."""
        return f"the client: woken late p99 {self.late_p99_ms:.1f} ms, until it sent p99 {self.queued_p99_ms:.1f} ms"


@dataclass(frozen=True)
class Contestant:
    """One row of the table. `run` loads it for so many seconds; `app` None: no web server is in it."""

    name: str
    run: Callable[[float], Outcome]
    postgres: int
    app: int | None = None


@dataclass(frozen=True)
class Score:
    """The medians of one contestant, and the samples they come from."""

    name: str
    samples: tuple[Sample, ...]

    def median(self, quantity: str) -> float:
        """Take a median over the undisturbed samples; over all where none is."""
        calm = [sample for sample in self.samples if not sample.disturbed]
        return median(float(getattr(sample, quantity)) for sample in calm or self.samples)

    @property
    def rate(self) -> float:
        return self.median("rate")

    @property
    def disturbed_count(self) -> int:
        return sum(sample.disturbed for sample in self.samples)

    def as_dict(self) -> dict[str, object]:
        quantities = ("rate", "p50_ms", "p99_ms", "app_us", "postgres_us", "load_core", "foreign_cores")
        medians = {quantity: round(self.median(quantity), 3) for quantity in quantities}
        return {"name": self.name, "medians": medians, "samples": [asdict(sample) for sample in self.samples]}


@dataclass(frozen=True)
class Effort:
    """How much is measured. `patience_seconds`: how long a whole benchmark waits, in sum, for others to be done."""

    rounds: int
    seconds: float
    patience_seconds: float


def sample_once(contestant: Contestant, effort: Effort) -> Sample:
    """Take one sample, again while others are busy."""
    return _calm_sample(contestant, effort.seconds, _Patience(effort.patience_seconds / 4))


def take_turns(contestants: Sequence[Contestant], effort: Effort, say: Callable[[str], None]) -> dict[str, Score]:
    """Sample each contestant once a round, after one short unmeasured warm-up of all."""
    for contestant in contestants:
        contestant.run(min(effort.seconds, 2))
    patience, rounds = _Patience(effort.patience_seconds), effort.rounds
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for number in range(1, rounds + 1):
        for contestant in contestants:
            sample = _calm_sample(contestant, effort.seconds, patience)
            samples[contestant.name].append(sample)
            mark = f"  (disturbed: {sample.foreign_cores:.2f} foreign cores)" if sample.disturbed else ""
            say(f"round {number}/{rounds}  {contestant.name:<40} {sample.rate:>9,.0f}/s{mark}")
    return {name: Score(name, tuple(taken)) for name, taken in samples.items()}


@dataclass
class _Patience:
    """How long a benchmark still waits for others to be done."""

    seconds: float

    def wait(self) -> None:
        if self.seconds > 0:
            self.seconds -= wait_for_calm(FOREIGN_LIMIT, self.seconds)


def _calm_sample(contestant: Contestant, seconds: float, patience: _Patience) -> Sample:
    """Try a few times for an undisturbed sample; settle for the least disturbed."""
    patience.wait()
    best = take_sample(contestant, seconds)
    for _ in range(_TRIES - 1):
        if not best.disturbed or patience.seconds <= 0:
            break
        patience.wait()
        best = min(best, take_sample(contestant, seconds), key=lambda sample: sample.foreign_cores)
    return best


def take_sample(contestant: Contestant, seconds: float) -> Sample:
    """Load a contestant once and account for it."""
    roots = {"all": os.getpid(), "postgres": contestant.postgres}
    if contestant.app is not None:
        roots["app"] = contestant.app
    meter = Meter(**roots)
    seen = contestant.run(seconds)
    sleep(_SETTLE_SECONDS)
    usage = meter.stop()
    app = usage.cpu.get("app", 0.0)
    done = max(1, seen.requests)
    return Sample(
        rate=seen.rate,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        app_us=app / done * 1e6,
        postgres_us=usage.cpu["postgres"] / done * 1e6,
        load_core=(usage.cpu["all"] - app) / usage.seconds,
        foreign_cores=usage.foreign_cores,
        refused=seen.refused,
        broken=seen.broken,
        late_p99_ms=seen.late_p99_ms,
        queued_p99_ms=seen.queued_p99_ms,
    )
