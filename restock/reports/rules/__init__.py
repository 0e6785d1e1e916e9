"""Say where people of a queue stand, and why. Pure.

The reasons are `explain`'s, the sentences `sentences`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from restock.reports.rules.explain import explain
from restock.reports.rules.sentences import say
from restock.reports.values.standing import Place, PlaceFacts, Standing, StockNow


def explain_waiting(queue: Sequence[PlaceFacts], stock: StockNow, now: datetime) -> list[Place]:
    """Number the places of a queue, given in its order, and give each its current reason."""
    places = []
    people_ahead = units_ahead = resting_ahead = 0
    for facts in queue:
        places.append(explain_one(Standing(facts, stock, people_ahead, units_ahead, resting_ahead), now))
        if facts.is_in_line:
            people_ahead, units_ahead = people_ahead + 1, units_ahead + facts.quantity
        else:
            resting_ahead += 1
    return places


def explain_one(standing: Standing, now: datetime) -> Place:
    """Give one person the current reason, waiting or not."""
    why = explain(standing, now)
    return Place(standing.person, why.position, say(why), why)


def mask_address(channel: str, address: str) -> str:
    """Leave so much of an address that its owner knows it, and nobody else learns it."""
    if channel == "email":
        name, _, host = address.partition("@")
        return f"{name[:1]}•••@{host}"
    if channel == "sms":
        return f"{address[:3]} ••• {address[-2:]}"
    return "a browser"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Measure from a restock to a message; None when either is not known."""
    return max(0.0, (end - start).total_seconds()) if start and end else None
