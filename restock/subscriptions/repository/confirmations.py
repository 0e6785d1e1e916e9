"""Asking an address whether it wants to be told: who is to be asked, and what a yes changes."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.subscriptions.values import ConfirmationDue

_TAKE = text("""
    UPDATE contacts SET confirm_requested_at = NULL
    WHERE id IN (
        SELECT id FROM contacts WHERE confirm_requested_at IS NOT NULL
        ORDER BY confirm_requested_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING id, shop_id, channel
""")


def take_confirmations_due(session: Session, limit: int) -> list[ConfirmationDue]:
    """Take the contacts that are to be asked to confirm, all shops; each is given out once.

    The caller stores the message in the same transaction, at most one a day for each contact.
    """
    return [ConfirmationDue(*row) for row in session.execute(_TAKE, {"limit": limit})]
