"""One person's story, told from the rows it left behind."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.values import ChannelName
from restock.reports.rules.journey import tell
from restock.reports.values.journey import (
    ConsentFact,
    HistoryFact,
    IntentFact,
    JourneyFacts,
    MessageFact,
    MomentKind,
    PurchaseFact,
    TurnFact,
)
from restock.reports.values.subscribers import Goods, SubscriberLine

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


LINE = SubscriberLine(
    id=1, state="active", end_reason=None, channel=ChannelName.email, address="ada@example.com", name=None,
    goods=Goods(2, 1), sku=None, quantity=2, market_id=0, locale=None, marketing=None, queued_at=NOON,
    notified_at=None, ended_at=None,
)  # fmt: skip
ASKED = JourneyFacts(LINE, at(1000), intents=[IntentFact(NOON, 2, "sdk")])
TURN = TurnFact(9, at(10), 2, 1, "ended", None, at(11), at(71))
SENT = MessageFact(5, "offer", "email", "sent", None, 1, at(10), at(11), None, None, 0)


def kinds(facts: JourneyFacts) -> list[str]:
    return [moment.kind.value for moment in reversed(tell(facts))]


@pytest.mark.parametrize(
    ("facts", "story"),
    [
        (ASKED, ["asked"]),
        (replace(ASKED, intents=[]), ["asked"]),
        (replace(ASKED, intents=[IntentFact(at(5), 1, "api"), *ASKED.intents]), ["asked", "asked_again"]),
        (replace(ASKED, turns=[TURN], messages=[SENT]), ["asked", "offered", "sent", "turn_over"]),
        (
            replace(ASKED, messages=[replace(SENT, state="delivered", finished_at=at(12), clicked_at=at(20))]),
            ["asked", "sent", "delivered", "clicked"],
        ),
        (
            replace(
                ASKED,
                turns=[replace(TURN, state="returned", reason="bounced", ends_at=None)],
                messages=[replace(SENT, state="bounced", reason="mailbox_unknown", finished_at=at(13))],
            ),
            ["asked", "offered", "sent", "returned", "bounced"],
        ),
        (
            replace(ASKED, messages=[replace(SENT, state="skipped", sent_at=None, finished_at=at(12))]),
            ["asked", "skipped"],
        ),
        (replace(ASKED, messages=[replace(SENT, state="failed", sent_at=None)]), ["asked", "failed"]),
        (replace(ASKED, messages=[replace(SENT, state="unknown", sent_at=None)]), ["asked", "unanswered"]),
        (replace(ASKED, messages=[replace(SENT, state="queued", sent_at=None)]), ["asked"]),
        (replace(ASKED, messages=[replace(SENT, kind="confirmation")]), ["asked", "confirmation_sent"]),
        (
            replace(ASKED, line=replace(LINE, state="cancelled", end_reason="stopped", ended_at=at(3))),
            ["asked", "left"],
        ),
        (replace(ASKED, line=replace(LINE, state="expired")), ["asked", "expired"]),
        (replace(ASKED, line=replace(LINE, state="purchased", ended_at=at(30))), ["asked", "bought"]),
        (
            replace(ASKED, line=replace(LINE, state="purchased"), purchases=[PurchaseFact(at(30), 1)]),
            ["asked", "bought"],
        ),
    ],
)
def test_each_past_has_its_story(facts: JourneyFacts, story: list[str]) -> None:
    assert kinds(facts) == story


@pytest.mark.parametrize(
    ("purpose", "action", "kind"),
    [
        ("marketing", "granted", MomentKind.marketing_granted),
        ("marketing", "refused", MomentKind.marketing_refused),
        ("back_in_stock", "confirmed", MomentKind.confirmed),
        ("back_in_stock", "withdrawn", MomentKind.withdrawn),
    ],
)
def test_what_was_said_about_messages_is_told(purpose: str, action: str, kind: MomentKind) -> None:
    said = ConsentFact(at(2), purpose, action, "link", None, None, None)
    assert tell(replace(ASKED, consents=[said]))[0].kind is kind


def test_the_page_and_browser_of_the_very_post_stand_beside_the_asking() -> None:
    own = ConsentFact(NOON, "back_in_stock", "granted", "sdk", 2, "https://shop.example/p", "Firefox")
    other = replace(own, variant_id=3, page_url="https://shop.example/other")
    (moment,) = tell(replace(ASKED, consents=[other, own]))
    assert moment.said == {"quantity": 2, "source": "sdk", "page": "https://shop.example/p", "browser": "Firefox"}


STATES = st.sampled_from(
    ["queued", "sending", "sent", "delivered", "bounced", "complained", "failed", "skipped", "unknown"]
)
MESSAGES = st.builds(
    MessageFact,
    id=st.integers(1, 9),
    kind=st.sampled_from(["offer", "confirmation"]),
    channel=st.just("email"),
    state=STATES,
    reason=st.none() | st.just("x"),
    attempt=st.integers(0, 5),
    created_at=st.integers(0, 99).map(at),
    sent_at=st.none() | st.integers(0, 99).map(at),
    finished_at=st.none() | st.integers(0, 99).map(at),
    clicked_at=st.none() | st.integers(0, 99).map(at),
    click_count=st.integers(0, 3),
)
TURNS = st.builds(
    TurnFact,
    id=st.integers(1, 9),
    created_at=st.integers(0, 99).map(at),
    units=st.integers(1, 5),
    wave_number=st.integers(1, 3),
    state=st.sampled_from(["open", "ended", "returned"]),
    reason=st.none() | st.just("bounced"),
    accepted_at=st.none() | st.integers(0, 99).map(at),
    ends_at=st.none() | st.integers(0, 99).map(at),
)


@given(st.lists(MESSAGES, max_size=5), st.lists(TURNS, max_size=4), st.randoms())
def test_a_story_runs_backwards_in_time_and_does_not_depend_on_the_order_of_the_rows(
    messages: list[MessageFact], turns: list[TurnFact], chance: random.Random
) -> None:
    facts = replace(ASKED, messages=messages, turns=turns)
    story = tell(facts)
    assert [moment.at for moment in story] == sorted((moment.at for moment in story), reverse=True)
    shuffled = replace(facts, messages=chance.sample(messages, len(messages)), turns=chance.sample(turns, len(turns)))
    assert tell(shuffled) == story
    assert sum(moment.kind is MomentKind.offered for moment in story) == len(turns)


@pytest.mark.parametrize(
    ("kind", "reason"), [("passed_over", "not_enough_free"), ("missed", "sold_out"), ("declined", None)]
)
def test_what_left_no_row_of_its_own_is_told_from_the_history(kind: str, reason: str | None) -> None:
    entry = HistoryFact(at(9), kind, reason, units=2, free_units=1)
    (latest, _) = tell(replace(ASKED, history=[entry]))
    assert latest.kind == kind
    assert latest.said == {"units": 2, "free": 1} | ({"reason": reason} if reason else {})


def test_nothing_is_told_twice_where_the_rows_and_the_history_both_know_it() -> None:
    lent = replace(TURN, state="returned", reason="asleep", ends_at=None, accepted_at=None)
    slept = HistoryFact(at(40), "lent_on", "asleep", offer_id=TURN.id)
    assert kinds(replace(ASKED, turns=[lent], history=[slept])) == ["asked", "offered", "lent_on"]
    over = replace(LINE, state="expired", end_reason="offers_used_up", ended_at=at(90))
    used_up = HistoryFact(at(90), "expired", "offers_used_up", offer_id=TURN.id)
    story = tell(replace(ASKED, line=over, history=[used_up]))
    assert [moment.kind for moment in story] == ["expired", "asked"]
    assert story[0].said == {"reason": "offers_used_up"}


def test_a_reminder_shows_as_one() -> None:
    reminder = replace(SENT, kind="reminder", sent_at=at(60))
    withdrawn = replace(reminder, sent_at=None, state="skipped", reason="purchased", finished_at=at(61))
    assert kinds(replace(ASKED, messages=[SENT, reminder, withdrawn])) == [
        "asked",
        "sent",
        "reminded",
        "reminder_skipped",
    ]
