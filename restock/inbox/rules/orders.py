"""What an order says to us: who bought how many of which variant, and what was paid for them. Pure.

Money is in hundredths of the shop's own currency, never a float; the lines together never come to more than the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.inbox.rules.fields import (
    UnreadableBodyError,
    gid_number,
    optional_cents,
    optional_count,
    optional_id,
    optional_text,
    own_id,
    read_moment,
)
from restock.subscriptions.rules.emails import normalise_email
from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone
from restock.subscriptions.values import Order, OrderLine

Body = Mapping[str, Any]

ORDER_TOPICS = frozenset({"orders/create", "orders/paid"})
_NO_SALE = frozenset({"voided", "refunded"})
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_MOST_UNITS = 1_000_000
_PEOPLE = ("customer", "billing_address")  # beside the order itself: whose addresses are the buyer's


def read_order(body: Body, triggered_at: datetime, country: str | None) -> Order | None:
    """Read an order; None for one that is no sale: a test, cancelled, or paid back.

    `country` is the shop's, two letters, for phone numbers without one. Raises UnreadableBodyError.
    """
    if body.get("test") is True or body.get("cancelled_at") or optional_text(body.get("financial_status")) in _NO_SALE:
        return None
    currency = body.get("currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UnreadableBodyError("bad_currency")
    return Order(
        order_id=own_id(body),
        ordered_at=read_moment(body.get("created_at")) or triggered_at,
        currency=currency,
        lines=_within_total(_lines(body), _total(body)),
        customer_id=_customer_id(body),
        address_hashes=frozenset(_address_hashes(body, country)),
    )


def _lines(body: Body) -> Iterator[OrderLine]:
    """Yield the lines that sell a variant; one that was taken out of the order again sells nothing."""
    found = body.get("line_items") or []
    if not isinstance(found, list) or not all(isinstance(line, dict) for line in found):
        raise UnreadableBodyError("bad_line_items")
    for line in found:
        variant_id = optional_id(line, "variant_id")
        quantity = optional_count(line, "current_quantity")
        quantity = optional_count(line, "quantity") if quantity is None else quantity
        if variant_id is not None and quantity is not None and 0 < quantity <= _MOST_UNITS:
            yield OrderLine(own_id(line), variant_id, quantity, _paid_cents(line, quantity))


def _paid_cents(line: Body, quantity: int) -> int:
    """Count what a line came to after its discounts, its own and its share of the order's."""
    ordered = optional_count(line, "quantity") or quantity
    full = (optional_cents(line.get("price")) or 0) * quantity
    shares = line.get("discount_allocations")
    allocated = sum(_amount(share) for share in shares) if isinstance(shares, list) else 0
    discount = max(allocated, optional_cents(line.get("total_discount")) or 0)
    return max(0, full - discount * min(quantity, ordered) // ordered)


def _amount(share: object) -> int:
    return (optional_cents(share.get("amount")) or 0) if isinstance(share, dict) else 0


def _total(body: Body) -> int | None:
    now = optional_cents(body.get("current_total_price"))
    return optional_cents(body.get("total_price")) if now is None else now


def _within_total(lines: Iterator[OrderLine], total: int | None) -> tuple[OrderLine, ...]:
    """Keep each line once, and together within the order's total where it is known."""
    kept: dict[int, OrderLine] = {}
    left = total
    for line in lines:
        if line.line_id in kept:
            continue
        revenue = line.revenue_cents if left is None else min(line.revenue_cents, left)
        left = None if left is None else left - revenue
        kept[line.line_id] = replace(line, revenue_cents=revenue)
    return tuple(kept.values())


def _customer_id(body: Body) -> int | None:
    customer = body.get("customer")
    if not isinstance(customer, dict):
        return None
    return gid_number(customer.get("admin_graphql_api_id")) or optional_id(customer, "id")


def _address_hashes(body: Body, country: str | None) -> Iterator[bytes]:
    """Yield the key of every address the buyer gave; one that is none is passed over."""
    people = [body, *(part for name in _PEOPLE if isinstance(part := body.get(name), dict))]
    for text in _texts(people, ("email", "contact_email")):
        if email := normalise_email(text):
            yield address_hash(ChannelName.email, email.lower())
    for text in _texts(people, ("phone",)):
        phone = normalise_phone(text, PhoneHints(shop_region=country))
        if not isinstance(phone, PhoneFault):
            yield address_hash(ChannelName.sms, phone)


def _texts(people: Sequence[Body], keys: Sequence[str]) -> frozenset[str]:
    return frozenset(text for one in people for key in keys if isinstance(text := one.get(key), str) and text.strip())
