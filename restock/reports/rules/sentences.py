"""The one place where a reason becomes a sentence. Pure, English."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from restock.reports.values.reason import LookBy, Reason, ReasonCode, TurnSeen

_AWAY = {
    "sold_out": "Not told: sold out again before the message went out.",
    "event_closed": "Not told: the restock was over before the message went out.",
    "turn_over": "Not told: the turn was over before the message went out.",
}
_NO_WORD = {
    "bounced": "The address does not exist: nothing is sent there.",
    "complained": "This person reported a message as spam: nothing is sent there.",
    "gone": "The browser dropped its push subscription: nothing can be sent there.",
}
_FIXED: Mapping[ReasonCode, str] = {
    ReasonCode.shop_uninstalled: "The shop has removed the app: keeps the place.",
    ReasonCode.awaits_confirmation: "Waits for the address to be confirmed.",
    ReasonCode.paused: "Paused by the person: told nothing for now, keeps the place.",
    ReasonCode.country_off: "The shop sends no text messages to this number's country: keeps the place.",
    ReasonCode.channel_off: "This channel is switched off: keeps the place.",
    ReasonCode.lagging: "There is stock, but Shopify does not sell it yet: looked at again shortly.",
    ReasonCode.held_back: "It can be bought by changed settings alone: told once the change is confirmed.",
    ReasonCode.beginning: "It can be bought: the restock begins at the next look.",
    ReasonCode.being_planned: "Next in line: being planned now.",
    ReasonCode.not_in_market: "Not sold in the market this person asked from: keeps the place.",
    ReasonCode.tried: "The message could not be delivered: keeps the place for the next restock.",
    ReasonCode.declined: "Said “not now”: keeps the place for the next restock.",
    ReasonCode.asleep: "Sleeps too long for units to be kept: told when awake, if some are left.",
    ReasonCode.lent_on: "Slept while their units were kept: others went first, told when awake.",
    ReasonCode.message_queued: "It is their turn: the message is on its way.",
    ReasonCode.message_asleep: "It is their turn: the message leaves when their hours allow it, the units are kept.",
    ReasonCode.message_stale: "It is their turn: stock is read once more before the message leaves.",
    ReasonCode.message_retrying: "It is their turn: the message will be tried again shortly.",
    ReasonCode.provider_down: "It is their turn: the provider takes no messages now, and is tried again.",
    ReasonCode.message_sending: "It is their turn: the message is being handed over.",
    ReasonCode.message_unanswered: "The message was handed over, but nobody answered.",
    ReasonCode.day_cap: "It is their turn, but the shop's text messages of the day are used up: leaves the next day.",
    ReasonCode.filtered: "It is their turn, but carriers filter the shop's text messages: the rest waits.",
    ReasonCode.turn_going_back: "It was their turn, but nothing is left of it: goes back to the place.",
    ReasonCode.leaving: "Stops waiting; a message was already on its way.",
    ReasonCode.message_bounced: "The message came back: their turn went to the next in line.",
    ReasonCode.place_passed_on: "Their turn came to nothing; asked anew meanwhile, and that wait has the old place.",
    ReasonCode.bought: "Bought it.",
    ReasonCode.left: "Left the list.",
    ReasonCode.stopped: "Answered STOP.",
    ReasonCode.address_dead: "The address does not exist.",
    ReasonCode.complained: "Reported a message as spam.",
    ReasonCode.push_gone: "The browser dropped its push subscription.",
    ReasonCode.contact_changed: "Asked to be told at another address.",
    ReasonCode.erased: "Erased at the person’s own wish.",
    ReasonCode.expired: "Waited as long as the shop keeps people waiting.",
    ReasonCode.offers_used_up: "Had as many turns as the shop gives, without buying.",
}
_LOOKS: Mapping[LookBy, str] = {
    LookBy.wave: "when the queue is planned",
    LookBy.turn_ends: "when a turn ends",
    LookBy.settle: "when stock is read again",
    LookBy.reconcile: "at the next round through everything people wait for",
    LookBy.send: "when the message leaves",
    LookBy.retry: "when the message is tried again",
    LookBy.send_hours: "when their hours open",
    LookBy.probe: "when the provider is tried again",
    LookBy.answer: "when the provider answers",
    LookBy.confirmation: "when the person confirms",
    LookBy.resume: "when the person goes on",
    LookBy.merchant: "when the merchant changes it",
    LookBy.shopify: "when Shopify says something new",
}


def say(reason: Reason) -> str:
    """Put a reason into one sentence, or two."""
    varying = _VARYING.get(reason.code)
    return varying(reason) if varying else _FIXED[reason.code]


def say_look(by: LookBy) -> str:
    """Say what will make us look again."""
    return _LOOKS[by]


def units(count: int) -> str:
    """Write a number of units."""
    return "1 unit" if count == 1 else f"{count} units"


def _suppressed(reason: Reason) -> str:
    return _NO_WORD.get(reason.detail or "", "This address must not be written to.")


def _in_line(reason: Reason) -> str:
    if reason.people_ahead == 0:
        return "First in line: told as soon as it is back."
    return f"Waits: {reason.people_ahead} ahead, wanting {units(reason.units_ahead)}."


def _no_reading(reason: Reason) -> str:
    return f"{_in_line(reason)} Stock has not been read yet."


def _below_minimum(reason: Reason) -> str:
    have = reason.reading.units if reason.reading and reason.reading.units is not None else 0
    return f"{units(have).capitalize()} in stock: a restock begins with {reason.minimum_units}."


def _all_offered(reason: Reason) -> str:
    have = reason.reading.units if reason.reading else None
    what = "The one unit in stock is" if have == 1 else f"All {have} units in stock are"
    return f"{what} offered to others; looked at again when a turn ends."


def _below_factor(reason: Reason) -> str:
    have = reason.reading.units if reason.reading and reason.reading.units is not None else 0
    return f"{units(have).capitalize()} in stock, too few for this turn by the shop’s factor: waits for more."


def _not_enough_free(reason: Reason) -> str:
    return f"Wants {units(reason.wanted)}, {reason.free_units} still free: the rest is offered to others."


def _wants_more(reason: Reason) -> str:
    have = reason.reading.units if reason.reading else None
    return f"Wants {units(reason.wanted)}, {have} in stock: waits for a larger restock."


def _undelivered(reason: Reason) -> str:
    return f"The message could not be delivered: keeps the place for the next restock. {_in_line(reason)}"


def _not_told_in_time(reason: Reason) -> str:
    return f"{_AWAY.get(reason.detail or '', _AWAY['event_closed'])} Keeps the place. {_in_line(reason)}"


def _missed(reason: Reason) -> str:
    return f"Sold out during their turn: back at the old place. {_in_line(reason)}"


def _told(reason: Reason) -> str:
    return f"{_when_told(reason.turn)}."


def _turn_running(reason: Reason) -> str:
    return f"{_when_told(reason.turn)}: the units are kept until their turn ends."


def _when_told(turn: TurnSeen | None) -> str:
    if turn is None or turn.came_at is None or turn.told_at is None:
        return "Told"
    since = "the restock was seen" if turn.wave_number == 1 else "their turn came"
    return f"Told {span(max(0.0, (turn.told_at - turn.came_at).total_seconds()))} after {since}"


def span(seconds: float) -> str:
    """Write a length of time in the unit that suits it."""
    for unit, size, until in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{max(seconds, 0.1):.1f} s" if size == 1 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


_VARYING: Mapping[ReasonCode, Callable[[Reason], str]] = {
    ReasonCode.suppressed: _suppressed,
    ReasonCode.first_in_line: _in_line,
    ReasonCode.behind: _in_line,
    ReasonCode.no_reading: _no_reading,
    ReasonCode.below_minimum: _below_minimum,
    ReasonCode.all_offered: _all_offered,
    ReasonCode.below_factor: _below_factor,
    ReasonCode.not_enough_free: _not_enough_free,
    ReasonCode.wants_more: _wants_more,
    ReasonCode.undelivered: _undelivered,
    ReasonCode.not_told_in_time: _not_told_in_time,
    ReasonCode.missed: _missed,
    ReasonCode.told: _told,
    ReasonCode.turn_running: _turn_running,
}
