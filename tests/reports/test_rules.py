"""One sentence for each place in the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from restock.catalog.values import ReadingSource, StockReading
from restock.reports.rules import explain_one, explain_waiting, mask_address
from restock.reports.values.standing import PlaceFacts, Standing, StockNow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADA = PlaceFacts(1, "email", "a•••@example.com", 2, "active", None, NOON)


def stock(units: int | None, free: int | None = 0, *, is_open: bool = True) -> StockNow:
    reading = StockReading(1, 9, units != 0, units, ReadingSource.webhook, NOON)
    return StockNow(reading, event_is_open=is_open, free_units=free)


SOLD_OUT = stock(0, is_open=False)


def said(person: PlaceFacts, now: StockNow = SOLD_OUT) -> str:
    return explain_one(Standing(person, now), NOON + timedelta(hours=1)).reason


def test_a_sold_out_queue_counts_people_and_units_ahead() -> None:
    queue = [ADA, replace(ADA, subscription_id=2, quantity=1), replace(ADA, subscription_id=3)]
    places = explain_waiting(queue, SOLD_OUT, NOON)
    assert [place.position for place in places] == [1, 2, 3]
    assert [place.reason for place in places] == [
        "First in line: told as soon as it is back.",
        "Waits: 1 ahead, wanting 2 units.",
        "Waits: 2 ahead, wanting 3 units.",
    ]


def test_whoever_has_paused_or_not_said_yes_keeps_a_place_and_is_ahead_of_nobody() -> None:
    queue = [replace(ADA, is_paused=True), replace(ADA, state="pending"), ADA, replace(ADA, subscription_id=2)]
    places = explain_waiting(queue, SOLD_OUT, NOON)
    assert [place.position for place in places] == [1, 2, 3, 4]
    assert [place.reason for place in places[2:]] == [
        "First in line: told as soon as it is back.",
        "Waits: 1 ahead, wanting 2 units.",
    ]


@pytest.mark.parametrize(
    ("changes", "now", "sentence"),
    [
        ({"state": "pending"}, SOLD_OUT, "confirmed"),
        ({"offer_state": "open"}, stock(3), "on its way"),
        ({"offer_state": "open", "delivery_state": "unknown"}, stock(3), "nobody answered"),
        ({"quantity": 5}, stock(3, 3), "Wants 5 units, 3 in stock: waits for a larger restock."),
        ({}, stock(3), "All 3 units in stock are offered to others"),
        ({"quantity": 1}, stock(1), "The one unit in stock is offered to others"),
        ({}, stock(3, 1), "Wants 2 units, 1 still free"),
        ({}, stock(None, None), "Next in line"),
        (
            {"offer_state": "returned", "delivery_state": "skipped", "delivery_reason": "sold_out"},
            SOLD_OUT,
            "sold out again",
        ),
        (
            {"offer_state": "returned", "delivery_state": "failed", "delivery_reason": "refused"},
            SOLD_OUT,
            "could not be delivered",
        ),
    ],
)
def test_each_standing_has_its_own_sentence(changes: dict[str, object], now: StockNow, sentence: str) -> None:
    assert sentence in said(replace(ADA, **changes), now)  # type: ignore[arg-type]


def test_a_told_person_reads_how_long_it_took() -> None:
    told = replace(ADA, state="notified", turn_came_at=NOON, wave_number=1, sent_at=NOON + timedelta(seconds=2.14))
    assert said(told) == "Told 2.1 s after the restock was seen."
    assert said(replace(told, wave_number=2)) == "Told 2.1 s after their turn came."
    assert said(replace(told, delivery_state="bounced")).startswith("The message came back")
    assert said(replace(ADA, state="cancelled", end_reason="unsubscribed")) == "Left the list."


def test_an_address_is_never_shown_whole() -> None:
    assert mask_address("email", "ada@example.com") == "a•••@example.com"
    assert "5550123" not in mask_address("sms", "+12015550123")
    assert "secret" not in mask_address("push", "https://push.example/secret")


@pytest.mark.parametrize(
    ("seconds", "span"), [(0, "0.1 s"), (89, "89.0 s"), (720, "12 min"), (18_000, "5 h"), (2_165_401, "25 days")]
)
def test_a_long_while_is_told_in_larger_units(seconds: float, span: str) -> None:
    told = replace(ADA, state="notified", turn_came_at=NOON, wave_number=1, sent_at=NOON + timedelta(seconds=seconds))
    assert said(told) == f"Told {span} after the restock was seen."
