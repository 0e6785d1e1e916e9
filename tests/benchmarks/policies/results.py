"""What a run says: a table for each scenario, all of them together, and the goals met or missed; the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.benchmarks.policies.measures import FIGURES, Score, Spread, beats, per_hundred_units
from tests.benchmarks.policies.ours import DEFAULT
from tests.benchmarks.policies.rivals import RIVALS
from tests.benchmarks.policies.scenarios import IN_TURN

REMARKS = (
    "The five policies above ours are models of what other systems' public documentation says; none was tried on a",
    "live service. How people behave is assumed (tests/benchmarks/policies/scenarios.py), the same for every policy.",
    "Medians, and in brackets the range of nine stories in ten. Disappointed: told, came, wanted it, could not buy it.",
    "Inversions: pairs where a later person was told before an earlier one who waited and would have fitted as well.",
    "Unsold: units on the shelf a day after a restock that willing people who wait would have taken.",
    "First: seconds from the restock to the decision to tell the first person; the network is not modelled.",
)
_HEADS = {
    "disappointed": "disappointed",
    "inversions": "inversions",
    "unsold": "unsold",
    "first": "first, s",
    "told": "told",
}
_FACTOR_ONE = "strict"


@dataclass(frozen=True, slots=True)
class Aim:
    """Something that must be 0."""

    text: str
    value: float

    @property
    def met(self) -> bool:
        return self.value == 0

    def line(self) -> str:
        return f"  {'met   ' if self.met else 'MISSED'}  {self.text}: {self.value:g}  (goal 0)"


@dataclass(frozen=True, slots=True)
class Results:
    """All scores of one run, scenario by scenario."""

    scores: Sequence[Score]
    seeds: int

    @property
    def aims(self) -> Sequence[Aim]:
        """Judge the goals."""
        kept = [s for s in self.scores if s.scenario is IN_TURN and s.policy.name == _FACTOR_ONE]
        disappointed = sum(len(books.disappointed) for score in kept for books in score.books)
        beaten = ", ".join(self.beaten_by())
        return (
            Aim("people disappointed at factor 1 where only those whose turn it is buy", disappointed),
            Aim(
                f"modelled policies that beat the default on disappointed people and unsold units"
                f"{f' ({beaten})' if beaten else ''}",
                len(self.beaten_by()),
            ),
            Aim("units the model lost or invented", sum(score.unaccounted for score in self.scores)),
        )

    def beaten_by(self) -> list[str]:
        """Name the modelled policies that beat our default, and in which scenario."""
        names = {rival.name for rival in RIVALS}
        defaults = {score.scenario.name: score for score in self.scores if score.policy.name == DEFAULT.name}
        return [
            f"{score.policy.name}: {score.scenario.name}"
            for score in self.scores
            if score.policy.name in names and beats(score, defaults[score.scenario.name])
        ]

    def text(self) -> str:
        """Write the tables."""
        parts = [f"Who is told of a restock: {self.seeds} stories of each kind, the same for every policy"]
        for name in dict.fromkeys(score.scenario.name for score in self.scores):
            scores = [score for score in self.scores if score.scenario.name == name]
            parts += ["", f"{name}: {scores[0].scenario.title}", _head(_HEADS.values()), *map(_row, scores)]
        parts += ["", "for each 100 units that came back, all kinds together (means)"]
        parts += [_head(["disappointed", "unsold"]), *(_sum(self.of(name)) for name in self.policies())]
        return "\n".join([*parts, "", *(aim.line() for aim in self.aims), *(f"  {remark}" for remark in REMARKS)])

    def policies(self) -> list[str]:
        """Name the policies, in order."""
        return list(dict.fromkeys(score.policy.name for score in self.scores))

    def of(self, policy: str) -> list[Score]:
        """Choose one policy's scores."""
        return [score for score in self.scores if score.policy.name == policy]

    def as_dict(self) -> dict[str, object]:
        """Give everything for a file."""
        rows = [
            {
                "scenario": score.scenario.name,
                "policy": score.policy.name,
                **{name: asdict(spread) for name, spread in score.spreads.items()},
            }
            for score in self.scores
        ]
        aims = [{"text": aim.text, "value": aim.value, "met": aim.met} for aim in self.aims]
        return {"seeds": self.seeds, "scores": rows, "goals": aims, "remarks": list(REMARKS)}


def _head(names: object) -> str:
    return f"  {'':<42}" + "".join(f"{name:>20}" for name in names)  # type: ignore[attr-defined]


def _row(score: Score) -> str:
    return f"  {score.policy.title:<42}" + "".join(f"{_cell(score.spreads[name]):>20}" for name in FIGURES)


def _cell(spread: Spread) -> str:
    if spread.low == spread.high == spread.median:
        return f"{spread.median:,.0f}"
    return f"{spread.median:,.0f} ({spread.low:,.0f}-{spread.high:,.0f})"


def _sum(scores: Sequence[Score]) -> str:
    figures = [per_hundred_units(scores, name) for name in ("disappointed", "unsold")]
    return f"  {scores[0].policy.title:<42}" + "".join(f"{figure:>20.1f}" for figure in figures)
