"""What stands behind the links of a message: clicks are counted, and whose turn it was is looked up."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.deliveries.values import TurnStanding
from restock.restocks.values import OfferState
from restock.subscriptions.values import SubscriptionState

_GOODS = """
    SELECT clicked.shop_id, s.variant_id, s.product_id, coalesce(s.market_id, 0) AS market_id FROM clicked
    LEFT JOIN subscriptions s ON s.id = clicked.subscription_id AND s.shop_id = clicked.shop_id
"""
_COUNT = text(f"""
    WITH clicked AS (
        UPDATE deliveries SET click_count = click_count + 1, clicked_at = coalesce(clicked_at, now())
        WHERE id = :id RETURNING shop_id, subscription_id
    ) {_GOODS}
""")  # noqa: S608 (a query of our own)
_LOOK = text(f"""
    WITH clicked AS (SELECT shop_id, subscription_id FROM deliveries WHERE id = :id) {_GOODS}
""")  # noqa: S608 (likewise)


_TURN = text("""
    SELECT d.shop_id, d.contact_id, o.state, s.state AS waiting, s.variant_id
    FROM deliveries d
    JOIN offers o ON o.id = d.offer_id AND o.shop_id = d.shop_id
    JOIN subscriptions s ON s.id = o.subscription_id AND s.shop_id = d.shop_id
    WHERE d.id = :id AND d.kind = 'offer' AND d.contact_id IS NOT NULL
""")


_STANDINGS = {
    OfferState.open: TurnStanding.open,
    OfferState.declined: TurnStanding.declined,
    OfferState.bought: TurnStanding.bought,
}


class Clicked(NamedTuple):
    """What a click is about; no variant when the message was about none, or its subscription was erased."""

    shop_id: int
    variant_id: int | None
    product_id: int | None
    market_id: int = 0


def count_click(session: Session, delivery_id: int) -> Clicked | None:
    """Count a click; None for a delivery that does not exist. The id came out of a signed link of ours."""
    row = session.execute(_COUNT, {"id": delivery_id}).first()
    return None if row is None else Clicked(*row)


def look(session: Session, delivery_id: int) -> Clicked | None:
    """Read what a click would be about, without counting one; None for a delivery that does not exist."""
    row = session.execute(_LOOK, {"id": delivery_id}).first()
    return None if row is None else Clicked(*row)


class Turn(NamedTuple):
    """The turn a message was about."""

    shop_id: int
    contact_id: int
    standing: TurnStanding
    variant_id: int


def turn_behind(session: Session, delivery_id: int) -> Turn | None:
    """Look up the turn a message was about; None for a message about none, or of a person who was erased."""
    row = session.execute(_TURN, {"id": delivery_id}).first()
    if row is None:
        return None
    bought = row.waiting == SubscriptionState.purchased
    standing = TurnStanding.bought if bought else _STANDINGS.get(OfferState(row.state), TurnStanding.over)
    return Turn(row.shop_id, row.contact_id, standing, row.variant_id)
