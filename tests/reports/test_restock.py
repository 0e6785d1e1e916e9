"""What became of a person in a restock: one fate each, from whatever rows are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.deliveries.values import DeliveryState
from restock.reports.rules.restock import ends_of, judge, tally
from restock.reports.values.restock import Fate, PersonFacts
from restock.reports.values.subscribers import Bookmark
from restock.restocks.values import OfferState

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def person(number: int = 1, /, **facts: object) -> PersonFacts:
    return PersonFacts(number, AT, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "fate", "reason", "at"),
    [
        ({"noted": "passed_over", "noted_reason": "wants_more", "noted_at": AT}, "passed_over", "wants_more", AT),
        ({"offer_state": "open", "offered_at": AT, "delivery_state": "queued"}, "coming", None, AT),
        ({"offer_state": "open", "delivery_state": "sent", "sent_at": LATER}, "running", None, LATER),
        ({"offer_state": "ended", "delivery_state": "sent", "sent_at": AT, "ends_at": LATER}, "unused", None, LATER),
        ({"offer_state": "missed", "noted_at": LATER, "ends_at": AT}, "missed", None, LATER),
        ({"offer_state": "declined", "noted_at": LATER}, "declined", None, LATER),
        ({"offer_state": "returned", "offer_reason": "asleep", "noted_at": AT}, "slept", None, AT),
        (
            {"offer_state": "returned", "offer_reason": "sold_out", "delivery_state": "skipped", "finished_at": AT},
            "untold", "sold_out", AT,
        ),
        ({"offer_state": "ended", "delivery_state": "bounced", "delivery_reason": "mailbox_unknown"}, "came_back",
         "mailbox_unknown", None),
        ({"offer_state": "open", "delivery_state": "unknown", "finished_at": AT}, "unanswered", None, AT),
        ({"offer_state": "bought", "ends_at": AT}, "bought", None, AT),
        ({"offer_state": "declined", "bought_at": LATER}, "bought", None, LATER),
    ],
)  # fmt: skip
def test_each_person_has_the_fate_their_rows_tell(
    facts: dict[str, object], fate: str, reason: str | None, at: datetime | None
) -> None:
    verdict = judge(person(1, **facts))
    assert (verdict.fate, verdict.reason, verdict.at) == (fate, reason, at)


@given(
    st.sampled_from([None, *OfferState]),
    st.sampled_from([None, *DeliveryState]),
    st.sampled_from([None, AT]),
    st.sampled_from([None, AT]),
)
def test_whatever_rows_there_are_everybody_has_one_fate_and_is_counted_once(
    offer: OfferState | None, delivery: DeliveryState | None, sent_at: datetime | None, bought_at: datetime | None
) -> None:
    facts = person(offer_state=offer, delivery_state=delivery, sent_at=sent_at, bought_at=bought_at)
    [line] = tally([(facts, 3), (facts, 4)])
    assert line.people == 7
    assert (line.fate is Fate.bought) == (bought_at is not None or offer == "bought")


def test_a_tally_goes_in_the_order_of_the_fates_the_commonest_reason_first() -> None:
    passed = [(person(noted="passed_over", noted_reason=reason), n) for reason, n in (("asleep", 1), ("wants_more", 5))]
    lines = tally([*passed, (person(offer_state="bought"), 2)])
    assert [(line.fate, line.reason, line.people) for line in lines] == [
        (Fate.bought, None, 2), (Fate.passed_over, "wants_more", 5), (Fate.passed_over, "asleep", 1),
    ]  # fmt: skip


def test_a_walk_that_stopped_early_goes_on_where_it_stopped_even_where_it_kept_nobody() -> None:
    stopped = person(9)
    assert ends_of([], stopped, None, more=True) == (None, Bookmark(AT, 9))
    forward, backward = Bookmark(AT, 4), Bookmark(AT, 12, backward=True)
    assert ends_of([], stopped, forward, more=True) == (Bookmark(AT, 4, backward=True), Bookmark(AT, 9))
    assert ends_of([], stopped, backward, more=True) == (Bookmark(AT, 9, backward=True), Bookmark(AT, 12))
    assert ends_of([], None, None, more=False) == (None, None)


def test_pages_begin_at_the_people_at_the_ends_of_this_one() -> None:
    kept = [person(5), person(6), person(7)]
    assert ends_of(kept, person(8), Bookmark(AT, 4), more=True) == (Bookmark(AT, 5, backward=True), Bookmark(AT, 8))
    assert ends_of(kept, person(3), Bookmark(AT, 9, backward=True), more=True) == (
        Bookmark(AT, 3, backward=True), Bookmark(AT, 7),
    )  # fmt: skip
