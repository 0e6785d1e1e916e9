"""How waiting ends otherwise than by being told: the person's no, a dead address, time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.subscriptions.rules.signup import can_be_lifted
from restock.subscriptions.values import AddressHolder, SuppressionReason

_MISSING_BELIEVED_SECONDS, _MISSING_FORGOTTEN_SECONDS = 24 * 3600, 90 * 24 * 3600

_MISSING_SECONDS = text("""
    SELECT extract(epoch FROM now()) - CAST(push_keys ->> 'missing_at' AS float8) FROM contacts
    WHERE id = :contact_id AND shop_id = :shop_id
""")
_NOTE_MISSING = text("""
    UPDATE contacts SET push_keys = push_keys || jsonb_build_object('missing_at', extract(epoch FROM now()))
    WHERE id = :contact_id AND shop_id = :shop_id AND push_keys IS NOT NULL
""")


_LIFTABLE = [reason.value for reason in SuppressionReason if can_be_lifted(reason)]

_LOCK_CONTACT = text("""
    SELECT id, shop_id, channel, address_hash, suppression FROM contacts
    WHERE id = :contact_id AND (shop_id = :shop_id OR CAST(:shop_id AS bigint) IS NULL)
    FOR UPDATE
""")

# One look at an index for each shop, however many people there are. A shop that has left counts too: it may be back
# with everybody who waited, and a no said meanwhile is a no.
_OF_ADDRESS = text("""
    SELECT contacts.id, contacts.shop_id, contacts.suppression, shops.name, shops.domain,
        coalesce(contacts.locale, shops.locale) AS locale FROM shops
    JOIN contacts ON contacts.shop_id = shops.id AND contacts.address_hash = :address_hash
    ORDER BY shops.state = 'installed' DESC, contacts.updated_at DESC, contacts.id
""")

# A person's no gives way to a dead address, never the other way round; a STOP says more than a click.
_SUPPRESS = text("""
    INSERT INTO suppressions AS old (shop_id, address_hash, channel, reason)
    VALUES (:shop_id, :address_hash, :channel, :reason)
    ON CONFLICT (shop_id, address_hash) DO UPDATE SET reason = excluded.reason
    WHERE old.reason = ANY(:liftable)
        AND (excluded.reason <> ALL(:liftable) OR (excluded.reason = 'stopped' AND old.reason <> 'stopped'))
    RETURNING reason
""")

_MARK_CONTACT = text("""
    UPDATE contacts SET confirm_requested_at = NULL, updated_at = now(), suppression = (
        SELECT reason FROM suppressions WHERE shop_id = :shop_id AND address_hash = :address_hash)
    WHERE id = :contact_id
""")

_CANCEL = text("""
    WITH ended AS (
        UPDATE subscriptions SET state = 'cancelled', end_reason = :reason, open_offer_id = NULL, ended_at = now(),
            updated_at = now()
        WHERE contact_id = :contact_id AND state IN ('pending', 'active')
        RETURNING id
    ), closed AS (
        UPDATE intents SET closed_at = now(), updated_at = now()
        FROM ended WHERE intents.subscription_id = ended.id AND intents.closed_at IS NULL
    )
    SELECT count(*) FROM ended
""")

_WITHDRAW = text("""
    INSERT INTO consents (shop_id, contact_id, purpose, action, source)
    VALUES (:shop_id, :contact_id, 'back_in_stock', 'withdrawn', :reason)
""")

_EXPIRE = text("""
    WITH due AS (
        SELECT id FROM subscriptions
        WHERE state IN ('pending', 'active') AND expires_at <= now() AND open_offer_id IS NULL
        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE subscriptions SET state = 'expired', end_reason = 'waited_too_long', ended_at = now(), updated_at = now()
        FROM due WHERE subscriptions.id = due.id
        RETURNING subscriptions.id
    ), closed AS (
        UPDATE intents SET closed_at = now(), updated_at = now()
        FROM ended WHERE intents.subscription_id = ended.id AND intents.closed_at IS NULL
    )
    SELECT count(*) FROM ended
""")


def lock_contact(session: Session, contact_id: int, shop_id: int | None = None) -> Row[Any] | None:
    """Lock and read a contact; `shop_id` None when a signed link names it. None when there is no such contact."""
    return session.execute(_LOCK_CONTACT, {"contact_id": contact_id, "shop_id": shop_id}).one_or_none()


def contacts_of(session: Session, address_hash: bytes) -> list[AddressHolder]:
    """List the contacts that have this address, one for each shop: of those that have the app first, the last changed
    first."""
    return [
        AddressHolder(
            row.id, row.shop_id, row.suppression, row.name or row.domain.partition(".")[0], row.locale or "en"
        )
        for row in session.execute(_OF_ADDRESS, {"address_hash": address_hash})
    ]


def unsubscribe(session: Session, contact_id: int) -> None:
    """Suppress the contact's address by its own word and end what it waits for; the ledger gets the no once."""
    contact = lock_contact(session, contact_id)
    if contact is not None:
        _end(session, contact, SuppressionReason.unsubscribed)


def is_missing_again(session: Session, shop_id: int, contact_id: int) -> bool:
    """Note that a push service does not know a browser; True when it was said a day ago or longer, and lately.

    The note stands with the browser's keys: who signs up anew begins without one.
    """
    facts = {"shop_id": shop_id, "contact_id": contact_id}
    seconds = session.execute(_MISSING_SECONDS, facts).scalar_one_or_none()
    if seconds is None or seconds > _MISSING_FORGOTTEN_SECONDS:
        session.execute(_NOTE_MISSING, facts)
        return False
    return float(seconds) >= _MISSING_BELIEVED_SECONDS


def suppress(session: Session, shop_id: int, contact_id: int, reason: SuppressionReason) -> None:
    """Suppress the contact's address and end what it waits for; a person's no goes into the ledger once."""
    contact = lock_contact(session, contact_id, shop_id)
    if contact is not None:
        _end(session, contact, reason)


def _end(session: Session, contact: Row[Any], reason: SuppressionReason) -> None:
    facts = {
        "shop_id": contact.shop_id,
        "contact_id": contact.id,
        "channel": contact.channel,
        "address_hash": contact.address_hash,
        "reason": reason.value,
        "liftable": _LIFTABLE,
    }
    changed = session.execute(_SUPPRESS, facts).scalar_one_or_none() is not None
    session.execute(_MARK_CONTACT, facts)
    ended = session.execute(_CANCEL, facts).scalar_one()
    if can_be_lifted(reason) and (changed or ended):
        session.execute(_WITHDRAW, facts)


def expire_due(session: Session, limit: int) -> int:
    """End at most `limit` subscriptions past their time, all shops; those whose turn is being handed over wait."""
    return int(session.execute(_EXPIRE, {"limit": limit}).scalar_one())
