"""Why one subscription stands where it stands: a closed set of reasons, each with what it was judged by.

Standard library only; nobody is named here. The sentences are `rules.sentences`' alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReasonCode(StrEnum):
    """Every reason there is. Exactly one holds for a subscription at any moment."""

    # waits, and nothing could be sent
    shop_uninstalled = "shop_uninstalled"  # the shop has removed the app
    awaits_confirmation = "awaits_confirmation"  # the address is to say yes first
    suppressed = "suppressed"  # the address must not be written to
    paused = "paused"  # asked to hear nothing for now
    country_off = "country_off"  # a number of a country the shop writes no text messages to
    channel_off = "channel_off"  # switched off by the shop, or without a provider

    # waits, and no restock is on
    no_reading = "no_reading"  # stock was never read
    first_in_line = "first_in_line"
    behind = "behind"
    lagging = "lagging"  # there is stock that Shopify does not sell (yet)
    below_minimum = "below_minimum"  # fewer units than the shop starts a restock with
    held_back = "held_back"  # sellable by changed settings alone, which the merchant has not confirmed
    beginning = "beginning"  # it can be bought: the restock begins at the next look
    undelivered = "undelivered"  # the message of the last turn could not be delivered
    not_told_in_time = "not_told_in_time"  # the restock was over before the message went out
    missed = "missed"  # sold out during the own turn

    # waits while a restock is on
    being_planned = "being_planned"  # next in line
    all_offered = "all_offered"  # nothing is left to give
    below_factor = "below_factor"  # so few units that the shop's factor makes no turn of them
    not_enough_free = "not_enough_free"  # less is free than is wanted
    wants_more = "wants_more"  # less is in stock than is wanted
    not_in_market = "not_in_market"  # not sold where the person asked
    tried = "tried"  # could not be reached in this restock
    declined = "declined"  # said "not now" in this restock
    asleep = "asleep"  # wakes too late for units to be kept
    lent_on = "lent_on"  # slept through the time the units were kept for

    # has the turn, and the message is on its way
    message_queued = "message_queued"
    message_asleep = "message_asleep"  # leaves when the person's send hours open
    message_stale = "message_stale"  # stock is read again first
    message_retrying = "message_retrying"
    day_cap = "day_cap"  # the shop's text messages of the day are used up
    filtered = "filtered"  # carriers filter so many of the shop's text messages that the rest waits
    provider_down = "provider_down"
    message_sending = "message_sending"
    message_unanswered = "message_unanswered"  # handed over, never answered
    turn_going_back = "turn_going_back"  # it will not be sent: sold out, or the restock is over
    leaving = "leaving"  # stops waiting as soon as the message has come back

    # waits no more
    turn_running = "turn_running"  # told, and the units are kept
    told = "told"  # told, and the turn is over
    message_bounced = "message_bounced"  # told, and the message came back
    place_passed_on = "place_passed_on"  # sold out in the turn; a newer wait of the same person has the place
    bought = "bought"
    left = "left"
    stopped = "stopped"
    address_dead = "address_dead"
    complained = "complained"
    push_gone = "push_gone"
    contact_changed = "contact_changed"
    erased = "erased"
    expired = "expired"
    offers_used_up = "offers_used_up"


class LookBy(StrEnum):
    """What makes us look at a waiting person again."""

    wave = "wave"  # the queue is planned
    turn_ends = "turn_ends"  # somebody's turn ends
    settle = "settle"  # stock that has just changed is read
    reconcile = "reconcile"  # the steady pass over everything people wait for
    send = "send"  # the message leaves
    retry = "retry"  # the message is tried again
    send_hours = "send_hours"  # the person's send hours open
    probe = "probe"  # the provider is tried again
    answer = "answer"  # what became of the message is looked into
    confirmation = "confirmation"  # the person's own yes
    resume = "resume"  # the person's rest is over
    merchant = "merchant"  # the merchant's word
    shopify = "shopify"  # Shopify's word


@dataclass(frozen=True, slots=True)
class NextLook:
    """When the reason may change next, and by what. `at` None: nobody can say when."""

    by: LookBy
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadingSeen:
    """The last stock reading. `units` None: without limit."""

    sellable: bool
    units: int | None
    source: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class TurnSeen:
    """The last turn. `came_at` is when the restock began for people of its first wave, else when theirs was planned."""

    came_at: datetime | None
    told_at: datetime | None
    ends_at: datetime | None
    wave_number: int | None


@dataclass(frozen=True, slots=True)
class Reason:
    """The one current reason, with its inputs.

    `position` is None for people who wait no more. `free_units` None: without limit, or no restock is on.
    `minimum_units` is the shop's, where it matters. `detail` is a stable word of a table; `said_by` is who ended it:
    shopper, provider, merchant, shopify or restock.
    """

    code: ReasonCode
    wanted: int
    position: int | None = None
    people_ahead: int = 0
    units_ahead: int = 0
    free_units: int | None = None
    minimum_units: int = 1
    reading: ReadingSeen | None = None
    next_look: NextLook | None = None
    turn: TurnSeen | None = None
    detail: str | None = None
    said_by: str | None = None
