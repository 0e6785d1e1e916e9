"""What is read from an order: exact ids, exact money, the buyer's addresses as keys, and no sale that is none."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.ids import address_hash
from restock.inbox.rules.fields import UnreadableBodyError
from restock.inbox.rules.orders import read_order
from restock.subscriptions.values import Order
from tests.inbox.conftest import NOON, sample

BIG = 2**60 + 1  # not a number a float can hold


def order(**more: Any) -> dict[str, Any]:
    told = {
        "id": BIG,
        "created_at": "2026-11-02T07:00:00-05:00",
        "currency": "EUR",
        "total_price": "1000.00",
        "line_items": [line()],
    }
    return told | more


def line(**more: Any) -> dict[str, Any]:
    return {"id": BIG + 1, "variant_id": BIG + 2, "quantity": 2, "price": "19.99", "total_discount": "0.00"} | more


def read(body: dict[str, Any], country: str | None = None) -> Order:
    found = read_order(body, NOON, country)
    assert found is not None
    return found


def test_ids_beyond_what_a_float_holds_stay_exact() -> None:
    found = read(order(customer={"id": BIG + 3}))
    assert (found.order_id, found.lines[0].line_id, found.lines[0].variant_id) == (BIG, BIG + 1, BIG + 2)
    assert found.customer_id == BIG + 3
    assert found.ordered_at == datetime(2026, 11, 2, 12, tzinfo=UTC)


MONEY = [
    ({}, 3998),
    ({"total_discount": "5.00"}, 3498),
    ({"discount_allocations": [{"amount": "1.01"}, {"amount": "2.02"}]}, 3695),
    ({"total_discount": "1.00", "discount_allocations": [{"amount": "1.00"}]}, 3898),  # the same discount, told twice
    ({"price": "0.10", "quantity": 3}, 30),
    ({"price": "1000", "quantity": 1}, 100_000),
    ({"price": "1.00", "total_discount": "9.00"}, 0),
    ({"price": None}, 0),
    ({"current_quantity": 1}, 1999),  # one of two was taken out of the order again
    ({"current_quantity": 1, "total_discount": "2.00"}, 1899),
]


@pytest.mark.parametrize(("changes", "cents"), MONEY)
def test_a_line_is_worth_what_was_paid_for_it(changes: dict[str, Any], cents: int) -> None:
    assert read(order(line_items=[line(**changes)])).lines[0].revenue_cents == cents


@pytest.mark.parametrize(
    "changes",
    [{"test": True}, {"cancelled_at": "2026-11-02T07:00:00-05:00"}, {"financial_status": "voided"}],
)
def test_what_is_no_sale_is_no_order(changes: dict[str, Any]) -> None:
    assert read_order(order(**changes), NOON, None) is None


def test_shopifys_own_sample_is_a_cancelled_test_order() -> None:
    assert read_order(sample("orders/create"), NOON, None) is None
    read(sample("orders/create") | {"test": False, "cancelled_at": None, "financial_status": "paid"})


@pytest.mark.parametrize(
    "changes", [{"variant_id": None}, {"quantity": 0}, {"current_quantity": 0}, {"quantity": None}]
)
def test_a_line_that_sells_no_variant_is_left_out(changes: dict[str, Any]) -> None:
    assert read(order(line_items=[line(**changes)])).lines == ()


def test_a_line_told_twice_counts_once() -> None:
    assert len(read(order(line_items=[line(), line()])).lines) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": None}, "bad_currency"),
        ({"currency": "euro"}, "bad_currency"),
        ({"id": None}, "bad_id"),
        ({"line_items": "many"}, "bad_line_items"),
        ({"line_items": [line(id="x")]}, "bad_id"),
    ],
)
def test_a_body_that_cannot_be_used_says_why_and_quotes_nothing(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableBodyError) as refused:
        read_order(order(**changes), NOON, None)
    assert refused.value.reason == reason


def test_every_address_the_buyer_gave_is_a_key_as_a_sign_up_would_make_it() -> None:
    found = read(
        order(
            email=" Ada@Example.COM ",
            contact_email="ada@work.example.org",
            phone="+49 1512 3456789",
            customer={"id": 7, "email": "nonsense", "phone": "01512 3456780"},
            billing_address={"phone": "0151 23456781"},
        ),
        "DE",
    )
    assert found.address_hashes == {
        address_hash("email", "ada@example.com"),
        address_hash("email", "ada@work.example.org"),
        address_hash("sms", "+4915123456789"),
        address_hash("sms", "+4915123456780"),
        address_hash("sms", "+4915123456781"),
    }
    assert "example" not in repr(found)


def test_a_guest_without_an_address_is_nobody() -> None:
    found = read(order(customer=None, email="", phone=None))
    assert (found.customer_id, found.address_hashes) == (None, frozenset())


amounts = st.decimals(0, 10_000, places=2).map(str)


@given(
    st.lists(st.tuples(amounts, st.integers(1, 50), amounts, st.none() | st.integers(0, 50)), max_size=8),
    st.none() | amounts,
)
def test_the_lines_never_come_to_more_than_the_order(
    drawn: list[tuple[str, int, str, int | None]], total: str | None
) -> None:
    lines = [
        line(id=number + 1, price=price, quantity=quantity, total_discount=discount, current_quantity=current)
        for number, (price, quantity, discount, current) in enumerate(drawn)
    ]
    found = read(order(line_items=lines, total_price=total))
    assert all(one.revenue_cents >= 0 for one in found.lines)
    if total is not None:
        assert sum(one.revenue_cents for one in found.lines) <= Decimal(total) * 100
