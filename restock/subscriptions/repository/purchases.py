"""Who on the list may be a buyer, and ending the waiting of somebody who bought.

A customer id counts only where Shopify itself vouched for it (the app proxy): a post may say any.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.subscriptions.values import Listed, Order, SubscriptionState

# One index probe for each way to know the buyer; of everybody else no row is touched. Waiting and told are two
# branches, each with its own partial index.
_LISTED = text("""
    WITH buyer AS MATERIALIZED (
        SELECT id FROM customers WHERE shop_id = :shop_id AND verified_customer_id = :customer_id
    ), contact AS MATERIALIZED (
        SELECT id FROM contacts WHERE shop_id = :shop_id AND address_hash = ANY(CAST(:address_hashes AS bytea[]))
    ), found AS (
        SELECT s.id, true AS by_address FROM contact JOIN subscriptions s ON s.contact_id = contact.id
        WHERE s.state IN ('pending', 'active')
        UNION SELECT s.id, true FROM contact JOIN subscriptions s ON s.contact_id = contact.id
        WHERE s.state NOT IN ('pending', 'active') AND s.state = 'notified'
        UNION SELECT i.subscription_id, false FROM buyer JOIN intents i ON i.customer_id = buyer.id
        WHERE i.closed_at IS NULL
        UNION SELECT i.subscription_id, false FROM buyer JOIN intents i ON i.customer_id = buyer.id
        WHERE i.closed_at IS NOT NULL
    )
    SELECT s.id, s.variant_id, s.state, s.created_at, bool_or(found.by_address) AS by_address, EXISTS (
        SELECT FROM intents i JOIN customers c ON c.id = i.customer_id
        WHERE i.subscription_id = s.id AND c.verified_customer_id IS DISTINCT FROM :customer_id
    ) AS is_shared
    FROM found JOIN subscriptions s ON s.id = found.id
    WHERE s.shop_id = :shop_id AND s.variant_id = ANY(:variant_ids) AND s.state IN ('pending', 'active', 'notified')
    GROUP BY s.id ORDER BY s.id
""")

_STANDING = text("SELECT state, open_offer_id, variant_id FROM subscriptions WHERE id = :id AND shop_id = :shop_id")

_END = text("""
    UPDATE subscriptions SET state = 'purchased', end_reason = 'bought', open_offer_id = NULL, ended_at = now(),
        updated_at = now()
    WHERE id = :id AND shop_id = :shop_id AND state = :state
      AND open_offer_id IS NOT DISTINCT FROM CAST(:open_offer_id AS bigint)
""")

_CLOSE_INTENTS = text("""
    UPDATE intents SET closed_at = now(), updated_at = now() WHERE subscription_id = :id AND closed_at IS NULL
""")

_VERIFY = text("""
    UPDATE customers SET verified_customer_id = :verified
    WHERE id = :customer_id AND shop_id = :shop_id AND verified_customer_id IS DISTINCT FROM :verified
""")

_OPEN_STATES = (SubscriptionState.pending, SubscriptionState.active, SubscriptionState.notified)


class Standing(NamedTuple):
    """How a subscription was found; it is ended only while it still stands so."""

    state: SubscriptionState
    open_offer_id: int | None
    variant_id: int


def listed_buyers(session: Session, shop_id: int, order: Order) -> Sequence[Listed]:
    """Read the subscriptions to an order's variants that may be the buyer's own, waiting or told."""
    values = {
        "shop_id": shop_id,
        "customer_id": order.customer_id,
        "address_hashes": list(order.address_hashes),
        "variant_ids": sorted({line.variant_id for line in order.lines}),
    }
    return [
        Listed(row.id, row.variant_id, SubscriptionState(row.state), row.created_at, row.by_address, row.is_shared)
        for row in session.execute(_LISTED, values)
    ]


def standing(session: Session, shop_id: int, subscription_id: int) -> Standing | None:
    """Read how a subscription stands; None when it is over, or gone."""
    row = session.execute(_STANDING, {"id": subscription_id, "shop_id": shop_id}).one_or_none()
    if row is None or row.state not in _OPEN_STATES:
        return None
    return Standing(SubscriptionState(row.state), row.open_offer_id, row.variant_id)


def mark_purchased(session: Session, shop_id: int, subscription_id: int, seen: Standing) -> bool:
    """End a subscription as bought; False when it no longer stands as it was seen."""
    facts = {"id": subscription_id, "shop_id": shop_id, "state": seen.state, "open_offer_id": seen.open_offer_id}
    ended = session.execute(_END, facts)
    assert isinstance(ended, CursorResult)
    if not ended.rowcount:
        return False
    session.execute(_CLOSE_INTENTS, {"id": subscription_id})
    return True


def verify_customer(session: Session, shop_id: int, customer_id: uuid.UUID, shopify_customer_id: int) -> None:
    """Write down that Shopify itself says which of its customers holds this handle."""
    session.execute(_VERIFY, {"shop_id": shop_id, "customer_id": customer_id, "verified": shopify_customer_id})
