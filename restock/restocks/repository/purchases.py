"""What was bought: one row for each line of an order by somebody on a list, and the turns it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.subscriptions.rules.purchases import Bought, Told
from restock.subscriptions.values import Order, OrderLine

_TOLD = text("""
    SELECT DISTINCT ON (subscription_id) subscription_id, id, event_id, accepted_at FROM offers
    WHERE subscription_id = ANY(:ids) AND shop_id = :shop_id AND accepted_at IS NOT NULL
    ORDER BY subscription_id, accepted_at DESC
""")

# The contact is held against an erasure, which takes the order out of what it finds and must not overlook this one.
_RECORD = text("""
    INSERT INTO purchases (shop_id, order_id, line_id, variant_id, quantity, revenue_cents, currency, subscription_id,
        offer_id, event_id, to_close, close_at, ordered_at)
    SELECT :shop_id, :order_id, :line_id, :variant_id, :quantity, :revenue_cents, :currency, s.id,
        CAST(:offer_id AS bigint), CAST(:event_id AS bigint), CAST(:to_close AS bigint[]), now(), :ordered_at
    FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.id = :subscription_id AND s.shop_id = :shop_id
    FOR KEY SHARE OF c
    ON CONFLICT (shop_id, line_id) DO NOTHING
    RETURNING id
""")

_CLAIM = text("""
    UPDATE purchases SET close_at = now() + make_interval(secs => :lease_seconds)
    WHERE id = ANY(ARRAY(
        SELECT id FROM purchases WHERE close_at <= now() ORDER BY close_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    RETURNING id, shop_id, offer_id, to_close
""")

_CLOSED = text("UPDATE purchases SET to_close = '{}', close_at = NULL WHERE id = :id")

_OPEN_OFFERS = text("""
    SELECT id FROM offers WHERE subscription_id = :subscription_id AND shop_id = :shop_id AND state = 'open' ORDER BY id
""")

_BUY = text("""
    UPDATE offers SET state = 'bought', reason = NULL
    WHERE shop_id = :shop_id AND subscription_id = :subscription_id
      AND (id = ANY(:open_ids) AND state = 'open'
        OR id = :credited_id AND state IN ('open', 'ended', 'declined', 'missed'))
""")

_RECOVERED = text("""
    SELECT (ordered_at AT TIME ZONE 'UTC')::date AS day, variant_id, currency, count(DISTINCT order_id) AS orders,
        sum(quantity)::bigint AS units, sum(revenue_cents)::bigint AS revenue_cents
    FROM purchases
    WHERE shop_id = :shop_id AND offer_id IS NOT NULL AND ordered_at >= :since AND ordered_at < :until
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


class Closing(NamedTuple):
    """A purchase whose subscriptions are still to be ended."""

    id: int
    shop_id: int
    offer_id: int | None
    to_close: Sequence[int]


def last_told(session: Session, shop_id: int, subscription_ids: Sequence[int]) -> dict[int, Told]:
    """Read the last turn of each subscription whose message was accepted; those never told are left out."""
    found = session.execute(_TOLD, {"ids": list(subscription_ids), "shop_id": shop_id})
    return {row.subscription_id: Told(row.id, row.event_id, row.accepted_at) for row in found}


def record(session: Session, shop_id: int, order: Order, line: OrderLine, bought: Bought) -> bool:
    """Write one line down, due to be followed up at once; False when it is there already, or the person was erased."""
    values = {
        "shop_id": shop_id,
        "order_id": order.order_id,
        "line_id": line.line_id,
        "variant_id": line.variant_id,
        "quantity": line.quantity,
        "revenue_cents": line.revenue_cents,
        "currency": order.currency,
        "subscription_id": bought.subscription_id,
        "offer_id": bought.credit.offer_id if bought.credit else None,
        "event_id": bought.credit.event_id if bought.credit else None,
        "to_close": list(bought.close),
        "ordered_at": order.ordered_at,
    }
    return session.execute(_RECORD, values).first() is not None


def claim_closing(session: Session, limit: int, lease_seconds: float) -> list[Closing]:
    """Take purchases that are to be followed up, all shops; those not finished come back after the lease."""
    found = session.execute(_CLAIM, {"limit": limit, "lease_seconds": lease_seconds})
    return [Closing(row.id, row.shop_id, row.offer_id, row.to_close) for row in found]


def finish_closing(session: Session, purchase_id: int) -> None:
    """Note that everything a purchase ends has ended."""
    session.execute(_CLOSED, {"id": purchase_id})


def open_offers(session: Session, shop_id: int, subscription_id: int) -> list[int]:
    """List the open offers of one subscription."""
    found = session.execute(_OPEN_OFFERS, {"subscription_id": subscription_id, "shop_id": shop_id})
    return list(found.scalars())


def buy_offers(
    session: Session, shop_id: int, subscription_id: int, open_ids: Sequence[int], credited_id: int | None
) -> None:
    """End the open offers among these as bought, and the credited one even where its time was over."""
    values = {
        "shop_id": shop_id,
        "subscription_id": subscription_id,
        "open_ids": list(open_ids),
        "credited_id": credited_id,
    }
    session.execute(_BUY, values)


def recovered(
    session: Session, shop_id: int, since: datetime, until: datetime
) -> Sequence[tuple[object, int, str, int, int, int]]:
    """Sum sales that followed a message: (day in UTC, variant, currency, orders, units, cents), in that order."""
    found = session.execute(_RECOVERED, {"shop_id": shop_id, "since": since, "until": until})
    return [(row.day, row.variant_id, row.currency, row.orders, row.units, row.revenue_cents) for row in found]
