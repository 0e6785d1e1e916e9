"""Events and the waves along their queues. A wave is a walk: one page a transaction, under the event's row lock.

A walk that is under way is never begun anew: what changes behind it is looked at by the next one, so that however much
happens meanwhile, whoever stands at the end is come to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.restocks.values import CloseReason, OpenEvent, RunningWave, StockDue, Turn, WaveGround
from restock.subscriptions.values import Cursor

_COLUMNS = (
    "id, shop_id, variant_id, opened_at, wave_count, cursor_priority, cursor_queued_at, cursor_id, look_at, rest_until,"
    " now() AS seen_at"
)

_LOCK = text(f"""
    SELECT {_COLUMNS} FROM restock_events
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND closed_at IS NULL
    FOR NO KEY UPDATE
""")  # noqa: S608 (the column list above)

# A walk over the shops with due events, a probe of the index for each, from a random one on and round to it again. Of
# more than that many it sees a part each time, which keeps a claim cheap and leaves nobody out.
_SHOPS_SEEN = 100
_DUE_EVENTS = "FROM restock_events WHERE closed_at IS NULL AND plan_at <= now()"
_NEXT_SHOP = f"""coalesce(
    (SELECT shop_id {_DUE_EVENTS} AND shop_id > {{behind}} ORDER BY shop_id LIMIT 1),
    (SELECT shop_id {_DUE_EVENTS} ORDER BY shop_id LIMIT 1)
)"""
_CLAIM = text(f"""
    WITH RECURSIVE circle AS (
        SELECT shop_id, shop_id AS first, 1 AS place FROM (
            SELECT {_NEXT_SHOP.format(behind="anywhere.shop_id")} AS shop_id FROM (
                SELECT floor(random() * max(shop_id))::bigint AS shop_id FROM restock_events
                WHERE closed_at IS NULL AND plan_at IS NOT NULL
            ) anywhere
        ) beginning
        UNION ALL
        SELECT * FROM (
            SELECT {_NEXT_SHOP.format(behind="circle.shop_id")} AS shop_id, first, place + 1 FROM circle
            WHERE place < {_SHOPS_SEEN}
        ) following WHERE shop_id <> first
    ), shop AS (
        SELECT shop_id FROM circle ORDER BY (
            SELECT planned_at FROM restock_events WHERE shop_id = circle.shop_id AND planned_at IS NOT NULL
            ORDER BY planned_at DESC LIMIT 1
        ) NULLS FIRST, shop_id LIMIT 1
    )
    UPDATE restock_events SET planned_at = clock_timestamp()
    WHERE id = (
        SELECT id {_DUE_EVENTS} AND shop_id = (SELECT shop_id FROM shop)
        ORDER BY plan_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
""")  # noqa: S608 (the walk and the column list above)

# For when others hold the events of that shop at this moment.
_CLAIM_ANY = text(f"""
    UPDATE restock_events SET planned_at = clock_timestamp()
    WHERE id = (SELECT id {_DUE_EVENTS} ORDER BY shop_id, plan_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")  # noqa: S608 (the column list above)

_OPEN = text("""
    INSERT INTO restock_events AS old (shop_id, variant_id, units_at_open, plan_at, stock_changed_at)
    VALUES (:shop_id, :variant_id, :units, now(), :changed_at)
    ON CONFLICT (shop_id, variant_id) WHERE closed_at IS NULL
    DO UPDATE SET walk_again = old.cursor_id IS NOT NULL,
        plan_at = CASE WHEN old.cursor_id IS NULL THEN greatest(now(), old.not_before) ELSE old.plan_at END
""")

# Of a restock that is over the next one is planned, if it is on: whoever comes back stands in its queue.
_REPLAN = text("""
    UPDATE restock_events SET walk_again = cursor_id IS NOT NULL,
        plan_at = CASE WHEN cursor_id IS NULL THEN greatest(now(), not_before) ELSE plan_at END
    WHERE closed_at IS NULL AND id IN (
        SELECT id FROM restock_events WHERE closed_at IS NULL AND (shop_id, variant_id) IN (
            SELECT shop_id, variant_id FROM restock_events WHERE id = ANY(:ids)
        ) ORDER BY id FOR NO KEY UPDATE
    )
""")

_REPLAN_VARIANT = text("""
    UPDATE restock_events SET walk_again = cursor_id IS NOT NULL,
        plan_at = CASE WHEN cursor_id IS NULL THEN greatest(now(), not_before) ELSE plan_at END
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND closed_at IS NULL
""")

# Whatever was due already too: somebody may be planning it by what was said before, and wants to be waited for.
_REPLAN_SHOP = text("""
    UPDATE restock_events SET walk_again = cursor_id IS NOT NULL, rest_until = NULL,
        plan_at = CASE WHEN cursor_id IS NULL THEN greatest(now(), not_before) ELSE plan_at END
    WHERE closed_at IS NULL AND id IN (
        SELECT id FROM restock_events WHERE shop_id = :shop_id AND closed_at IS NULL AND id <> ALL(:but)
        ORDER BY id FOR NO KEY UPDATE
    )
    RETURNING id, variant_id
""")

_OVER_TOO_SOON = text("""
    SELECT DISTINCT e.variant_id FROM restock_events e
    JOIN stock_readings r ON r.shop_id = e.shop_id AND r.variant_id = e.variant_id AND r.sellable
    WHERE e.id = ANY(:ids) AND e.shop_id = :shop_id AND e.closed_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM restock_events o
        WHERE o.shop_id = e.shop_id AND o.variant_id = e.variant_id AND o.closed_at IS NULL
    )
""")

_CLOSE = text("""
    UPDATE restock_events
    SET closed_at = now(), close_reason = :reason, plan_at = NULL, cursor_queued_at = NULL, cursor_id = NULL,
        cursor_priority = NULL, walk_again = false, look_at = NULL,
        settle_at = CASE :reason WHEN 'sold_out' THEN now() WHEN 'shop_uninstalled' THEN now() + interval '8 days' END
    WHERE id = :id AND closed_at IS NULL
""")

_NEW_WAVE = text("""
    WITH counted AS (UPDATE restock_events SET wave_count = wave_count + 1 WHERE id = :event_id RETURNING wave_count)
    INSERT INTO waves (shop_id, event_id, number, units, capacity, free_units, queue_order)
    SELECT :shop_id, :event_id, wave_count, :units, :capacity, :free_units, :queue_order FROM counted
    RETURNING id
""")

_RUNNING_WAVE = text("""
    SELECT id, capacity, queue_order, free_units - offered_units AS free_left, planned_at
    FROM waves WHERE event_id = :event_id AND number = :number
""")

_COUNT_IN = text("""
    UPDATE waves SET offered_count = offered_count + :offered, offered_units = offered_units + :units,
        passed_over_count = passed_over_count + :passed
    WHERE id = :id
""")

_GO_ON = text("""
    UPDATE restock_events SET cursor_priority = :priority, cursor_queued_at = :queued_at, cursor_id = :cursor_id,
        look_at = :look_at, walk_again = walk_again OR :again, plan_at = now()
    WHERE id = :id
""")

_END_WALK = text("""
    UPDATE restock_events SET cursor_priority = NULL, cursor_queued_at = NULL, cursor_id = NULL, look_at = NULL,
        plan_at = CASE WHEN walk_again OR :again THEN greatest(now(), not_before)
            ELSE CAST(:next_at AS timestamptz) END,
        walk_again = false,
        rest_until = coalesce(now() + make_interval(secs => CAST(:rest_seconds AS float8)), rest_until)
    WHERE id = :id
""")

_PUT_OFF = text("UPDATE restock_events SET not_before = now() + make_interval(secs => :seconds) WHERE id = :id")

_DUE = text("""
    SELECT EXISTS (SELECT 1 FROM stock_checks WHERE due_at <= now()) AS checks,
        EXISTS (SELECT 1 FROM restock_events WHERE closed_at IS NULL AND plan_at <= now())
            OR EXISTS (SELECT 1 FROM restock_events WHERE settle_at <= now()) AS plans,
        EXISTS (SELECT 1 FROM reconcile_state WHERE next_at <= now()) AS passes
""")


def lock_open_event(session: Session, shop_id: int, variant_id: int) -> OpenEvent | None:
    """Hold a variant's open event until the transaction ends; None when none is open."""
    return _event(session.execute(_LOCK, {"shop_id": shop_id, "variant_id": variant_id}).first())


def claim_event(session: Session) -> OpenEvent | None:
    """Hold, of the shop planned longest ago, the event that has waited longest for planning; None when none is due.

    One that somebody else is planning is left to them; then any other will do.
    """
    return _event(session.execute(_CLAIM).first() or session.execute(_CLAIM_ANY).first())


def open_event(
    session: Session, shop_id: int, variant_id: int, units: int | None, told_at: datetime | None = None
) -> None:
    """Open a variant's event, due for planning at once; when one is open already, that one is planned again.

    `told_at` is when the first webhook behind it came, None when it was found without one.
    """
    values = {"shop_id": shop_id, "variant_id": variant_id, "units": units, "changed_at": told_at}
    session.execute(_OPEN, values)


def replan(session: Session, event_ids: Sequence[int]) -> None:
    """Have the queues of these events walked from their heads, after walks that are under way.

    Closed ones stay closed; where another is open for the same variant, that one is meant.
    """
    if event_ids:
        session.execute(_REPLAN, {"ids": sorted(set(event_ids))})


def replan_variant(session: Session, shop_id: int, variant_id: int) -> None:
    """Have the queue of a variant's open event walked from its head; nothing where none is open."""
    session.execute(_REPLAN_VARIANT, {"shop_id": shop_id, "variant_id": variant_id})


def replan_shop(session: Session, shop_id: int, but: Collection[int] = ()) -> dict[int, int]:
    """Have the queue of every open event of a shop walked from its head, to its end; return event -> variant.

    `but`: events that are left as they are.
    """
    found = session.execute(_REPLAN_SHOP, {"shop_id": shop_id, "but": sorted(but)})
    return {row.id: row.variant_id for row in found}


def over_too_soon(session: Session, shop_id: int, event_ids: Collection[int]) -> list[int]:
    """List the variants of these events whose restock is over, no other is on, and which can be bought all the same."""
    if not event_ids:
        return []
    return list(session.execute(_OVER_TOO_SOON, {"ids": sorted(event_ids), "shop_id": shop_id}).scalars())


def close_event(session: Session, event_id: int, reason: CloseReason) -> None:
    """Close an event. Its queued messages find it closed when their time comes, and return their offers.

    Where it is sold out, the turns that were running are missed: see `claim_sold_out`. Of a shop that has left they run
    on, and keep their units should it come back: no turn is longer than a week.
    """
    session.execute(_CLOSE, {"id": event_id, "reason": reason.value})


def start_wave(session: Session, event: OpenEvent, ground: WaveGround) -> int:
    """Begin a walk along an event's queue; return the wave's id."""
    values = {
        "shop_id": event.shop_id,
        "event_id": event.id,
        "units": ground.units,
        "capacity": ground.capacity,
        "free_units": ground.free_units,
        "queue_order": ground.order.value,
    }
    return int(session.execute(_NEW_WAVE, values).scalar_one())


def running_wave(session: Session, event: OpenEvent) -> RunningWave:
    """Read the wave whose walk goes on, and what it has left to give."""
    return RunningWave(*session.execute(_RUNNING_WAVE, {"event_id": event.id, "number": event.wave_count}).one())


def count_in(session: Session, wave_id: int, turns: Sequence[Turn], passed_over_count: int) -> None:
    """Add one page's outcome to its wave."""
    values = {"id": wave_id, "offered": len(turns), "units": sum(t.units for t in turns), "passed": passed_over_count}
    session.execute(_COUNT_IN, values)


def go_on(session: Session, event_id: int, cursor: Cursor, look_at: datetime | None, *, again: bool) -> None:
    """Remember where a walk goes on, due at once, and when its first sleeper wakes; `again`: another is to follow."""
    priority, queued_at, cursor_id = cursor
    values = {"id": event_id, "priority": priority, "queued_at": queued_at, "cursor_id": cursor_id}
    session.execute(_GO_ON, values | {"look_at": look_at, "again": again})


def end_walk(
    session: Session, event_id: int, next_at: datetime | None, *, again: bool = False, rest: timedelta | None = None
) -> None:
    """End a walk. Looked at again at once if something has changed behind it, else at `next_at`; None: if ever.

    `rest`: for so long the next ones end where a page has nobody who fits.
    """
    seconds = None if rest is None else rest.total_seconds()
    values = {"id": event_id, "next_at": next_at, "again": again, "rest_seconds": seconds}
    session.execute(_END_WALK, values)


def put_off(session: Session, event_id: int, pause: timedelta) -> None:
    """Have no other walk along an event's queue begin for so long."""
    session.execute(_PUT_OFF, {"id": event_id, "seconds": pause.total_seconds()})


def due(session: Session) -> StockDue:
    """Say whether a check, a plan or a pass is due, in any shop."""
    return StockDue(*session.execute(_DUE).one())


def _event(row: Row[tuple[object, ...]] | None) -> OpenEvent | None:
    if row is None:
        return None
    cursor = None if row.cursor_id is None else (row.cursor_priority or 0, row.cursor_queued_at, row.cursor_id)
    return OpenEvent(
        row.id,
        row.shop_id,
        row.variant_id,
        row.opened_at,
        row.wave_count,
        cursor,
        row.look_at,
        row.rest_until,
        row.seen_at,
    )
