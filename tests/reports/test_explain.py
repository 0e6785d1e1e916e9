"""Exactly one reason for everybody, whatever the rows say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restock.catalog.values import ReadingSource, StockReading
from restock.deliveries.values import DeliveryState, SkipReason
from restock.reports.rules.explain import explain
from restock.reports.rules.sentences import say, say_look
from restock.reports.values.reason import LookBy, NextLook, ReasonCode
from restock.reports.values.standing import PlaceFacts, Standing, StockNow
from restock.restocks.values import OfferState, PassReason, WaveFacts
from restock.shops.values import NotificationPolicy
from restock.subscriptions.values import SubscriptionState, SuppressionReason

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=20)
ADA = PlaceFacts(1, "sms", "+12 ••• 23", 2, "active", None, NOON - timedelta(days=1), market_id=7)


def read(units: int | None, *, held: bool = False) -> StockReading:
    return StockReading(1, 9, units != 0, units, ReadingSource.admin, NOON, held)


SOLD_OUT = StockNow(read(0), event_is_open=False, free_units=0)
ON = StockNow(read(3), event_is_open=True, free_units=3)
TURN = {"offer_state": "open", "delivery_state": "queued", "delivery_next_at": NOON}
OVER = {"state": "notified", "sent_at": NOON, "turn_came_at": NOON, "wave_number": 1}
GONE = {"state": "cancelled"}


def among(**facts: object) -> StockNow:
    """A restock in which something is known of this person."""
    return replace(ON, wave_facts=WaveFacts(**facts))  # type: ignore[arg-type]


# what -> (what is recorded of the person, of the variant, people ahead)
TABLE: Mapping[ReasonCode, tuple[dict[str, object], StockNow, int]] = {
    ReasonCode.shop_uninstalled: ({}, replace(SOLD_OUT, shop_is_installed=False), 0),
    ReasonCode.awaits_confirmation: ({"state": "pending", "suppression": "unsubscribed"}, ON, 0),
    ReasonCode.suppressed: ({"state": "pending", "suppression": "bounced"}, ON, 0),
    ReasonCode.country_off: ({"country_off": True}, ON, 0),
    ReasonCode.paused: ({"is_paused": True, "paused_until": LATER}, ON, 0),
    ReasonCode.channel_off: ({}, replace(ON, channels_on=frozenset({"email"})), 0),
    ReasonCode.no_reading: ({}, replace(SOLD_OUT, reading=None), 0),
    ReasonCode.first_in_line: ({}, SOLD_OUT, 0),
    ReasonCode.behind: ({}, SOLD_OUT, 4),
    ReasonCode.lagging: ({}, replace(SOLD_OUT, lagging=True), 0),
    ReasonCode.below_minimum: ({}, StockNow(read(3), False, 6, NotificationPolicy(minimum_units=5)), 0),
    ReasonCode.held_back: ({}, StockNow(read(3, held=True), False, 6), 0),
    ReasonCode.beginning: ({}, StockNow(read(3), False, 6), 0),
    ReasonCode.undelivered: (
        {"offer_state": "returned", "delivery_state": "failed", "delivery_reason": "refused"},
        SOLD_OUT,
        0,
    ),
    ReasonCode.not_told_in_time: (
        {"offer_state": "returned", "delivery_state": "skipped", "delivery_reason": "sold_out"},
        SOLD_OUT,
        1,
    ),
    ReasonCode.missed: ({"offer_state": "missed", "delivery_state": "delivered"}, SOLD_OUT, 0),
    ReasonCode.being_planned: ({}, ON, 0),
    ReasonCode.all_offered: ({}, replace(ON, free_units=0), 3),
    ReasonCode.below_factor: ({"quantity": 1}, StockNow(read(1), True, 0, NotificationPolicy(factor=0.5)), 0),
    ReasonCode.not_enough_free: ({}, replace(ON, free_units=1), 3),
    ReasonCode.wants_more: ({"quantity": 4}, ON, 3),
    ReasonCode.not_in_market: ({}, among(closed_markets={7}), 0),
    ReasonCode.tried: ({"offer_state": "returned"}, among(tried={1}), 0),
    ReasonCode.declined: ({"offer_state": "declined"}, among(declined={1}), 0),
    ReasonCode.asleep: ({"wakes_at": NOON + timedelta(hours=13)}, ON, 0),
    ReasonCode.lent_on: ({"wakes_at": LATER}, among(lent_on={1}), 0),
    ReasonCode.message_queued: (TURN, ON, 0),
    ReasonCode.message_asleep: (TURN | {"delivery_next_at": LATER, "wakes_at": LATER}, ON, 0),
    ReasonCode.message_stale: (TURN, replace(ON, reading=replace(read(3), read_at=NOON - timedelta(hours=1))), 0),
    ReasonCode.message_retrying: (TURN | {"delivery_reason": "busy", "delivery_next_at": LATER}, ON, 0),
    ReasonCode.day_cap: (TURN | {"delivery_reason": "day_cap", "delivery_next_at": LATER}, ON, 0),
    ReasonCode.filtered: (TURN | {"delivery_reason": "filtered_by_carriers", "delivery_next_at": LATER}, ON, 0),
    ReasonCode.provider_down: (TURN, replace(ON, providers_down={"sms": LATER}), 0),
    ReasonCode.message_sending: (TURN | {"delivery_state": "sending"}, ON, 0),
    ReasonCode.message_unanswered: (TURN | {"delivery_state": "unknown"}, ON, 0),
    ReasonCode.turn_going_back: (TURN, SOLD_OUT, 0),
    ReasonCode.leaving: (TURN | {"delivery_state": "sending", "end_reason": "contact_changed"}, ON, 0),
    ReasonCode.turn_running: (OVER | {"offer_state": "open", "turn_ends_at": LATER}, ON, 0),
    ReasonCode.told: (OVER | {"offer_state": "ended", "turn_ends_at": NOON}, ON, 0),
    ReasonCode.message_bounced: (OVER | {"offer_state": "ended", "delivery_state": "bounced"}, ON, 0),
    ReasonCode.place_passed_on: (OVER | {"offer_state": "missed", "delivery_state": "sent"}, SOLD_OUT, 0),
    ReasonCode.bought: ({"state": "purchased", "end_reason": "bought"}, ON, 0),
    ReasonCode.left: (GONE | {"end_reason": "unsubscribed"}, ON, 0),
    ReasonCode.stopped: (GONE | {"end_reason": "stopped"}, ON, 0),
    ReasonCode.address_dead: (GONE | {"end_reason": "bounced"}, ON, 0),
    ReasonCode.complained: (GONE | {"end_reason": "complained"}, ON, 0),
    ReasonCode.push_gone: (GONE | {"end_reason": "gone"}, ON, 0),
    ReasonCode.contact_changed: (GONE | {"end_reason": "contact_changed"}, ON, 0),
    ReasonCode.erased: (GONE | {"end_reason": "redacted"}, ON, 0),
    ReasonCode.expired: ({"state": "expired", "end_reason": "waited_too_long"}, ON, 0),
    ReasonCode.offers_used_up: ({"state": "expired", "end_reason": "offers_used_up"}, ON, 0),
}


def standing(code: ReasonCode) -> Standing:
    person, stock, ahead = TABLE[code]
    return Standing(replace(ADA, **person), stock, ahead, 2 * ahead)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_is_reached_and_no_other_is_given_there(code: ReasonCode) -> None:
    assert explain(standing(code), NOON).code is code


def test_no_two_reasons_that_one_meets_are_told_alike() -> None:
    said = [say(explain(standing(code), NOON)) for code in ReasonCode]
    assert len(set(said)) == len(said)


def test_a_reason_brings_everything_it_was_judged_by() -> None:
    stock = replace(ON, free_units=1, looks=(NextLook(LookBy.reconcile, LATER), NextLook(LookBy.turn_ends, NOON)))
    reason = explain(Standing(ADA, stock, 4, 9), NOON)
    assert (reason.position, reason.people_ahead, reason.units_ahead) == (5, 4, 9)
    assert (reason.wanted, reason.free_units) == (2, 1)
    assert reason.reading is not None
    assert (reason.reading.units, reason.reading.source, reason.reading.read_at) == (3, "admin", NOON)
    assert reason.next_look == NextLook(LookBy.turn_ends, NOON)
    assert json.dumps(asdict(reason), default=str)


LOOKS = (NextLook(LookBy.turn_ends, NOON), NextLook(LookBy.wave, NOON), NextLook(LookBy.settle, LATER))


@pytest.mark.parametrize(
    ("code", "by"),
    [
        (ReasonCode.awaits_confirmation, LookBy.confirmation),
        (ReasonCode.suppressed, None),
        (ReasonCode.held_back, LookBy.merchant),
        (ReasonCode.channel_off, LookBy.merchant),
        (ReasonCode.paused, LookBy.resume),
        (ReasonCode.all_offered, LookBy.turn_ends),
        (ReasonCode.wants_more, LookBy.settle),
        (ReasonCode.tried, LookBy.settle),
        (ReasonCode.declined, LookBy.settle),
        (ReasonCode.lent_on, LookBy.send_hours),
        (ReasonCode.message_queued, LookBy.send),
        (ReasonCode.message_asleep, LookBy.send_hours),
        (ReasonCode.message_retrying, LookBy.retry),
        (ReasonCode.provider_down, LookBy.probe),
        (ReasonCode.message_unanswered, LookBy.answer),
        (ReasonCode.turn_running, LookBy.turn_ends),
        (ReasonCode.bought, None),
    ],
)
def test_the_next_look_is_one_that_can_change_something(code: ReasonCode, by: LookBy | None) -> None:
    facts = standing(code)
    found = explain(replace(facts, stock=replace(facts.stock, looks=LOOKS)), NOON).next_look
    assert (found.by if found else None) == by


def test_who_ended_it_follows_from_the_row() -> None:
    ended = {code: explain(standing(code), NOON).said_by for code in ReasonCode}
    assert ended[ReasonCode.left] == ended[ReasonCode.stopped] == ended[ReasonCode.bought] == "shopper"
    assert ended[ReasonCode.address_dead] == ended[ReasonCode.push_gone] == "provider"
    assert ended[ReasonCode.erased] == "shopify"
    assert ended[ReasonCode.expired] == ended[ReasonCode.offers_used_up] == "restock"
    assert ended[ReasonCode.behind] is None


def maybe(words: object) -> st.SearchStrategy[object]:
    return st.none() | st.sampled_from(words)  # type: ignore[arg-type]


TIMES = st.none() | st.sampled_from([NOON - timedelta(hours=1), NOON, LATER, NOON + timedelta(hours=13)])
WORDS = [*SkipReason, *SuppressionReason, "stale", "asleep", "refused", "redacted", "offers_used_up", "never heard of"]
PEOPLE = st.builds(
    replace,
    st.just(ADA),
    state=st.sampled_from(SubscriptionState),
    end_reason=maybe(WORDS),
    quantity=st.integers(1, 5),
    offer_state=maybe(OfferState),
    offer_reason=maybe(WORDS),
    turn_ends_at=TIMES,
    delivery_state=maybe(DeliveryState),
    delivery_reason=maybe(WORDS),
    delivery_next_at=TIMES,
    sent_at=TIMES,
    turn_came_at=TIMES,
    wave_number=st.none() | st.integers(1, 3),
    suppression=maybe(SuppressionReason),
    wakes_at=TIMES,
    market_id=st.sampled_from([0, 7]),
)
IDS = st.sampled_from([frozenset(), frozenset({1}), frozenset({7})])
READINGS = st.none() | st.builds(read, st.none() | st.integers(0, 4), held=st.booleans())
STOCKS = st.builds(
    StockNow,
    reading=READINGS,
    event_is_open=st.booleans(),
    free_units=st.none() | st.integers(0, 4),
    policy=st.builds(
        NotificationPolicy, factor=st.sampled_from([None, 0.1, 1.0, 2.0]), minimum_units=st.integers(1, 4)
    ),
    lagging=st.booleans(),
    shop_is_installed=st.booleans(),
    channels_on=st.sampled_from([frozenset({"sms"}), frozenset({"email"})]),
    providers_down=st.sampled_from([{}, {"sms": LATER}, {"sms": None}]),
    wave_facts=st.builds(WaveFacts, tried=IDS, declined=IDS, closed_markets=IDS, lent_on=IDS),
    looks=st.lists(st.builds(NextLook, st.sampled_from(LookBy), TIMES), max_size=3),
)


@settings(max_examples=1000)
@given(st.builds(Standing, PEOPLE, STOCKS, st.integers(0, 9), st.integers(0, 9)))
def test_whatever_is_recorded_there_is_exactly_one_reason_with_a_sentence(facts: Standing) -> None:
    reason = explain(facts, NOON)
    assert reason == explain(facts, NOON)
    assert say(reason).endswith(".")
    assert "None" not in say(reason)
    waits = facts.person.state in ("pending", "active")
    assert (reason.position is not None) == waits
    assert (reason.said_by is None) == (waits or facts.person.state == "notified")
    if reason.next_look is not None:
        assert say_look(reason.next_look.by)
    if waits and reason.code is not ReasonCode.suppressed:
        assert reason.next_look is not None


def test_the_words_of_the_planner_are_all_reasons() -> None:
    assert {reason.value for reason in PassReason} <= {code.value for code in ReasonCode}
