"""The grid of restocks every policy is put through. How people behave is assumed, here and in `people`."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.policies.people import DAY, Restock, Scenario

_MORNING, _LATE = 10 * 60.0, 22.5 * 60.0
_UP_TO_FIVE = {1: 40, 2: 30, 3: 15, 4: 10, 5: 5}


def _once(units: int, at: float = _MORNING) -> tuple[Restock, ...]:
    return (Restock(at, units),)


# Whoever is told opens within the turn and nobody else buys: the promise of factor 1 is made for this.
IN_TURN = Scenario(
    "in-turn",
    "everybody opens within the turn, nobody else buys",
    _once(20),
    waiting=200,
    quantities={1: 5, 2: 3, 3: 2},
    opening_minutes=15,
    latest_open=50,
    sleeps=False,
)

_GRID = (
    Scenario("few", "10 units, 400 waiting", _once(10), waiting=400),
    Scenario("even", "60 units, 80 waiting", _once(60), waiting=80, willing=0.6),
    Scenario("mixed", "30 units, 200 waiting for 1 to 5", _once(30), waiting=200, quantities=_UP_TO_FIVE),
    Scenario("fast", "20 units, 200 quick openers", _once(20), waiting=200, opening_minutes=6),
    Scenario("slow", "20 units, 200 slow openers", _once(20), waiting=200, opening_minutes=240),
    Scenario("outside", "30 units, 200 waiting, 20 a day buy unasked", _once(30), waiting=200, outside_a_day=20),
    Scenario(
        "restocks",
        "8 units four times in a week",
        tuple(Restock(_MORNING + 2 * day * DAY, 8) for day in range(4)),
        waiting=150,
        joining=20,
    ),
    Scenario("night", "15 units at half past ten in the evening", _once(15, _LATE), waiting=200),
    IN_TURN,
)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _GRID}
