"""The passes over shops' waiting variants: one row a shop, taken under a lease by one worker at a time."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.restocks.values import ReconcileState, ShopPass

_ADD = text("INSERT INTO reconcile_state (shop_id) VALUES (:shop_id) ON CONFLICT DO NOTHING")

_HURRY = text(
    "UPDATE reconcile_state SET next_at = least(next_at, now()) WHERE shop_id = :shop_id AND started_at IS NULL"
)

_CLAIM = text("""
    UPDATE reconcile_state SET next_at = now() + make_interval(secs => :lease_seconds),
        started_at = coalesce(started_at, now())
    WHERE shop_id = ANY(ARRAY(
        SELECT shop_id FROM reconcile_state WHERE next_at <= now() AND shop_id <> ALL(:busy)
        ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    RETURNING shop_id, started_at, cursor_variant_id, seen_count, coalesce(last_variant_count, 0)
""")

_ADVANCE = text("""
    UPDATE reconcile_state SET cursor_variant_id = :cursor, seen_count = seen_count + :seen,
        next_at = now() + make_interval(secs => :seconds)
    WHERE shop_id = :shop_id AND started_at = :started_at AND cursor_variant_id = :was
""")

_FINISH = text("""
    UPDATE reconcile_state SET last_started_at = started_at, last_finished_at = now(),
        last_variant_count = seen_count + :seen, started_at = NULL, cursor_variant_id = 0, seen_count = 0,
        next_at = greatest(now(), started_at + make_interval(secs => :interval_seconds))
    WHERE shop_id = :shop_id AND started_at = :started_at AND cursor_variant_id = :was
""")

_POSTPONE = text("""
    UPDATE reconcile_state SET next_at = now() + make_interval(secs => :seconds)
    WHERE shop_id = :shop_id AND started_at = :started_at
""")

_DROP = text("DELETE FROM reconcile_state WHERE shop_id = :shop_id AND started_at = :started_at")

_STATE = text("""
    SELECT started_at, last_started_at, last_finished_at, last_variant_count,
        greatest(:interval_seconds, extract(epoch FROM last_finished_at - last_started_at))::float8
    FROM reconcile_state WHERE shop_id = :shop_id
""")


def add_pass(session: Session, shop_id: int) -> None:
    """Have a shop's waiting variants passed over from now on; one that is already stays as it is."""
    session.execute(_ADD, {"shop_id": shop_id})


def hurry_pass(session: Session, shop_id: int) -> None:
    """Have the next pass begin now; one under way goes on as it is."""
    session.execute(_HURRY, {"shop_id": shop_id})


def claim_passes(session: Session, limit: int, lease_seconds: float, busy_shops: Collection[int]) -> list[ShopPass]:
    """Take the shops that have waited longest for their next page; a new pass begins where none is under way."""
    values = {"limit": limit, "lease_seconds": lease_seconds, "busy": list(busy_shops)}
    return [ShopPass(*row) for row in session.execute(_CLAIM, values)]


def advance_pass(session: Session, state: ShopPass, cursor: int, seen_count: int, seconds: float) -> None:
    """Remember where a pass has come to; it goes on after so many seconds."""
    values = {"cursor": cursor, "seen": seen_count, "seconds": seconds}
    session.execute(_ADVANCE, _fence(state) | values)


def finish_pass(session: Session, state: ShopPass, seen_count: int, interval_seconds: float) -> None:
    """End a pass and remember how it went; the next one begins an interval after this one began, or at once."""
    values = {"seen": seen_count, "interval_seconds": interval_seconds}
    session.execute(_FINISH, _fence(state) | values)


def postpone_pass(session: Session, state: ShopPass, seconds: float) -> None:
    """Have a pass go on after so many seconds, from where it is."""
    session.execute(_POSTPONE, {"shop_id": state.shop_id, "started_at": state.started_at, "seconds": seconds})


def drop_pass(session: Session, state: ShopPass) -> None:
    """Forget a shop that cannot be asked (any more)."""
    session.execute(_DROP, {"shop_id": state.shop_id, "started_at": state.started_at})


def reconcile_state(session: Session, shop_id: int, interval_seconds: float) -> ReconcileState | None:
    """Read how a shop's passes go; None for a shop that has none."""
    row = session.execute(_STATE, {"shop_id": shop_id, "interval_seconds": interval_seconds}).first()
    if row is None:
        return None
    started_at, last_started_at, last_finished_at, variant_count, interval = row
    reached = None if last_finished_at is None else interval
    return ReconcileState(started_at, last_started_at, last_finished_at, variant_count, reached)


def _fence(state: ShopPass) -> dict[str, object]:
    return {"shop_id": state.shop_id, "started_at": state.started_at, "was": state.cursor_variant_id}
