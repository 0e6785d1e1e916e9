"""Who waits, what comes back and when: one scenario, and the worlds drawn from it by seed.

Everything chance decides is drawn here, before any policy is asked, so that every policy meets the very same people.
Must never know a policy. Times are minutes; 0 is midnight before the first restock.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

DAY = 24 * 60.0
NIGHT = (23 * 60.0, 7 * 60.0)  # from, to: nobody opens a message then
_GETTING_UP_MINUTES = 90.0
_SPREAD = 1.0  # of the logarithm of an opening delay
MESSAGES_A_PERSON = 8  # for so many a delay is drawn; more than any policy here sends


@dataclass(frozen=True, slots=True)
class Restock:
    """So many units come onto the shelf at a moment."""

    at: float
    units: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """What kind of restock it is. Shares are of 1; `latest_open` None: a message may be opened days later."""

    name: str
    title: str
    restocks: tuple[Restock, ...]
    waiting: int  # people who wait at the first restock
    joining: int = 0  # people who join before each later restock
    quantities: Mapping[int, int] = field(default_factory=lambda: {1: 1})  # units wanted: how often
    opening_minutes: float = 45.0  # median from message to opening, while awake
    latest_open: float | None = None
    willing: float = 0.3  # of those who open, so many want to buy what they asked for
    declining: float = 0.2  # of those who do not, so many press "not now" where there is such a button
    outside_a_day: float = 0.0  # buyers of one unit each who never waited
    sleeps: bool = True

    @property
    def ends_at(self) -> float:
        """The end of the story: two days after the last restock."""
        return self.restocks[-1].at + 2 * DAY


@dataclass(frozen=True, slots=True)
class Person:
    """One person who waits, with everything chance has decided about them."""

    id: int
    joined_at: float
    quantity: int
    is_willing: bool
    declines: bool
    delays: tuple[float, ...]  # from message to opening, while awake; one for each message
    decides_minutes: float  # from opening to buying
    keeps_wanting: bool  # also after finding it sold out
    asks_again: bool  # signs up anew after finding it sold out, where the place was not kept


@dataclass(frozen=True, slots=True)
class World:
    """One draw of a scenario."""

    scenario: Scenario
    people: tuple[Person, ...]  # in the order they joined
    outside: tuple[float, ...]  # when somebody who never waited wants a unit

    def opens_at(self, person: Person, told_at: float, messages_before: int) -> float:
        """Say when a message is opened; one that falls into the night is opened after getting up."""
        delay = person.delays[min(messages_before, MESSAGES_A_PERSON - 1)]
        opened = told_at + delay
        if not self.scenario.sleeps:
            return opened
        started, ended = NIGHT
        hour = opened % DAY
        if ended <= hour < started:
            return opened
        morning = opened - hour + ended + (DAY if hour >= started else 0.0)
        return morning + min(delay, _GETTING_UP_MINUTES)


def draw(scenario: Scenario, seed: int) -> World:
    """Draw a world; the same seed draws the same one."""
    chance = random.Random(f"{scenario.name}:{seed}")
    first = scenario.restocks[0].at
    moments = [first - chance.random() * 14 * DAY for _ in range(scenario.waiting)]
    for restock in scenario.restocks[1:]:
        moments += [restock.at - chance.random() * DAY for _ in range(scenario.joining)]
    people = tuple(_person(chance, scenario, number, at) for number, at in enumerate(sorted(moments), start=1))
    return World(scenario, people, tuple(_outside(chance, scenario)))


def _person(chance: random.Random, scenario: Scenario, number: int, joined_at: float) -> Person:
    is_willing = chance.random() < scenario.willing
    delays = [scenario.opening_minutes * chance.lognormvariate(0, _SPREAD) for _ in range(MESSAGES_A_PERSON)]
    if scenario.latest_open is not None:
        delays = [min(delay, scenario.latest_open * chance.random()) for delay in delays]
    return Person(
        id=number,
        joined_at=joined_at,
        quantity=chance.choices(list(scenario.quantities), list(scenario.quantities.values()))[0],
        is_willing=is_willing,
        declines=not is_willing and chance.random() < scenario.declining,
        delays=tuple(delays),
        decides_minutes=1 + 4 * chance.random(),
        keeps_wanting=chance.random() < 0.7,
        asks_again=chance.random() < 0.5,
    )


def _outside(chance: random.Random, scenario: Scenario) -> list[float]:
    found, now = [], scenario.restocks[0].at
    while scenario.outside_a_day > 0:
        now += chance.expovariate(scenario.outside_a_day / DAY)
        if now > scenario.ends_at:
            break
        found.append(now)
    return found
