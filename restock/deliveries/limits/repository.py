"""Permits and counts of text messages. Each is taken in the transaction of the claim it is for: both happen or neither.

The clock is the database's. Locked in this order, and before any event or lane: the day of the shop, then the pace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.deliveries.limits.rules import Day

DAYS_KEPT = 7

# Nothing is changed where it is there already; but it is held.
_HOLD_DAY = text("""
    INSERT INTO text_days AS known (shop_id, day) VALUES (:shop_id, :day)
    ON CONFLICT (shop_id, day) DO UPDATE SET message_count = known.message_count
    RETURNING segment_count, message_count, filtered_count, xmax = 0 AS is_new
""")
_BLOCKS = text("""
    SELECT block, message_count FROM text_blocks WHERE shop_id = :shop_id AND day = :day AND block = ANY(:blocks)
""")
_SPEND = text("""
    UPDATE text_days SET segment_count = segment_count + :segments, message_count = message_count + :messages
    WHERE shop_id = :shop_id AND day = :day
""")
_GIVE_BACK = text("""
    UPDATE text_days SET segment_count = greatest(0, segment_count - :segments),
        message_count = greatest(0, message_count - :messages)
    WHERE shop_id = :shop_id AND day = :day
""")
_GIVE_BACK_BLOCKS = text("""
    UPDATE text_blocks SET message_count = greatest(0, message_count - fresh.count)
    FROM unnest(CAST(:blocks AS text[]), CAST(:counts AS int[])) AS fresh(block, count)
    WHERE shop_id = :shop_id AND day = :day AND text_blocks.block = fresh.block
""")
_COUNT_BLOCKS = text("""
    INSERT INTO text_blocks AS known (shop_id, day, block, message_count)
    SELECT :shop_id, :day, fresh.block, fresh.count
    FROM unnest(CAST(:blocks AS text[]), CAST(:counts AS int[])) AS fresh(block, count)
    ON CONFLICT (shop_id, day, block) DO UPDATE SET message_count = known.message_count + excluded.message_count
""")
_FORGET_DAYS = text("DELETE FROM text_days WHERE shop_id = :shop_id AND day < CAST(:day AS date) - :kept")
_FORGET_BLOCKS = text("DELETE FROM text_blocks WHERE shop_id = :shop_id AND day < CAST(:day AS date)")
_COUNT_FILTERED = text("""
    INSERT INTO text_days AS known (shop_id, day, filtered_count) VALUES (:shop_id, :day, 1)
    ON CONFLICT (shop_id, day) DO UPDATE SET filtered_count = known.filtered_count + 1
""")
_SENT_ON = text("SELECT segment_count FROM text_days WHERE shop_id = :shop_id AND day = :day")
_MOST_COUNTED = 100_000
_WAITING = text(f"""
    SELECT reason, count(*) FROM (
        SELECT d.reason FROM delivery_lanes lane JOIN deliveries d ON d.lane_id = lane.id AND d.state = 'queued'
        WHERE lane.shop_id = :shop_id AND lane.channel = 'sms' AND d.reason = ANY(:reasons) LIMIT {_MOST_COUNTED}
    ) held GROUP BY 1
""")  # noqa: S608 (a number)

_ROOM = text("""
    SELECT extract(epoch FROM clock_timestamp() - greatest(free_at, clock_timestamp() - make_interval(secs => :burst)))
        ::float8 AS seconds
    FROM send_paces WHERE channel = :channel AND sender = :sender AND shop_id IS NULL
""")

_PAUSE = text("""
    UPDATE send_paces SET free_at = greatest(free_at, clock_timestamp() + make_interval(secs => :seconds))
    WHERE channel = :channel AND sender = :sender AND shop_id IS NULL
""")

# Of messages in their order those are let go that begin within what is free: whoever begins may end beyond it, and the
# next one waits for that.
_FREE_FROM = "greatest(pace.free_at, clock_timestamp() - make_interval(secs => :burst))"
_BEGUN = "m.earlier <= extract(epoch FROM clock_timestamp() - {since}) * :rate"
_OF = "unnest(CAST(:earlier AS int[]), CAST(:upto AS int[])) AS m(earlier, upto)"
_TAKE = text(f"""
    INSERT INTO send_paces AS pace (channel, sender, free_at, granted_count)
    SELECT :channel, :sender,
        clock_timestamp() + make_interval(secs => max(m.upto) / CAST(:rate AS float8) - :burst), count(*)
    FROM {_OF} WHERE m.earlier <= CAST(:burst AS float8) * :rate
    ON CONFLICT (channel, sender, coalesce(shop_id, 0)) DO UPDATE SET
        free_at = {_FREE_FROM} + make_interval(secs => (
            SELECT max(m.upto) FROM {_OF} WHERE {_BEGUN.format(since=_FREE_FROM)}
        ) / CAST(:rate AS float8)),
        granted_count = (SELECT count(*) FROM {_OF} WHERE {_BEGUN.format(since=_FREE_FROM)})
    WHERE pace.free_at <= clock_timestamp()
    RETURNING granted_count
