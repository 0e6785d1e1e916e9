"""What many stories come to: one figure a story, medians and the range that nine of ten stories lie in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles

from tests.benchmarks.policies.people import Scenario, draw
from tests.benchmarks.policies.sharing import Policy
from tests.benchmarks.policies.shop import Books, Shop

FIGURES: Mapping[str, Callable[[Books], float]] = {
    "disappointed": lambda books: len(books.disappointed),
    "inversions": lambda books: books.inversions,
    "unsold": lambda books: books.lost_units,
    "first": lambda books: fmean(books.first_seconds) if books.first_seconds else 0.0,
    "told": lambda books: len(books.told),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all stories. `low` to `high`: where nine of ten lie."""

    median: float
    low: float
    high: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [*values, *values]
        return cls(median(values), cuts[0], cuts[-1], fmean(values))


@dataclass(frozen=True, slots=True)
class Score:
    """One policy in one scenario."""

    scenario: Scenario
    policy: Policy
    books: tuple[Books, ...]  # one a seed
    spreads: Mapping[str, Spread]

    @property
    def unaccounted(self) -> int:
        """Count the units that came and were neither bought nor are on the shelf: none, or the model is wrong."""
        return sum(
            abs(one.arrived_units - one.bought_units - one.outside_units - one.shelf_units) for one in self.books
        )


def play(scenarios: Iterable[Scenario], policies: Sequence[Policy], seeds: int) -> list[Score]:
    """Tell every story: each policy meets the same worlds."""
    scores = []
    for scenario in scenarios:
        worlds = [draw(scenario, seed) for seed in range(seeds)]
        for policy in policies:
            books = tuple(Shop(world, policy).tell() for world in worlds)
            spreads = {name: Spread.of([figure(one) for one in books]) for name, figure in FIGURES.items()}
            scores.append(Score(scenario, policy, books, spreads))
    return scores


def beats(one: Score, other: Score) -> bool:
    """Say whether a policy is better than another on disappointed people or unsold units, and worse on neither.

    By the means over the same worlds: medians of rare things are all 0.
    """
    pairs = [(one.spreads[name].mean, other.spreads[name].mean) for name in ("disappointed", "unsold")]
    return all(mine <= theirs for mine, theirs in pairs) and any(mine < theirs for mine, theirs in pairs)


def per_hundred_units(scores: Sequence[Score], figure: str) -> float:
    """Sum a figure over scenarios, for each hundred units that came onto the shelf."""
    units = sum(restock.units for score in scores for restock in score.scenario.restocks)
    return 100 * sum(score.spreads[figure].mean for score in scores) / units
