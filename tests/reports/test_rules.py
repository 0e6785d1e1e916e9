"""One sentence for each place in the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from restock.reports.rules import explain_left, explain_waiting, free_units, mask_address
from restock.reports.values import PlaceFacts, StockNow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADA = PlaceFacts(1, "email", "a•••@example.com", 2, "active", None, NOON, None, None, None, None, None, None, None)
SOLD_OUT = StockNow(sellable=False, units=0, event_is_open=False, free_units=0)


@pytest.mark.parametrize(
    ("units", "factor", "open_units", "free"),
    [(3, 1.0, 0, 3), (3, 2.0, 4, 2), (3, 1.5, 0, 4), (1, 1.0, 5, 0), (None, 1.0, 9, None), (3, None, 9, None)],
)
def test_free_units_are_what_is_left_of_units_times_factor(
    units: int | None, factor: float | None, open_units: int, free: int | None
) -> None:
    assert free_units(units, factor, open_units) == free


def test_a_sold_out_queue_counts_people_and_units_ahead() -> None:
    queue = [ADA, replace(ADA, subscription_id=2, quantity=1), replace(ADA, subscription_id=3)]
    places = explain_waiting(queue, SOLD_OUT)
    assert [place.position for place in places] == [1, 2, 3]
    assert [place.reason for place in places] == [
        "First in line: told as soon as it is back.",
        "Waits: 1 ahead, wanting 2 units.",
        "Waits: 2 ahead, wanting 3 units.",
    ]


@pytest.mark.parametrize(
    ("changes", "now", "sentence"),
    [
        ({"state": "pending"}, SOLD_OUT, "confirmed"),
        ({"offer_state": "open"}, StockNow(True, 3, True, 0), "on its way"),
        ({"offer_state": "open", "delivery_state": "unknown"}, StockNow(True, 3, True, 0), "nobody answered"),
        ({"quantity": 5}, StockNow(True, 3, True, 3), "Wants 5 units, 3 in stock: waits for a larger restock."),
        ({}, StockNow(True, 3, True, 0), "All 3 units in stock are offered to others"),
        ({}, StockNow(True, 3, True, 1), "Wants 2 units, 1 still free"),
        ({}, StockNow(True, None, True, None), "Next in line"),
        ({"delivery_state": "skipped", "delivery_reason": "sold_out"}, SOLD_OUT, "sold out again"),
        ({"delivery_state": "failed", "delivery_reason": "refused"}, SOLD_OUT, "could not be delivered"),
    ],
)
def test_each_standing_has_its_own_sentence(changes: dict[str, object], now: StockNow, sentence: str) -> None:
    place = explain_waiting([replace(ADA, **changes)], now)[0]  # type: ignore[arg-type]
    assert sentence in place.reason


def test_a_told_person_reads_how_long_it_took() -> None:
    told = replace(ADA, state="notified", turn_came_at=NOON, wave_number=1, sent_at=NOON + timedelta(seconds=2.14))
    assert explain_left(told).reason == "Told 2.1 s after the restock was seen."
    assert explain_left(replace(told, wave_number=2)).reason == "Told 2.1 s after their turn came."
    assert explain_left(replace(told, delivery_state="bounced")).reason.startswith("The message came back")
    assert explain_left(replace(ADA, state="cancelled", end_reason="unsubscribed")).reason == "Left the list."


def test_an_address_is_never_shown_whole() -> None:
    assert mask_address("email", "ada@example.com") == "a•••@example.com"
    assert "5550123" not in mask_address("sms", "+12015550123")
    assert "secret" not in mask_address("push", "https://push.example/secret")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0.1 s"), (89, "89.0 s"), (720, "12 min"), (18_000, "5 h"), (2_165_401, "25 days")]
)
def test_a_long_while_is_told_in_larger_units(seconds: float, said: str) -> None:
    told = replace(ADA, state="notified", turn_came_at=NOON, wave_number=1, sent_at=NOON + timedelta(seconds=seconds))
    assert explain_left(told).reason == f"Told {said} after the restock was seen."
