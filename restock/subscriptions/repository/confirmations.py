"""Asking an address whether it wants to be told: who is to be asked, what the page shows, what a yes changes."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.catalog.repository import request_checks
from restock.channels.values import ChannelName
from restock.subscriptions.repository.endings import lock_contact
from restock.subscriptions.rules.masking import mask_address
from restock.subscriptions.rules.signup import can_be_lifted
from restock.subscriptions.values import ConfirmationDue, ContactView, SuppressionReason

# One a day for each address, however often it is signed up: an earlier wish is forgotten, a later one asks anew.
_TAKE = text("""
    WITH wished AS MATERIALIZED (
        SELECT id, coalesce(confirmation_asked_at <= now() - interval '24 hours', true) AS is_due
        FROM contacts WHERE confirm_requested_at IS NOT NULL
        ORDER BY confirm_requested_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE contacts SET confirm_requested_at = NULL,
        confirmation_asked_at = CASE WHEN wished.is_due THEN now() ELSE confirmation_asked_at END
    FROM wished WHERE contacts.id = wished.id
    RETURNING contacts.id, shop_id, channel, CASE WHEN wished.is_due THEN confirmation_asked_at END AS asked_at
""")

_PURGE = text("""
    DELETE FROM subscriptions WHERE id = ANY(ARRAY(
        SELECT id FROM subscriptions WHERE state = 'pending' AND updated_at < now() - make_interval(days => :days)
        ORDER BY updated_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )) AND state = 'pending'
    RETURNING id
""")

_VIEW = text("""
    SELECT coalesce(shops.name, split_part(shops.domain, '.', 1)), shops.domain, contacts.channel, contacts.address,
        contacts.locale, shops.state = 'installed'
    FROM contacts JOIN shops ON shops.id = contacts.shop_id
    WHERE contacts.id = :contact_id
""")

_LIFT = text("DELETE FROM suppressions WHERE shop_id = :shop_id AND address_hash = :address_hash")

_MARK_CONTACT = text("""
    UPDATE contacts SET suppression = NULL, confirm_requested_at = NULL, updated_at = now(),
        confirmed_at = coalesce(confirmed_at, now())
    WHERE id = :contact_id AND (suppression IS NOT NULL OR confirmed_at IS NULL)
    RETURNING id
""")

_ACTIVATE = text("""
    UPDATE subscriptions SET state = 'active', updated_at = now()
    WHERE contact_id = :contact_id AND state = 'pending'
    RETURNING variant_id
""")

_RECORD = text("""
    INSERT INTO consents (shop_id, contact_id, purpose, action, source)
    VALUES (:shop_id, :contact_id, 'back_in_stock', 'confirmed', :source)
""")


def take_confirmations_due(session: Session, limit: int) -> list[ConfirmationDue]:
    """Take the contacts that are to be asked to confirm, all shops; each is given out once.

    The caller stores the message in the same transaction. Whoever was asked within the last 24 hours is left out.
    """
    return [ConfirmationDue(*row) for row in session.execute(_TAKE, {"limit": limit}) if row.asked_at is not None]


def purge_unconfirmed(session: Session, days: int, limit: int) -> int:
    """Erase wishes whose address has not said yes for so many days, with what was said; return how many went.

    The address goes with its last wish, as any that leads to nothing.
    """
    return len(session.execute(_PURGE, {"days": days, "limit": limit}).all())


def confirm(session: Session, contact_id: int, settle_seconds: float, source: str = "link") -> None:
    """Lift a contact's own no, let its pending subscriptions into the queue, and have their stock looked at.

    `source` says in the ledger how the yes was given.
    """
    contact = lock_contact(session, contact_id)
    if contact is None or (contact.suppression and not can_be_lifted(SuppressionReason(contact.suppression))):
        return
    facts = {"contact_id": contact.id, "shop_id": contact.shop_id, "address_hash": contact.address_hash}
    session.execute(_LIFT, facts)
    marked = session.execute(_MARK_CONTACT, facts).first() is not None
    variants = set(session.execute(_ACTIVATE, facts).scalars())
    if marked or variants:
        session.execute(_RECORD, {**facts, "source": source})
    if variants:
        request_checks(session, contact.shop_id, variants, settle_seconds)


def contact_view(session: Session, contact_id: int) -> ContactView | None:
    """Read what a page may show of a contact; None when it is gone."""
    row = session.execute(_VIEW, {"contact_id": contact_id}).one_or_none()
    if row is None:
        return None
    shop_name, domain, channel_name, address, locale, shop_is_here = row
    channel = ChannelName(channel_name)
    return ContactView(shop_name, domain, channel, mask_address(channel, address), locale, shop_is_here)
