"""Whether a message may leave, and what comes after it was handed over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.catalog.values import ReadingSource, StockReading
from restock.channels.values import Blame, Doubt, NoticeKind, Outcome, Verdict
from restock.deliveries.rules import (
    LADDER_SECONDS,
    MAX_ATTEMPTS,
    Failed,
    Hold,
    RetryAt,
    Send,
    Sent,
    Skip,
    Unknown,
    identity,
    is_prompt,
    may_send,
    next_step,
)
from restock.deliveries.rules.doubts import LEASE_OVER, MOST_LOOKS, LookAgain, StayUnknown, resolve_doubt
from restock.deliveries.values import LaneFacts, PersonFacts, SkipReason
from restock.restocks.values import OfferState
from restock.subscriptions.values import SuppressionReason

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def reading(units: int | None = 5, *, sellable: bool = True, admin_age: float | None = None) -> StockReading:
    source = ReadingSource.webhook if admin_age is None else ReadingSource.admin
    read_at = NOON - timedelta(seconds=86_400 if admin_age is None else admin_age)
    return StockReading(1, 2, sellable, units, source, read_at)


def lane(**changes: object) -> LaneFacts:
    known = {
        "shop_installed": True,
        "channel_on": True,
        "event_open": True,
        "reading": reading(),
        "reading_max_age_seconds": 120,
    }
    return LaneFacts(**(known | changes))  # type: ignore[arg-type]


def person(**changes: object) -> PersonFacts:
    return PersonFacts(**({"kind": NoticeKind.offer, "holds_offer": True, "units": 2} | changes))  # type: ignore[arg-type]


OFFERS = [
    (lane(), person(), Send()),
    (lane(reading=reading(2)), person(), Send()),
    (lane(reading=reading(None)), person(units=9999), Send()),
    (lane(reading=reading(admin_age=119)), person(), Send()),
    (lane(reading=reading(1)), person(), Skip(SkipReason.sold_out)),
    (lane(reading=reading(9, sellable=False)), person(), Skip(SkipReason.sold_out)),
    (lane(reading=reading(admin_age=121)), person(), Hold(3, "stale")),
    (lane(reading=None), person(), Hold(3, "stale")),
    (lane(event_open=False), person(), Skip(SkipReason.event_closed)),
    (lane(), person(holds_offer=False), Skip(SkipReason.unsubscribed)),
    (lane(), person(address_known=False), Skip(SkipReason.unsubscribed)),
    (lane(), person(suppression=SuppressionReason.bounced), Skip(SkipReason.suppressed)),
    (lane(channel_on=False), person(), Skip(SkipReason.channel_off)),
    (lane(shop_installed=False, channel_on=False), person(), Skip(SkipReason.shop_uninstalled)),
]


@pytest.mark.parametrize(("where", "who", "decision"), OFFERS)
def test_an_offer_leaves_only_if_all_of_it_is_still_true(where, who, decision) -> None:
    assert may_send(where, who, NOON) == decision


MORNING = NOON + timedelta(hours=8)
OVER = [
    (person(wakes_at=MORNING), Hold(8 * 3600, "asleep")),
    (person(holds_offer=False, wakes_at=MORNING), Skip(SkipReason.unsubscribed)),
    (person(holds_offer=False, has_bought=True, turn=OfferState.bought), Skip(SkipReason.purchased)),
    (person(holds_offer=False, turn=OfferState.returned), Skip(SkipReason.turn_over)),
    (person(holds_offer=False, turn=OfferState.declined), Skip(SkipReason.turn_over)),
    (person(holds_offer=False, turn=OfferState.open), Skip(SkipReason.unsubscribed)),
]


@pytest.mark.parametrize(("who", "decision"), OVER)
def test_an_offer_waits_until_its_person_wakes_and_not_longer_than_its_turn(who, decision) -> None:
    assert may_send(lane(), who, NOON) == decision


def test_a_person_who_sleeps_is_no_reason_to_read_the_stock() -> None:
    assert may_send(lane(reading=None), person(wakes_at=MORNING), NOON) == Hold(8 * 3600, "asleep")


def test_who_wakes_this_very_moment_is_not_asked_about_in_a_ring() -> None:
    assert may_send(lane(), person(wakes_at=NOON), NOON) == Hold(1.0, "asleep")


@pytest.mark.parametrize(
    ("kind", "minutes", "prompt"),
    [
        (NoticeKind.confirmation, 0, True),
        (NoticeKind.confirmation, 15, True),
        (NoticeKind.confirmation, 16, False),
        (NoticeKind.test, 600, True),
        (NoticeKind.offer, 0, False),
        (NoticeKind.reminder, 0, False),
    ],
)
def test_only_what_answers_somebody_at_once_comes_at_any_hour(kind, minutes, prompt) -> None:
    assert is_prompt(kind, NOON - timedelta(minutes=minutes), NOON) is prompt


def test_a_confirmation_that_comes_late_waits_until_its_person_wakes() -> None:
    asked = person(kind=NoticeKind.confirmation, wakes_at=MORNING)
    assert may_send(lane(), asked, NOON) == Hold(8 * 3600, "asleep")
    assert may_send(lane(), person(kind=NoticeKind.confirmation), NOON) == Send()


def told(**changes: object) -> PersonFacts:
    """Somebody whose turn went by, and who did nothing."""
    known = {"kind": NoticeKind.reminder, "holds_offer": False, "turn": OfferState.ended, "was_told": True}
    return person(**(known | changes))


def reminding(**changes: object) -> LaneFacts:
    return lane(**({"reminds": True, "event_open": False, "reading": reading(admin_age=60)} | changes))


REMINDERS = [
    (reminding(), told(), Send()),
    (reminding(event_open=True), told(turn=OfferState.open), Send()),
    (reminding(reading=reading(2, admin_age=1)), told(), Send()),
    (reminding(reading=reading(None, admin_age=1)), told(), Send()),
    (reminding(reading=reading(1, admin_age=1)), told(), Skip(SkipReason.sold_out)),
    (reminding(reading=reading(9, sellable=False, admin_age=1)), told(), Skip(SkipReason.sold_out)),
    (reminding(reading=reading(admin_age=121)), told(), Hold(15, "unread")),
    (reminding(reading=reading()), told(), Hold(15, "unread")),  # a webhook's of yesterday
    (reminding(reading=None), told(), Hold(15, "unread")),
    (reminding(), told(wakes_at=MORNING), Hold(8 * 3600, "asleep")),
    (reminding(), told(suppression=SuppressionReason.unsubscribed), Skip(SkipReason.suppressed)),
    (reminding(), told(has_bought=True, was_told=False), Skip(SkipReason.purchased)),
    (reminding(), told(turn=OfferState.bought), Skip(SkipReason.purchased)),
    (reminding(), told(turn=OfferState.declined, was_told=False), Skip(SkipReason.declined)),
    (reminding(), told(turn=OfferState.missed, was_told=False), Skip(SkipReason.waits_again)),
    (reminding(), told(turn=OfferState.returned), Skip(SkipReason.waits_again)),
    (reminding(), told(waits_again=True), Skip(SkipReason.waits_again)),
    (reminding(), told(was_told=False), Skip(SkipReason.unsubscribed)),
    (reminding(), told(turn=None), Skip(SkipReason.unsubscribed)),
    (reminding(reminds=False), told(), Skip(SkipReason.reminders_off)),
    (reminding(channel_on=False), told(), Skip(SkipReason.channel_off)),
    (reminding(shop_installed=False), told(), Skip(SkipReason.shop_uninstalled)),
    (reminding(), told(address_known=False), Skip(SkipReason.unsubscribed)),
]


@pytest.mark.parametrize(("where", "who", "decision"), REMINDERS)
def test_a_reminder_leaves_only_to_who_was_told_did_nothing_and_can_still_buy(where, who, decision) -> None:
    assert may_send(where, who, NOON) == decision


@pytest.mark.parametrize("kind", [NoticeKind.confirmation, NoticeKind.test])
def test_other_messages_do_not_ask_about_stock(kind) -> None:
    nothing = lane(event_open=False, reading=None)
    assert may_send(nothing, person(kind=kind, holds_offer=False), NOON) == Send()
    assert may_send(lane(shop_installed=False), person(kind=kind), NOON) == Skip(SkipReason.shop_uninstalled)


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_only_an_own_no_may_be_asked_about_again(reason) -> None:
    decision = may_send(lane(), person(kind=NoticeKind.confirmation, suppression=reason), NOON)
    assert (decision == Send()) is (reason is SuppressionReason.unsubscribed)


def outcome(
    verdict: Verdict, reason: str = "", blame: Blame = Blame.message, retry_after: float | None = None
) -> Outcome:
    return Outcome(7, verdict, reason, blame, retry_after_seconds=retry_after)


def test_what_was_accepted_is_sent() -> None:
    assert next_step(outcome(Verdict.accepted), 1, 0) == Sent()


@pytest.mark.parametrize(
    ("reason", "blame", "suppress"),
    [
        ("no_such_user", Blame.address, SuppressionReason.bounced),
        ("gone", Blame.address, SuppressionReason.gone),
        ("opted_out", Blame.address, SuppressionReason.stopped),
        ("too_large", Blame.message, None),
        ("account_closed", Blame.provider, None),
    ],
)
def test_a_refusal_is_final_and_a_dead_address_is_never_written_to_again(reason, blame, suppress) -> None:
    assert next_step(outcome(Verdict.refused, reason, blame), 1, 0) == Failed(reason, suppress)


def test_no_answer_is_a_doubt() -> None:
    assert next_step(outcome(Verdict.unanswered, "timeout"), 1, 0) == Unknown("timeout")


def test_the_ladder_is_climbed_in_minutes_and_ends() -> None:
    for attempt, seconds in enumerate(LADDER_SECONDS, 1):
        step = next_step(outcome(Verdict.deferred, "busy"), attempt, 0)
        assert isinstance(step, RetryAt)
        assert step.counts
        assert 0.8 * seconds <= step.seconds <= 1.2 * seconds
    assert next_step(outcome(Verdict.deferred, "busy"), MAX_ATTEMPTS, 0) == Failed("busy")


def test_a_message_that_was_not_reached_in_time_is_due_at_once_and_loses_no_attempt() -> None:
    step = next_step(outcome(Verdict.deferred, "batch_time_over"), MAX_ATTEMPTS, 0)
    assert step == RetryAt(0, "batch_time_over", counts=False)


def test_a_provider_may_ask_for_more_time_within_reason() -> None:
    asked = next_step(outcome(Verdict.deferred, "busy", retry_after=900), 1, 0)
    assert isinstance(asked, RetryAt)
    assert asked.seconds == 900
    greedy = next_step(outcome(Verdict.deferred, "busy", retry_after=1e9), 1, 0)
    assert isinstance(greedy, RetryAt)
    assert greedy.seconds == 1800


@pytest.mark.parametrize(("age", "seconds"), [(0, 30), (60, 60), (200, 200), (9000, 300)])
def test_a_provider_that_is_down_costs_no_attempt(age, seconds) -> None:
    step = next_step(outcome(Verdict.deferred, "refused_connection", Blame.provider), MAX_ATTEMPTS, age)
    assert isinstance(step, RetryAt)
    assert not step.counts
    assert 0.8 * seconds <= step.seconds <= 1.2 * seconds


@given(
    st.sampled_from(Verdict),
    st.sampled_from(Blame),
    st.integers(1, 50),
    st.floats(0, 1e7),
    st.none() | st.floats(0, 1e12),
)
def test_no_message_is_tried_for_ever_or_later_than_useful(verdict, blame, attempt, age, retry_after) -> None:
    step = next_step(Outcome(3, verdict, "why", blame, retry_after_seconds=retry_after), attempt, age)
    if isinstance(step, RetryAt):
        assert 24 <= step.seconds <= 2160
        assert attempt < MAX_ATTEMPTS or blame is Blame.provider
    assert isinstance(step, Sent) is (verdict is Verdict.accepted)


@pytest.mark.parametrize(
    ("says", "policy", "reason", "attempt", "doubts", "decision"),
    [
        (True, Doubt.at_most_once, "timeout", 1, 1, Sent()),
        (False, Doubt.at_most_once, "timeout", 1, 1, RetryAt(0, "not_accepted")),
        (False, Doubt.at_most_once, "timeout", 2, 2, RetryAt(30, "not_accepted")),
        (False, Doubt.at_most_once, "timeout", 3, 3, RetryAt(120, "not_accepted")),
        (False, Doubt.at_most_once, "timeout", 99, 99, RetryAt(600, "not_accepted")),
        (False, Doubt.at_most_once, LEASE_OVER, 99, 99, RetryAt(0, "not_accepted")),
        (None, Doubt.at_most_once, "timeout", 1, 1, StayUnknown()),
        (None, Doubt.at_most_once, LEASE_OVER, 1, 1, StayUnknown()),
        (None, Doubt.resend_once, "timeout", 1, 1, RetryAt(0, "resend")),
        (None, Doubt.resend_once, "timeout", 2, 2, StayUnknown()),
        (None, Doubt.resend_once, LEASE_OVER, 2, 2, RetryAt(0, "resend")),
        (None, Doubt.resend_once, LEASE_OVER, MAX_ATTEMPTS, 5, StayUnknown()),
    ],
)
def test_a_doubt_is_asked_about_else_the_channels_policy_counts(  # noqa: PLR0917 (a table)
    says, policy, reason, attempt, doubts, decision
) -> None:
    assert resolve_doubt(says, policy, reason, attempt, doubts) == decision
    looked_up_again = says is None and policy is Doubt.at_most_once
    early = resolve_doubt(says, policy, reason, attempt, doubts, looks=MOST_LOOKS - 0.1)
    assert early == (LookAgain() if looked_up_again else decision)


@given(
    st.integers(1, 2**63 - 1),
    st.text(max_size=40),
    st.integers(0, 10**9).map(lambda seconds: NOON + timedelta(seconds=seconds)),
)
def test_an_identity_fits_every_channel_and_never_changes(delivery_id, key, created_at) -> None:
    name = identity(delivery_id, key, created_at)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,32}", name)
    assert name == identity(delivery_id, key, created_at)
    assert name != identity(delivery_id, key, created_at + timedelta(seconds=1))
