"""Say in one sentence where a person in the queue stands, and why. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from restock.reports.values import Place, PlaceFacts, StockNow

_ENDS = {
    "unsubscribed": "Left the list.",
    "stopped": "Answered STOP.",
    "bounced": "The address does not exist.",
    "complained": "Reported a message as spam.",
    "gone": "The browser dropped its push subscription.",
    "contact_changed": "Asked to be told at another address.",
}
_SKIPS = {
    "unsubscribed": "Left the list before the message went out.",
    "suppressed": "Not told: this address must not be written to.",
    "sold_out": "Not told: sold out again before the message went out.",
    "event_closed": "Not told: the restock was over before the message went out.",
    "shop_uninstalled": "Not told: the shop has removed the app.",
    "channel_off": "Not told: the shop has switched this channel off.",
}


def free_units(units: int | None, factor: float | None, open_units: int) -> int | None:
    """Count the units that may still be offered (engine.md section 3); None means without limit."""
    if units is None or factor is None:
        return None
    return max(0, math.floor(units * factor) - open_units)


def explain_waiting(queue: Sequence[PlaceFacts], now: StockNow) -> list[Place]:
    """Number the places of a queue, given in its order, and give each its current reason."""
    places = []
    people_ahead = units_ahead = 0
    for facts in queue:
        reason = _why_waiting(facts, now, people_ahead, units_ahead)
        places.append(Place(facts, people_ahead + 1, reason))
        people_ahead, units_ahead = people_ahead + 1, units_ahead + facts.quantity
    return places


def explain_one(facts: PlaceFacts, now: StockNow, people_ahead: int, units_ahead: int) -> Place:
    """Give one person the current reason, waiting or not."""
    if facts.state not in ("pending", "active"):
        return explain_left(facts)
    return Place(facts, people_ahead + 1, _why_waiting(facts, now, people_ahead, units_ahead))


def explain_left(facts: PlaceFacts) -> Place:
    """Give a person who no longer waits the reason."""
    if facts.state == "notified":
        return Place(facts, None, _told(facts))
    if facts.state == "purchased":
        return Place(facts, None, "Bought it.")
    if facts.state == "expired":
        return Place(facts, None, "Waited as long as the shop keeps people waiting.")
    return Place(facts, None, _ENDS.get(facts.end_reason or "", "Left the list."))


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


def _told(facts: PlaceFacts) -> str:
    if facts.delivery_state == "bounced":
        return "The message came back: their turn went to the next in line."
    seconds = seconds_between(facts.turn_came_at, facts.sent_at)
    if seconds is None:
        return "Told."
    since = "the restock was seen" if facts.wave_number == 1 else "their turn came"
    return f"Told {_span(seconds)} after {since}."


def _span(seconds: float) -> str:
    for unit, size, until in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{max(seconds, 0.1):.1f} s" if size == 1 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def _why_waiting(facts: PlaceFacts, now: StockNow, people_ahead: int, units_ahead: int) -> str:
    if facts.state == "pending":
        return "Waits for the address to be confirmed."
    if facts.offer_state == "open":
        return _turn(facts)
    if facts.delivery_state in ("failed", "bounced"):
        return "The message could not be delivered: keeps the place for the next restock."
    if facts.delivery_state == "skipped" and facts.delivery_reason in _SKIPS and not now.event_is_open:
        return _SKIPS[facts.delivery_reason] + " Keeps the place."
    if now.event_is_open and now.sellable:
        return _passed_over(facts, now)
    return _behind(people_ahead, units_ahead)


def _turn(facts: PlaceFacts) -> str:
    if facts.delivery_state == "unknown":
        return "The message was handed over, but nobody answered."
    if facts.delivery_reason and facts.delivery_state == "queued":
        return "It is their turn: the message will be tried again shortly."
    return "It is their turn: the message is on its way."


def _passed_over(facts: PlaceFacts, now: StockNow) -> str:
    if now.units is not None and facts.quantity > now.units:
        return f"Wants {_units(facts.quantity)}, {now.units} in stock: waits for a larger restock."
    if now.free_units is None or facts.quantity <= now.free_units:
        return "Next in line: being planned now."
    if now.free_units == 0:
        return f"{_in_stock(now.units)} offered to others; looked at again when a turn ends."
    return f"Wants {_units(facts.quantity)}, {now.free_units} still free: the rest is offered to others."


def _behind(people_ahead: int, units_ahead: int) -> str:
    if people_ahead == 0:
        return "First in line: told as soon as it is back."
    return f"Waits: {people_ahead} ahead, wanting {_units(units_ahead)}."


def _in_stock(units: int | None) -> str:
    return "The one unit in stock is" if units == 1 else f"All {units} units in stock are"


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"