""")  # noqa: S608 (the conditions above)


def hold_day(session: Session, shop_id: int, day: date, blocks: Sequence[str]) -> Day:
    """Hold a shop's day until the transaction ends, and read what has been sent; earlier days are forgotten."""
    key = {"shop_id": shop_id, "day": day}
    row = session.execute(_HOLD_DAY, key).one()
    if row.is_new:
        session.execute(_FORGET_DAYS, key | {"kept": DAYS_KEPT})
        session.execute(_FORGET_BLOCKS, key)
    known = session.execute(_BLOCKS, key | {"blocks": list(blocks)})
    return Day(row.segment_count, row.message_count, row.filtered_count, Counter({b.block: b[1] for b in known}))


def spend(session: Session, shop_id: int, day: date, segments: int, blocks: Mapping[str, int]) -> None:
    """Count messages that leave, on a day held by `hold_day`: what was decided by its counts is still true."""
    key: dict[str, object] = {"shop_id": shop_id, "day": day}
    names = sorted(blocks)
    session.execute(_SPEND, key | {"segments": segments, "messages": sum(blocks.values())})
    session.execute(_COUNT_BLOCKS, key | {"blocks": names, "counts": [blocks[name] for name in names]})


def give_back(session: Session, shop_id: int, day: date, segments: int, blocks: Mapping[str, int]) -> None:
    """Count messages no more that were not taken after all: neither on the day nor in their blocks."""
    key: dict[str, object] = {"shop_id": shop_id, "day": day}
    names = sorted(blocks)
    session.execute(_GIVE_BACK, key | {"segments": segments, "messages": sum(blocks.values())})
    session.execute(_GIVE_BACK_BLOCKS, key | {"blocks": names, "counts": [blocks[name] for name in names]})


def count_filtered(session: Session, shop_id: int, day: date) -> None:
    """Count a message that carriers filtered."""
    session.execute(_COUNT_FILTERED, {"shop_id": shop_id, "day": day})


def segments_on(session: Session, shop_id: int, day: date) -> int:
    """Say how many segments a shop has sent on a day."""
    return int(session.execute(_SENT_ON, {"shop_id": shop_id, "day": day}).scalar_one_or_none() or 0)


def waiting(session: Session, shop_id: int, reasons: Sequence[str]) -> dict[str, int]:
    """Count a shop's queued text messages that wait for one of these reasons; large numbers are cut off."""
    found = session.execute(_WAITING, {"shop_id": shop_id, "reasons": list(reasons)})
    return {row[0]: row[1] for row in found}


def room(session: Session, channel: str, sender: str, rate: float, burst_seconds: float) -> float:
    """Say how many segments a sender may hand over now; 0 or less: none, and so many are owed."""
    values = {"channel": channel, "sender": sender, "burst": burst_seconds}
    seconds = session.execute(_ROOM, values).scalar_one_or_none()
    return (burst_seconds if seconds is None else float(seconds)) * rate


def pause(session: Session, channel: str, sender: str, seconds: float) -> None:
    """Let nothing of a sender's go for so long from now."""
    session.execute(_PAUSE, {"channel": channel, "sender": sender, "seconds": seconds})


def take(  # noqa: PLR0917 (a key, a rate and what it is for)
    session: Session, channel: str, sender: str, rate: float, burst_seconds: float, segments: Sequence[int]
) -> int:
    """Let messages go in their order, as many as may begin now; return how many. Held until the transaction ends."""
    upto = [sum(segments[: n + 1]) for n in range(len(segments))]
    values = {
        "channel": channel,
        "sender": sender,
        "rate": rate,
        "burst": burst_seconds,
        "earlier": [total - own for total, own in zip(upto, segments, strict=True)],
        "upto": upto,
    }
    return int(session.execute(_TAKE, values).scalar_one_or_none() or 0)
