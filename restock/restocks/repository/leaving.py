"""What ends when a shop leaves: its open events, in the transaction that marks the shop."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.restocks.values import CloseReason

_CLOSE_ALL = text("""
    UPDATE restock_events
    SET closed_at = now(), close_reason = :reason, plan_at = NULL, cursor_queued_at = NULL, cursor_id = NULL,
        cursor_priority = NULL, walk_again = false, look_at = NULL, settle_at = now() + interval '8 days'
    WHERE id IN (
        SELECT id FROM restock_events WHERE shop_id = :shop_id AND closed_at IS NULL ORDER BY id FOR NO KEY UPDATE
    )
""")


def close_events(session: Session, shop_id: int) -> int:
    """Close every open event of a shop and say how many; queued messages find them closed and return their offers.

    Turns that are running go on, and keep their units should the shop come back: see `repository.close_event`.
    """
    result = session.execute(_CLOSE_ALL, {"shop_id": shop_id, "reason": CloseReason.shop_uninstalled})
    assert isinstance(result, CursorResult)
    return result.rowcount
