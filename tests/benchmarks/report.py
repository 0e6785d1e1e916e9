"""What a run of the benchmarks says: one table, the goals met or missed, and the same as JSON."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import isnan
from pathlib import Path

from tests.benchmarks.machine import APP_CORE, OTHER_CORE
from tests.benchmarks.sampling import FOREIGN_LIMIT, Score

_VERSIONS = ("flask", "werkzeug", "granian", "psycopg", "sqlalchemy", "pydantic", "rq", "redis")


@dataclass(frozen=True)
class Goal:
    """Something to reach: at least `limit`, or at most where `at_most` is set. `value` None: could not be measured."""

    text: str
    value: float | None
    limit: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        if self.value is None or isnan(self.value):
            return False
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        sign = "≤" if self.at_most else "≥"
        value = "not measured" if self.value is None else f"{self.value:,.2f}".removesuffix(".00")
        return f"  {'met   ' if self.met else 'MISSED'}  {self.text}: {value}  (goal {sign} {self.limit:g})"


@dataclass(frozen=True)
class Report:
    """One benchmark. `baselines` are the rows each rate is divided by, with a short name for the column."""

    title: str
    scores: Mapping[str, Score]
    baselines: Mapping[str, str]
    goals: Sequence[Goal]
    remarks: Sequence[str] = field(default_factory=tuple)

    def text(self) -> str:
        """Write the table."""
        columns = "".join(f"{'× ' + name:>11}" for name in self.baselines.values())
        head = f"{'':<34}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'app µs':>8}{'PG µs':>8}{'2nd core':>10}{columns}"
        rows = [self._row(score) for score in self.scores.values()]
        disturbed = sum(score.disturbed_count for score in self.scores.values())
        notes = [f"  {remark}" for remark in self.remarks]
        if disturbed:
            notes.append(f"  {disturbed} samples had more than {FOREIGN_LIMIT} foreign cores; medians leave them out.")
        return "\n".join([self.title, "", head, *rows, "", *(goal.line() for goal in self.goals), *notes])

    def _row(self, score: Score) -> str:
        app, postgres = score.median("app_us"), score.median("postgres_us")
        cells = f"{score.rate:>9,.0f}{_number(score.median('p50_ms')):>8}{_number(score.median('p99_ms')):>8}"
        cells += f"{app or float('nan'):>8.0f}".replace("nan", "  –") + f"{postgres:>8.0f}"
        cells += f"{score.median('load_core'):>10.0%}"
        return f"{score.name:<34}{cells}" + "".join(self._ratio(score, base) for base in self.baselines)

    def _ratio(self, score: Score, base: str) -> str:
        return f"{score.rate / self.scores[base].rate:>11.2f}" if base in self.scores else f"{'–':>11}"

    def as_dict(self) -> dict[str, object]:
        return {
            "title": self.title,
            "scores": [score.as_dict() for score in self.scores.values()],
            "goals": [{"text": g.text, "value": g.value, "limit": g.limit, "met": g.met} for g in self.goals],
            "remarks": list(self.remarks),
        }


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.1f}"


def machine_facts() -> dict[str, str]:
    """Say what it ran on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    cores = f"app on core {APP_CORE}, everything else on core {OTHER_CORE}"
    known = {name: version(name) for name in _VERSIONS}
    return {
        "processor": model,
        "cores": cores,
        "kernel": platform.release(),
        "python": platform.python_version(),
    } | known
