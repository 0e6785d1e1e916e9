"""Every query on restocks: events, waves, offers. What two workers may do at once is one conditional statement each.

Locks on rows that others see are taken in the order deliveries, offers, event, subscriptions, lane; keep to it in every
new statement. A row of an event is locked FOR NO KEY UPDATE: new offers and waves refer to it without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.restocks.values import CloseReason, OpenEvent, StockDue, Turn
from restock.subscriptions.values import Cursor

_COLUMNS = "id, shop_id, variant_id, opened_at, wave_count, cursor_priority, cursor_queued_at, cursor_id"

_LOCK = text(f"""
    SELECT {_COLUMNS} FROM restock_events
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND closed_at IS NULL
    FOR NO KEY UPDATE
""")  # noqa: S608 (the column list above)

_CLAIM = text(f"""
    SELECT {_COLUMNS} FROM restock_events
    WHERE closed_at IS NULL AND plan_at <= now()
    ORDER BY plan_at, id LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
""")  # noqa: S608 (the column list above)

_OPEN = text("""
    INSERT INTO restock_events (shop_id, variant_id, units_at_open, plan_at, stock_changed_at)
    VALUES (:shop_id, :variant_id, :units, now(), :changed_at)
    ON CONFLICT (shop_id, variant_id) WHERE closed_at IS NULL
    DO UPDATE SET plan_at = now(), cursor_queued_at = NULL, cursor_id = NULL
""")

_REPLAN = text("""
    UPDATE restock_events SET plan_at = now(), cursor_queued_at = NULL, cursor_id = NULL
    WHERE id IN (SELECT id FROM restock_events WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE)
      AND closed_at IS NULL
""")

_CLOSE = text("""
    UPDATE restock_events
    SET closed_at = now(), close_reason = :reason, plan_at = NULL, cursor_queued_at = NULL, cursor_id = NULL
    WHERE id = :id AND closed_at IS NULL
""")

_OPEN_UNITS = text("""
    SELECT coalesce(sum(units), 0)::bigint FROM offers WHERE event_id = :event_id AND state = 'open'
""")

_ANY_TURN = text("SELECT EXISTS (SELECT 1 FROM offers WHERE event_id = :event_id AND state = 'open')")

_NEW_WAVE = text("""
    WITH counted AS (UPDATE restock_events SET wave_count = wave_count + 1 WHERE id = :event_id RETURNING wave_count)
    INSERT INTO waves (shop_id, event_id, number, units, free_units)
    SELECT :shop_id, :event_id, wave_count, :units, :free_units FROM counted
    RETURNING id
""")

_RUNNING_WAVE = text("SELECT id FROM waves WHERE event_id = :event_id AND number = :number")

_COUNT_IN = text("""
    UPDATE waves SET offered_count = offered_count + :offered, offered_units = offered_units + :units,
        passed_over_count = passed_over_count + :passed
    WHERE id = :id
""")

_MOVE_CURSOR = text("""
    UPDATE restock_events SET cursor_priority = :priority, cursor_queued_at = :queued_at, cursor_id = :cursor_id,
        plan_at = CASE WHEN CAST(:cursor_id AS bigint) IS NULL THEN NULL ELSE now() END
    WHERE id = :id
""")

_ADD_OFFERS = text("""
    INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units)
    SELECT :shop_id, :event_id, :wave_id, turn.subscription_id, turn.units
    FROM unnest(CAST(:subscription_ids AS bigint[]), CAST(:units AS int[])) AS turn(subscription_id, units)
    RETURNING subscription_id, id
""")

_DROP_OFFERS = text("DELETE FROM offers WHERE id = ANY(:ids)")

_RETURNS = text("""
    SELECT subscription_id, array_agg(reason) AS reasons FROM offers
    WHERE subscription_id = ANY(:subscription_ids) AND event_id = :event_id AND state = 'returned'
    GROUP BY subscription_id
""")

_ACCEPT = text("""
    UPDATE offers SET accepted_at = now(), ends_at = now() + make_interval(mins => :turn_minutes)
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
    RETURNING subscription_id
""")

_RETURN = text("""
    UPDATE offers SET state = 'returned', reason = :reason
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
    RETURNING subscription_id, event_id
