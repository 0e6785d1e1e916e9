"""Receipts: what a provider says later. However late, doubled or out of order they come, a state moves only forward."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import Receipt
from restock.deliveries.values import DeliveryState

# A receipt may overtake our own record of the hand-over, and it ends a doubt.
_BEFORE = {
    DeliveryState.delivered: ["sending", "unknown", "sent"],
    DeliveryState.bounced: ["sending", "unknown", "sent", "delivered"],
    DeliveryState.complained: ["sending", "unknown", "sent", "delivered"],
}

_MOVE = text("""
    UPDATE deliveries SET state = :state, reason = nullif(:reason, ''), finished_at = now(), lease_until = NULL,
        token = NULL, sent_at = coalesce(sent_at, now()),
        provider_message_id = coalesce(:message_id, provider_message_id)
    WHERE id = :id AND state = ANY(:before)
    RETURNING shop_id, offer_id, contact_id
""")


class Moved(NamedTuple):
    """A delivery whose receipt was news."""

    shop_id: int
    offer_id: int | None
    contact_id: int | None


def move(session: Session, receipt: Receipt) -> Moved | None:
    """sent (or not yet known to be) -> delivered, bounced or complained; None when the receipt is no news.

    The id came out of a signed token of ours.
    """
    state = DeliveryState(receipt.status.value)
    values = {
        "id": receipt.delivery_id,
        "state": state.value,
        "reason": receipt.reason,
        "message_id": receipt.provider_message_id,
        "before": _BEFORE[state],
    }
    row = session.execute(_MOVE, values).first()
    return None if row is None else Moved(*row)
