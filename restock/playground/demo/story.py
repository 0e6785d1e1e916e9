"""The story: five shoppers, two restocks, and who hears when. Fails when the program breaks its promise."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from restock.errors import UnavailableError
from restock.playground.demo.paper import Paper
from restock.playground.demo.visitor import Person, VisitError, Visitor
from restock.playground.store import SHOP_NAME, VARIANTS

VARIANT_ID = 45_120_000_102
FIRST_UNITS = 3
MORE_UNITS = 5
FIRST_TOLD = (0, 2)  # two units, then the one left; the second in line wants three
ARRIVAL_SECONDS = 12.0
QUIET_SECONDS = 1.0  # how long nothing more may come after the last message
_CHANNELS = {"email": "e-mail", "sms": "SMS", "push": "push"}


class StoryError(Exception):
    """The story did not go as promised."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message of a restock: whom it reached, and how long after the webhook was sent."""

    person: Person
    seconds: float


def tell(visitor: Visitor, paper: Paper) -> None:
    """Tell it whole; raises StoryError where it goes wrong."""
    try:
        _tell(visitor, paper)
    except (VisitError, UnavailableError) as error:
        raise StoryError(str(error)) from None


def _tell(visitor: Visitor, paper: Paper) -> None:
    product, variant = VARIANTS[VARIANT_ID]
    visitor.open_store()
    paper.say(f"\n{SHOP_NAME} is sold out of the {product.title} in {variant.title}.")
    story = Story(visitor, paper, visitor.people())
    story.ask()
    due = [story.people[place] for place in FIRST_TOLD]
    rest = [person for person in story.people if person not in due]
    first = story.restock(2, FIRST_UNITS, due)
    story.explain(rest)
    second = story.restock(3, MORE_UNITS, rest)
    slowest = max(arrival.seconds for arrival in (*first, *second))
    paper.say("\nEverybody was told once, and nobody heard of units that were promised to somebody else.")
    paper.say(f"The slowest message took {slowest:.2f} s.")
    paper.say("Try it yourself: python3 app.py, then open the address it prints.")


class Story:
    """One telling: who is in it, and how many units there are by now."""

    def __init__(self, visitor: Visitor, paper: Paper, people: Sequence[Person]) -> None:
        self.people = people
        self._visitor = visitor
        self._paper = paper
        self._level = 0
        self._by_address = {person.address: person for person in people}

    def ask(self) -> None:
        """Let everybody leave an intent."""
        self._paper.heading(1, f"{len(self.people)} shoppers ask to be told")
        rows = []
        for place, person in enumerate(self.people, 1):
            milliseconds = self._visitor.join(person, VARIANT_ID)
            rows.append((str(place), *_named(person), f"201 in {milliseconds:.0f} ms"))
        self._paper.table(("place", "who", "channel", "wants", "answer"), rows)

    def restock(self, step: int, units: int, due: Sequence[Person]) -> list[Arrival]:
        """Add units, and check that exactly those due hear of it, each once."""
        self._paper.heading(step, f"{units} units arrive: a turn for each unit")
        last_id = max((message["id"] for message in self._visitor.received(0)), default=0)
        self._level += units
        asked_before = self._visitor.admin_calls()
        sent_at = datetime.now(UTC)
        answer = self._visitor.restock(VARIANT_ID, self._level)
        self._paper.note(f"Shopify's webhook was answered {answer.status} in {answer.milliseconds:.0f} ms.")
        arrivals = self._arrivals(last_id, len(due), sent_at)
        _check(due, arrivals)
        self._paper.note(_source(asked_before, self._visitor.admin_calls()))
        rows = [(*_named(one.person), self._paper.paint("good", f"{one.seconds:.2f} s")) for one in arrivals]
        self._paper.table(("told", "channel", "wants", "after the restock"), rows)
        return arrivals

    def explain(self, rest: Sequence[Person]) -> None:
        """Say why the others were not told."""
        places = self._visitor.waiting(VARIANT_ID)
        if len(places) != len(rest):
            raise StoryError(f"{len(rest)} people should still wait, but {len(places)} do")
        rows = [(*_named(person), place["reason"]) for person, place in zip(rest, places, strict=True)]
        self._paper.table(("not told", "channel", "wants", "why"), rows)

    def _arrivals(self, last_id: int, expected: int, sent_at: datetime) -> list[Arrival]:
        """Wait for so many messages, and then for a moment of quiet, in which one too many would show."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while len(self._visitor.received(last_id)) < expected and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(QUIET_SECONDS)
        return [self._arrival(message, sent_at) for message in self._visitor.received(last_id)]

    def _arrival(self, message: Mapping[str, Any], sent_at: datetime) -> Arrival:
        if message["to"] not in self._by_address:
            raise StoryError("a message went to somebody who had not asked for it")
        seconds = (datetime.fromisoformat(message["received_at"]) - sent_at).total_seconds()
        return Arrival(self._by_address[message["to"]], seconds)


def _source(asked_before: int | None, asked: int | None) -> str:
    """Say whose word the restock was believed on."""
    if asked_before is None or asked is None or asked <= asked_before:
        return "It was believed on the webhooks' word: the shop has given no access to its Admin API."
    return "It was only a wake-up: what can be bought was read from Shopify's Admin API."


def _check(due: Sequence[Person], arrivals: Sequence[Arrival]) -> None:
    told = [arrival.person for arrival in arrivals]
    if len(told) != len({person.address for person in told}):
        raise StoryError("somebody was told twice")
    if missed := [person.name for person in due if person not in told]:
        raise StoryError(f"no message reached {', '.join(missed)} within {ARRIVAL_SECONDS:.0f} s")
    if early := [person.name for person in told if person not in due]:
        raise StoryError(f"{', '.join(early)} heard of units that were already promised to others")


def _named(person: Person) -> tuple[str, str, str]:
    wants = "1 unit" if person.quantity == 1 else f"{person.quantity} units"
    return person.name, _CHANNELS[person.channel], wants
