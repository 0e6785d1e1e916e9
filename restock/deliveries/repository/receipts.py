"""Receipts: what a provider says later. However late, doubled or out of order they come, a state moves only forward."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import NoticeKind, Receipt, ReceiptStatus
from restock.deliveries.rules import identity
from restock.deliveries.values import DeliveryState, NewDelivery

_STATES = {
    ReceiptStatus.underway: DeliveryState.sent,
    ReceiptStatus.delivered: DeliveryState.delivered,
    ReceiptStatus.bounced: DeliveryState.bounced,
    ReceiptStatus.complained: DeliveryState.complained,
}

# A receipt may overtake our own record of the hand-over, and it ends a doubt. One that was queued again because the
# provider seemed not to have it is not sent a second time; but that an earlier attempt came back does not end the next.
# A mail may come back after a first server had taken it; a text message that arrived has arrived.
_BEFORE = {
    DeliveryState.sent: ["queued", "sending", "unknown"],
    DeliveryState.delivered: ["queued", "sending", "unknown", "sent"],
    DeliveryState.bounced: ["sending", "unknown", "sent", "delivered"],
    DeliveryState.complained: ["sending", "unknown", "sent", "delivered"],
}

_MOVE = text("""
    UPDATE deliveries SET state = :state, reason = nullif(:reason, ''), lease_until = NULL, token = NULL,
        sent_at = coalesce(sent_at, now()), finished_at = CASE WHEN :final THEN now() END,
        provider_message_id = CASE WHEN contact_id IS NOT NULL
            THEN coalesce(CAST(:message_id AS text), provider_message_id) END
    WHERE id = :id AND state = ANY(:before) AND (state <> 'delivered' OR :state <> 'bounced' OR channel = 'email')
      AND (CAST(:shop_id AS bigint) IS NULL OR shop_id = :shop_id)
      AND (:state <> 'bounced' OR provider_message_id = :message_id) IS NOT FALSE
    RETURNING shop_id, CASE kind WHEN 'offer' THEN offer_id END AS offer_id, contact_id, channel = 'email' AS is_email
""")

_NAMED = text("SELECT dedupe_key, created_at FROM deliveries WHERE id = :id AND shop_id = :shop_id")

_SENT_AS = text("""
    SELECT id FROM deliveries
    WHERE provider_message_id = :message_id AND channel = 'email' AND shop_id = :shop_id LIMIT 1
""")

_HOLD_CONTACT = text("""
    SELECT id FROM contacts WHERE id = (
        SELECT contact_id FROM deliveries WHERE id = :id AND (CAST(:shop_id AS bigint) IS NULL OR shop_id = :shop_id)
    ) FOR UPDATE
""")

_BOUNCES = text("""
    SELECT count(*) FROM deliveries
    WHERE contact_id = :contact_id AND state = 'bounced' AND finished_at > now() - make_interval(days => :days)
""")

# The waiting and the others have an index each.
_NEVER_REACHED = text("""
    SELECT count(*) FROM deliveries
    WHERE contact_id = :contact_id AND state = 'bounced' AND reason = :reason
      AND finished_at > greatest(now() - make_interval(days => :days), (
        SELECT max(arrived.finished_at) FROM (
            SELECT id FROM subscriptions WHERE contact_id = :contact_id AND state IN ('pending', 'active')
            UNION ALL
            SELECT id FROM subscriptions WHERE contact_id = :contact_id AND state NOT IN ('pending', 'active')
        ) s
        JOIN offers o ON o.subscription_id = s.id
        JOIN deliveries arrived ON arrived.offer_id = o.id AND arrived.state = 'delivered'
      ))
""")

_AGAIN = text("SELECT channel, subscription_id, event_id, now() AS now FROM deliveries WHERE id = :id")


class Moved(NamedTuple):
    """A delivery whose receipt was news. `offer_id`: the turn that hangs on it."""

    shop_id: int
    offer_id: int | None
    contact_id: int | None
    is_email: bool


def hold_contact(session: Session, delivery_id: int, shop_id: int | None = None) -> None:
    """Hold the contact a transaction is going to suppress: before its delivery, as everybody does.

    `shop_id` as for `move`: another shop's people are not held either.
    """
    session.execute(_HOLD_CONTACT, {"id": delivery_id, "shop_id": shop_id})


def count_bounces(session: Session, contact_id: int, days: int) -> int:
    """Count the messages that came back from a contact lately, whatever the reason."""
    return int(session.execute(_BOUNCES, {"contact_id": contact_id, "days": days}).scalar_one())


def count_since_reached(session: Session, contact_id: int, days: int, reason: str) -> int:
    """Count the messages that came back lately for one reason, since one has arrived."""
    values = {"contact_id": contact_id, "days": days, "reason": reason}
    return int(session.execute(_NEVER_REACHED, values).scalar_one())


def second_try(session: Session, delivery_id: int, moved: Moved, key: str, seconds: float) -> NewDelivery | None:
    """Make the message that follows one that came back, due so many seconds from now; None: there is nobody."""
    row = session.execute(_AGAIN, {"id": delivery_id}).one()
    if moved.contact_id is None or moved.offer_id is None:
        return None
    return NewDelivery(
        moved.shop_id,
        row.channel,
        NoticeKind.reminder,
        key,
        moved.contact_id,
        row.subscription_id,
        moved.offer_id,
        row.event_id or 0,
        row.now + timedelta(seconds=seconds),
    )


def find_named(session: Session, name: str, shop_id: int) -> int | None:
    """Find a shop's delivery by its identity; another instance's, in the same account, may bear the same number."""
    number = name.removeprefix("r").partition("-")[0]
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    row = session.execute(_NAMED, {"id": int(number), "shop_id": shop_id}).first()
    return None if row is None or identity(int(number), row.dedupe_key, row.created_at) != name else int(number)


def find_sent_as(session: Session, message_id: str, shop_id: int) -> int | None:
    """Find a shop's e-mail by the name its provider gave it."""
    return session.execute(_SENT_AS, {"message_id": message_id, "shop_id": shop_id}).scalar()


def move(session: Session, receipt: Receipt, shop_id: int | None = None) -> Moved | None:
    """Move a delivery that was handed over to what its provider says; None when the receipt is no news.

    The token of the worker goes, so that its own record, coming later, changes nothing. The id came out of a signed
    token of ours; `shop_id` is the shop whose provider spoke, None: the instance's own.
    """
    state = _STATES[receipt.status]
    values = {
        "id": receipt.delivery_id,
        "state": state.value,
        "reason": receipt.reason,
        "message_id": receipt.provider_message_id,
        "final": receipt.final,
        "before": _BEFORE[state],
        "shop_id": shop_id,
    }
    row = session.execute(_MOVE, values).first()
    return None if row is None else Moved(*row)
