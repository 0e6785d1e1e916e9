"""Why somebody stands where they stand: facts in, exactly one reason out. Pure.

Whether a restock passes somebody over is decided by `plan_wave` itself, asked about this one person: there is no second
truth. The sentences are `sentences`' alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import assert_never

from restock.catalog.values import StockReading
from restock.channels.port import HELD_BACK
from restock.channels.values import NoticeKind
from restock.deliveries.limits.rules import DAY_CAP, FILTERED
from restock.deliveries.rules import ASLEEP, STALE, Hold, Send, Skip, may_send
from restock.deliveries.values import LaneFacts, PersonFacts
from restock.reports.values.reason import LookBy, NextLook, ReadingSeen, Reason, ReasonCode, TurnSeen
from restock.reports.values.standing import PlaceFacts, Standing, StockNow
from restock.restocks.rules import can_be_bought, capacity, plan_wave, units_wanted
from restock.restocks.values import OfferState, PassReason
from restock.subscriptions.rules.signup import can_be_lifted
from restock.subscriptions.values import QueuePlace, SubscriptionState, SuppressionReason

_ENDED: Mapping[str | None, tuple[ReasonCode, str]] = {  # which reason, and who ended it
    "unsubscribed": (ReasonCode.left, "shopper"),
    "stopped": (ReasonCode.stopped, "shopper"),
    "bounced": (ReasonCode.address_dead, "provider"),
    "complained": (ReasonCode.complained, "shopper"),
    "gone": (ReasonCode.push_gone, "provider"),
    "contact_changed": (ReasonCode.contact_changed, "shopper"),
    "redacted": (ReasonCode.erased, "shopify"),
}
_PASSED: Mapping[PassReason, ReasonCode] = {reason: ReasonCode(reason.value) for reason in PassReason}
_HELD: Mapping[str, ReasonCode] = {STALE: ReasonCode.message_stale, ASLEEP: ReasonCode.message_asleep}
_WAITS_FOR: Mapping[str | None, ReasonCode] = {
    DAY_CAP: ReasonCode.day_cap,
    FILTERED: ReasonCode.filtered,
    HELD_BACK: ReasonCode.provider_down,
}
_RETRYING = ReasonCode.message_retrying
_FLYING = {"sending": ReasonCode.message_sending, "unknown": ReasonCode.message_unanswered}
_NOT_IN_TIME = frozenset({"sold_out", "event_closed", "turn_over"})
_OF_THE_MESSAGE: Mapping[ReasonCode, LookBy] = {
    ReasonCode.message_queued: LookBy.send,
    ReasonCode.message_asleep: LookBy.send_hours,
    ReasonCode.message_stale: LookBy.send,
    ReasonCode.message_retrying: LookBy.retry,
    ReasonCode.day_cap: LookBy.retry,
    ReasonCode.filtered: LookBy.retry,
    ReasonCode.message_unanswered: LookBy.answer,
    ReasonCode.message_sending: LookBy.answer,
    ReasonCode.leaving: LookBy.answer,
    ReasonCode.turn_going_back: LookBy.send,
}
_NO_MORE_THIS_TIME = frozenset(
    {ReasonCode.tried, ReasonCode.declined, ReasonCode.not_in_market, ReasonCode.wants_more, ReasonCode.below_factor}
)
_LACK = frozenset({ReasonCode.all_offered, ReasonCode.not_enough_free})
_STARTED_BY = {
    ReasonCode.awaits_confirmation: LookBy.confirmation,
    ReasonCode.shop_uninstalled: LookBy.merchant,
    ReasonCode.country_off: LookBy.merchant,
    ReasonCode.channel_off: LookBy.merchant,
    ReasonCode.held_back: LookBy.merchant,
}
_OF_THE_PERSON = frozenset({ReasonCode.paused, ReasonCode.asleep, ReasonCode.lent_on})
_WAITING = frozenset({SubscriptionState.pending, SubscriptionState.active})


def explain(facts: Standing, now: datetime) -> Reason:
    """Give the one current reason, waiting or not."""
    person, stock = facts.person, facts.stock
    if person.state not in _WAITING:
        return _over(person, now)
    code = _waiting(facts, now)
    return Reason(
        code=code,
        wanted=person.quantity,
        position=facts.people_ahead + facts.resting_ahead + 1,
        people_ahead=facts.people_ahead,
        units_ahead=facts.units_ahead,
        free_units=stock.free_units if stock.event_is_open else None,
        minimum_units=stock.policy.minimum_units,
        reading=_seen(stock),
        next_look=_next_look(code, person, stock, now),
        turn=_turn(person) if person.offer_state is not None else None,
        detail=_detail(code, person),
    )


def _waiting(facts: Standing, now: datetime) -> ReasonCode:
    person, stock = facts.person, facts.stock
    has_turn = person.offer_state == OfferState.open
    if has_turn and (flying := _FLYING.get(person.delivery_state or "")) is not None:
        return ReasonCode.leaving if person.end_reason else flying
    if (hindrance := _hindrance(person, stock)) is not None:
        return hindrance
    if has_turn:
        return ReasonCode.leaving if person.end_reason else _message(person, stock, now)
    if stock.event_is_open and stock.reading is not None and can_be_bought(stock.reading):
        return _in_restock(person, stock, stock.reading, now)
    return _between_restocks(facts)


def _hindrance(person: PlaceFacts, stock: StockNow) -> ReasonCode | None:
    """Say why nothing could be sent, whatever the stock."""
    if not stock.shop_is_installed:
        return ReasonCode.shop_uninstalled
    if person.suppression is not None or person.state == SubscriptionState.pending:
        return _not_let_in(person)
    if person.is_paused:
        return ReasonCode.paused
    if person.country_off:
        return ReasonCode.country_off
    return None if person.channel in stock.channels_on else ReasonCode.channel_off


def _not_let_in(person: PlaceFacts) -> ReasonCode:
    if person.suppression is None or can_be_lifted(SuppressionReason(person.suppression)):
        return ReasonCode.awaits_confirmation
    return ReasonCode.suppressed


def _message(person: PlaceFacts, stock: StockNow, now: datetime) -> ReasonCode:
    """Say what the message of an open turn waits for: its own time, or what is decided when it may leave."""
    is_later = person.delivery_next_at is not None and person.delivery_next_at > now
    if is_later and person.delivery_reason and person.delivery_reason != ASLEEP:
        is_down = person.channel in stock.providers_down
        return ReasonCode.provider_down if is_down else _WAITS_FOR.get(person.delivery_reason, _RETRYING)
    decision = may_send(_lane(person, stock), _recipient(person, stock), now)
    match decision:
        case Hold():
            return _HELD.get(decision.reason, ReasonCode.message_queued)
        case Skip():
            return ReasonCode.turn_going_back
        case Send():
            if person.channel in stock.providers_down:
                return ReasonCode.provider_down
            return ReasonCode.message_asleep if is_later else ReasonCode.message_queued
        case _:
            assert_never(decision)


def _lane(person: PlaceFacts, stock: StockNow) -> LaneFacts:
    return LaneFacts(
        shop_installed=stock.shop_is_installed,
        channel_on=person.channel in stock.channels_on,
        event_open=stock.event_is_open,
        reading=stock.reading,
        reading_max_age_seconds=stock.reading_max_age_seconds,
    )


def _recipient(person: PlaceFacts, stock: StockNow) -> PersonFacts:
    units = units_wanted(person.quantity, stock.policy)
    return PersonFacts(NoticeKind.offer, holds_offer=True, units=units, wakes_at=person.wakes_at)


def _in_restock(person: PlaceFacts, stock: StockNow, reading: StockReading, now: datetime) -> ReasonCode:
    """Ask the planner what it would make of this person with what is free now."""
    place = _queue_place(person)
    plan = plan_wave([place], reading, stock.free_units, stock.policy, now, stock.wave_facts)
    if plan.offers:
        return ReasonCode.being_planned
    if not plan.passed_over:  # with nothing free nobody is looked at, but some could not be told anyhow
        plan = plan_wave([place], reading, None, stock.policy, now, stock.wave_facts)
    limit = capacity(reading, stock.policy)
    code = _PASSED[plan.passed_over[0][1]] if plan.passed_over else ReasonCode.all_offered
    never_fits = limit is not None and limit < units_wanted(person.quantity, stock.policy)
    return ReasonCode.below_factor if never_fits and code in _LACK else code


def _between_restocks(facts: Standing) -> ReasonCode:
    person, stock = facts.person, facts.stock
    if stock.reading is None:
        return ReasonCode.no_reading
    if can_be_bought(stock.reading):
        return _can_be_bought(person, stock)
    if stock.lagging:
        return ReasonCode.lagging
    if person.offer_state == OfferState.missed:
        return ReasonCode.missed
    if person.offer_state == OfferState.returned and (code := _came_back(person)) is not None:
        return code
    return ReasonCode.behind if facts.people_ahead else ReasonCode.first_in_line


def _can_be_bought(person: PlaceFacts, stock: StockNow) -> ReasonCode:
    assert stock.reading is not None
    if stock.reading.held:
        return ReasonCode.held_back
    if stock.reading.units is not None and stock.reading.units < stock.policy.minimum_units:
        return ReasonCode.below_minimum
    if person.market_id in stock.wave_facts.closed_markets:
        return ReasonCode.not_in_market
    return ReasonCode.beginning


def _came_back(person: PlaceFacts) -> ReasonCode | None:
    """Say why the last turn went back unused."""
    if person.delivery_state in ("failed", "bounced"):
        return ReasonCode.undelivered
    return ReasonCode.not_told_in_time if person.delivery_reason in _NOT_IN_TIME else None


def _over(person: PlaceFacts, now: datetime) -> Reason:
    state = SubscriptionState(person.state)
    turn, said_by, detail = _turn(person), None, None
    match state:
        case SubscriptionState.notified:
            code = _told(person, now)
            detail = person.delivery_reason if code is ReasonCode.message_bounced else None
        case SubscriptionState.purchased:
            code, said_by = ReasonCode.bought, "shopper"
        case SubscriptionState.cancelled:
            code, said_by = _ENDED.get(person.end_reason, (ReasonCode.left, "shopper"))
            detail = person.end_reason
        case SubscriptionState.expired:
            used_up = person.end_reason == "offers_used_up"
            code, said_by = ReasonCode.offers_used_up if used_up else ReasonCode.expired, "restock"
        case SubscriptionState.pending | SubscriptionState.active:
            raise ValueError("a waiting subscription is not over")
        case _:
            assert_never(state)
    look = NextLook(LookBy.turn_ends, person.turn_ends_at) if code is ReasonCode.turn_running else None
    return Reason(code, person.quantity, turn=turn, next_look=look, detail=detail, said_by=said_by)


def _told(person: PlaceFacts, now: datetime) -> ReasonCode:
    if person.delivery_state == "bounced":
        return ReasonCode.message_bounced
    if person.offer_state in (OfferState.missed, OfferState.declined):
        return ReasonCode.place_passed_on
    is_running = person.turn_ends_at is not None and person.turn_ends_at > now
    return ReasonCode.turn_running if person.offer_state == OfferState.open and is_running else ReasonCode.told


def _queue_place(person: PlaceFacts) -> QueuePlace:
    return QueuePlace(
        subscription_id=person.subscription_id,
        contact_id=person.contact_id,
        channel=person.channel,
        quantity=person.quantity,
        queued_at=person.queued_at,
        market_id=person.market_id,
        wakes_at=person.wakes_at,
        priority=person.priority,
    )


def _detail(code: ReasonCode, person: PlaceFacts) -> str | None:
    match code:
        case ReasonCode.suppressed | ReasonCode.awaits_confirmation:
            return person.suppression
        case ReasonCode.leaving:
            return person.end_reason
        case ReasonCode.undelivered | ReasonCode.not_told_in_time | ReasonCode.message_retrying | ReasonCode.tried:
            return person.delivery_reason or person.offer_reason
        case _:
            return None


def _seen(stock: StockNow) -> ReadingSeen | None:
    if (reading := stock.reading) is None:
        return None
    return ReadingSeen(reading.sellable, reading.units, reading.source.value, reading.read_at)


def _turn(person: PlaceFacts) -> TurnSeen | None:
    if person.offer_state is None and person.sent_at is None:
        return None
    return TurnSeen(person.turn_came_at, person.sent_at, person.turn_ends_at, person.wave_number)


def _next_look(code: ReasonCode, person: PlaceFacts, stock: StockNow, now: datetime) -> NextLook | None:
    """Say what may change the reason next, and when."""
    if code is ReasonCode.suppressed:
        return None
    if code in _STARTED_BY:
        return NextLook(_STARTED_BY[code])
    if code is ReasonCode.provider_down:
        # Of a service that is down, the others of its channel are not: its messages come up when it is tried again.
        return NextLook(LookBy.probe, stock.providers_down.get(person.channel, person.delivery_next_at))
    if code in _OF_THE_MESSAGE:
        return NextLook(_OF_THE_MESSAGE[code], person.delivery_next_at)
    if code in _OF_THE_PERSON:
        rests = code is ReasonCode.paused
        return NextLook(LookBy.resume, person.paused_until) if rests else NextLook(LookBy.send_hours, person.wakes_at)
    return min(_looks(code, stock), key=lambda look: max(look.at or now, now), default=NextLook(LookBy.shopify))


def _looks(code: ReasonCode, stock: StockNow) -> Iterator[NextLook]:
    """Leave out what cannot help: a turn that ends frees nothing for whom this restock cannot serve."""
    for look in stock.looks:
        if code not in _NO_MORE_THIS_TIME or look.by not in (LookBy.turn_ends, LookBy.wave):
            yield look
