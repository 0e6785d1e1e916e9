"""How much is claimed at once, and that what is decided for many at once is what is decided for each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

from restock.batches.pipeline import named
from restock.catalog.values import ReadingSource, StockReading
from restock.channels.values import ChannelName, Doubt, Envelope, NoticeKind, Outcome, Verdict
from restock.database import run_lean
from restock.deliveries import rules
from restock.deliveries.repository import outcomes
from restock.deliveries.service.claiming import _Decisions, _person
from restock.deliveries.service.sending import CLAIM_SIZES, LARGEST_CLAIM, next_claim
from restock.deliveries.values import ClaimedRow, LaneFacts
from restock.restocks.repository import offers
from restock.restocks.values import NAMED_OFFERS, OfferState
from restock.shops.values import Shop, ShopSettings, ShopState
from restock.subscriptions.values import SuppressionReason
from tests.restocks.store import VARIANT, Store

NOW = datetime(2026, 11, 3, 3, 30, tzinfo=UTC)  # night in some places, day in others
READING = StockReading(1, VARIANT, True, 2, ReadingSource.admin, NOW - timedelta(seconds=30))
FACTS = st.builds(
    LaneFacts,
    shop_installed=st.booleans(),
    channel_on=st.booleans(),
    event_open=st.booleans(),
    reading=st.sampled_from([None, READING, replace(READING, sellable=False), replace(READING, units=None)]),
    reading_max_age_seconds=st.sampled_from([10.0, 120.0]),
    reminds=st.booleans(),
)
ROWS = st.builds(
    ClaimedRow,
    id=st.integers(1, 99),
    shop_id=st.just(1),
    kind=st.sampled_from(NoticeKind),
    channel=st.sampled_from(ChannelName),
    dedupe_key=st.sampled_from(["offer:1:first", "offer:1:reminder1", "offer:1:again"]),
    created_at=st.just(NOW),
    attempt=st.integers(0, 2),
    contact_id=st.just(1),
    offer_id=st.just(1),
    variant_id=st.just(VARIANT),
    quantity=st.just(1),
    units=st.integers(1, 3),
    holds_offer=st.booleans(),
    locale=st.just(None),
    suppression=st.sampled_from([None, *SuppressionReason]),
    address=st.sampled_from([None, "ada@example.com", "+4915112345678", "+12125550100", "+61412345678"]),
    has_bought=st.booleans(),
    turn=st.sampled_from([None, *OfferState]),
    was_told=st.booleans(),
    waits_again=st.booleans(),
    is_paused=st.booleans(),
)


REMINDER = ClaimedRow(
    1, 1, NoticeKind.reminder, ChannelName.sms, "offer:1:reminder1", NOW, 0, 1, 1, VARIANT, 1, 1, False, None, None,
    "+4915112345678", turn=OfferState.ended, was_told=True,
)  # fmt: skip
NOT_REMINDED = LaneFacts(
    shop_installed=True, channel_on=True, event_open=True, reading=READING, reading_max_age_seconds=120
)


@example(facts=NOT_REMINDED, rows=[REMINDER, REMINDER._replace(id=2, dedupe_key="offer:1:again")])
@given(facts=FACTS, rows=st.lists(ROWS, max_size=40))
def test_what_is_decided_once_for_many_is_what_is_decided_for_each(facts: LaneFacts, rows: list[ClaimedRow]) -> None:
    shop = Shop(1, "demo.myshopify.com", ShopState.installed, "Demo", "en", "EUR", ShopSettings())
    decide = _Decisions(facts, shop, NOW)
    for row in rows:
        assert decide.about(row) == rules.may_send(facts, _person(row, shop, NOW), NOW)


def test_a_claim_shows_no_address(store: Store) -> None:
    row = ClaimedRow(1, 1, NoticeKind.offer, ChannelName.email, "k", NOW, 0, 1, 1, 1, 1, 1, True, None, None, "ada@x")
    assert "ada" not in repr(row) + f"{[row]}"


@pytest.mark.parametrize(
    ("size", "doubt", "count", "seconds", "expected"),
    [
        pytest.param(200, Doubt.resend_once, 200, 0.1, 400, id="told in a moment: more at once, twice as many at most"),
        pytest.param(800, Doubt.resend_once, 800, 0.1, LARGEST_CLAIM, id="never more than is good"),
        pytest.param(1000, Doubt.resend_once, 1000, 1.0, 500, id="as many as half a second tells"),
        pytest.param(1000, Doubt.resend_once, 100, 10.0, 200, id="a slow provider: few"),
        pytest.param(200, Doubt.resend_once, 1, 0.005, 200, id="one message says nothing of many"),
        pytest.param(200, Doubt.at_most_once, 200, 0.01, 200, id="what is never repeated is claimed by few"),
        pytest.param(200, Doubt.resend_once, 200, 0.0, 400, id="a clock that stands still"),
    ],
)
def test_claims_grow_with_speed(size: int, doubt: Doubt, count: int, seconds: float, expected: int) -> None:
    assert next_claim(size, 200, doubt, count, seconds) == expected


def test_a_fan_out_claims_more_and_more_at_once(store: Store) -> None:
    """Whoever is told is told once, whatever the size of the claim."""
    store.join(900)
    store.restock(None)
    limits: list[int] = []

    class Seen(type(store.deliveries._claiming)):  # type: ignore[misc]
        def claim(self, channel: ChannelName, limit: int, lease_seconds: float, *, own: bool = False) -> object:
            limits.append(limit)
            return super().claim(channel, limit, lease_seconds, own=own)

    sending = store.deliveries._sending
    claiming = sending.claiming
    seen = Seen(**{name: getattr(claiming, name) for name in claiming.__dataclass_fields__})
    now = 0.0

    def timer() -> float:
        return now

    def quickly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 0.0001
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = quickly
    replace(sending, claiming=seen, timer=timer).drain(ChannelName.email, 30, lambda: False)
    first = CLAIM_SIZES[ChannelName.email]
    assert limits[:3] == [first, 2 * first, 4 * first]
    told = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(told) == len(set(told)) == 900


NAMED = offers._ACCEPT.format(ids=named(NAMED_OFFERS), t="s")


@pytest.mark.parametrize(
    ("statement", "by", "never_by"),
    [
        pytest.param(offers._ACCEPT_THESE, "pk_offers", "ix_offers_open", id="turns that begin"),
        pytest.param(NAMED, "pk_offers", "ix_offers_open", id="turns that begin, named before"),
        pytest.param(outcomes._SENT_BY_WORKER, "pk_deliveries", "ix_deliveries_lease", id="messages that were sent"),
        pytest.param(outcomes._SENT_BY_LOOKUP, "pk_deliveries", "ix_deliveries_doubtful", id="doubts that are over"),
    ],
)
def test_what_is_recorded_is_looked_up_by_its_key(store: Store, statement: str, by: str, never_by: str) -> None:
    """Statistics from before a large restock call every other way cheaper, and it would be read whole for a hundred."""
    store.sql("ANALYZE offers, deliveries")
    store.join(2000)
    store.restock(None)
    values = {"ids": "{1,2,3}", "message_ids": None, "token": uuid4(), "shop_id": 1, "turn_minutes": 1}
    with store.database.transaction() as session:
        for setting in ("enable_seqscan", "enable_bitmapscan"):
            session.execute(text(f"SET LOCAL {setting} = off"))
        query = f"EXPLAIN {statement}"
        plan = "\n".join(line for (line,) in run_lean(session, query, values | {"remind_hours": None}))
    assert by in plan
    assert never_by not in plan