""")

_END = text("""
    UPDATE offers SET state = 'ended'
    WHERE id IN (
        SELECT id FROM offers WHERE state = 'open' AND ends_at <= now()
        ORDER BY ends_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AND state = 'open'
    RETURNING event_id
""")

_MISSED = text("""
    UPDATE offers SET state = 'ended', reason = 'missed'
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NOT NULL
    RETURNING event_id
""")

_DUE = text("""
    SELECT EXISTS (SELECT 1 FROM stock_checks WHERE due_at <= now()) AS checks,
        EXISTS (SELECT 1 FROM restock_events WHERE closed_at IS NULL AND plan_at <= now()) AS plans,
        EXISTS (SELECT 1 FROM reconcile_state WHERE next_at <= now()) AS passes
""")


def lock_open_event(session: Session, shop_id: int, variant_id: int) -> OpenEvent | None:
    """Hold a variant's open event until the transaction ends; None when none is open."""
    return _event(session.execute(_LOCK, {"shop_id": shop_id, "variant_id": variant_id}).first())


def claim_event(session: Session) -> OpenEvent | None:
    """Hold the event that has waited longest for planning and that nobody else is planning; None when none is due."""
    return _event(session.execute(_CLAIM).first())


def open_event(
    session: Session, shop_id: int, variant_id: int, units: int | None, told_at: datetime | None = None
) -> None:
    """Open a variant's event, due for planning at once; when one is open already, that one is planned again.

    `told_at` is when the first webhook behind it came, None when it was found without one.
    """
    values = {"shop_id": shop_id, "variant_id": variant_id, "units": units, "changed_at": told_at}
    session.execute(_OPEN, values)


def replan(session: Session, event_ids: Sequence[int]) -> None:
    """Have the queue of these events walked again from its head; closed events stay closed."""
    if event_ids:
        session.execute(_REPLAN, {"ids": sorted(set(event_ids))})


def close_event(session: Session, event_id: int, reason: CloseReason) -> None:
    """Close an event. Its queued messages find it closed when their time comes, and return their offers."""
    session.execute(_CLOSE, {"id": event_id, "reason": reason.value})


def open_units(session: Session, event_id: int) -> int:
    """Count the units that an event's open offers keep."""
    return int(session.execute(_OPEN_UNITS, {"event_id": event_id}).scalar_one())


def has_open_turn(session: Session, event_id: int) -> bool:
    """Say whether an event has an open offer; cheap however many there are."""
    return bool(session.execute(_ANY_TURN, {"event_id": event_id}).scalar_one())


def start_wave(session: Session, event: OpenEvent, units: int | None, free_units: int | None) -> int:
    """Begin a walk along an event's queue; return the wave's id."""
    values = {"shop_id": event.shop_id, "event_id": event.id, "units": units, "free_units": free_units}
    return int(session.execute(_NEW_WAVE, values).scalar_one())


def running_wave(session: Session, event: OpenEvent) -> int:
    """Return the id of the wave whose walk goes on."""
    return int(session.execute(_RUNNING_WAVE, {"event_id": event.id, "number": event.wave_count}).scalar_one())


def count_in(session: Session, wave_id: int, turns: Sequence[Turn], passed_over_count: int) -> None:
    """Add one page's outcome to its wave."""
    values = {"id": wave_id, "offered": len(turns), "units": sum(t.units for t in turns), "passed": passed_over_count}
    session.execute(_COUNT_IN, values)


def move_cursor(session: Session, event_id: int, cursor: Cursor | None) -> None:
    """Remember where a walk goes on, due at once; None ends the walk, and nothing is due until something changes."""
    priority, queued_at, cursor_id = cursor or (None, None, None)
    values = {"id": event_id, "priority": priority, "queued_at": queued_at, "cursor_id": cursor_id}
    session.execute(_MOVE_CURSOR, values)


def add_offers(session: Session, event: OpenEvent, wave_id: int, turns: Sequence[Turn]) -> dict[int, int]:
    """Write one offer for each turn; return subscription id -> offer id."""
    values = {
        "shop_id": event.shop_id,
        "event_id": event.id,
        "wave_id": wave_id,
        "subscription_ids": [turn.subscription_id for turn in turns],
        "units": [turn.units for turn in turns],
    }
    return {row.subscription_id: row.id for row in session.execute(_ADD_OFFERS, values)}


def drop_offers(session: Session, offer_ids: Sequence[int]) -> None:
    """Take back offers of this same transaction, whose subscription was gone by then."""
    if offer_ids:
        session.execute(_DROP_OFFERS, {"ids": list(offer_ids)})


def returns_by_subscription(session: Session, event_id: int, subscription_ids: Sequence[int]) -> dict[int, list[str]]:
    """Read why earlier offers of this event came back, for each of these subscriptions that had one."""
    found = session.execute(_RETURNS, {"event_id": event_id, "subscription_ids": list(subscription_ids)})
    return {row.subscription_id: list(row.reasons) for row in found}


def accept_offers(session: Session, shop_id: int, offer_ids: Sequence[int], turn_minutes: int) -> list[int]:
    """Start the clock of open offers; return the subscriptions of those that were not running yet."""
    values = {"ids": list(offer_ids), "shop_id": shop_id, "turn_minutes": turn_minutes}
    return list(session.execute(_ACCEPT, values).scalars())


def return_offers(session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> tuple[list[int], set[int]]:
    """Take back open offers that never reached anybody; return their subscriptions and events."""
    found = session.execute(_RETURN, {"ids": list(offer_ids), "shop_id": shop_id, "reason": reason}).all()
    return [row.subscription_id for row in found], {row.event_id for row in found}


def end_offers(session: Session, limit: int) -> list[int]:
    """End open offers whose time is over, all shops; return the event of each."""
    return list(session.execute(_END, {"limit": limit}).scalars())


def end_missed(session: Session, shop_id: int, offer_ids: Sequence[int]) -> list[int]:
    """End the open offers among these whose message was accepted, before their time; return the event of each."""
    return list(session.execute(_MISSED, {"ids": list(offer_ids), "shop_id": shop_id}).scalars())


def due(session: Session) -> StockDue:
    """Say whether a check, a plan or a pass is due, in any shop."""
    return StockDue(*session.execute(_DUE).one())


def _event(row: Row[tuple[object, ...]] | None) -> OpenEvent | None:
    if row is None:
        return None
    cursor = None if row.cursor_id is None else (row.cursor_priority or 0, row.cursor_queued_at, row.cursor_id)
    return OpenEvent(row.id, row.shop_id, row.variant_id, row.opened_at, row.wave_count, cursor)
