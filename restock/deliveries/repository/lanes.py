"""Lanes: the due deliveries of one event on one channel, served in turn so that no shop waits for another's restock.

`next_at` must never be later than the earliest queued delivery of the lane, or that delivery would be forgotten. Who
puts one in moves it forward, at the end of the transaction; who empties a lane moves it back under the row's lock and
reads the deliveries in a second statement, which sees what others committed while it waited for the lock. A lane that
is due with nothing in it costs one look, no more.

`first_at`, `first_id` are a place in the lane with nothing queued before it: a claim begins to read there. Without it
each would walk past all that was claimed before and not yet swept out of the index, a million of them at the end of a
million. It is moved forward under the row's lock by a statement that sees what was committed until then, past nothing
that is queued, be it in another's hands; who puts something in before it moves it back at the end, waiting for that
lock. Were it ever too far, those before it are found when the rest is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.database import run_lean
from restock.deliveries.values import Lane

_ENSURE = text("""
    INSERT INTO delivery_lanes (shop_id, channel, event_id)
    SELECT DISTINCT wanted.shop_id, wanted.channel, wanted.event_id
    FROM unnest(CAST(:shop_ids AS bigint[]), CAST(:channels AS text[]), CAST(:event_ids AS bigint[]))
        AS wanted(shop_id, channel, event_id)
    ORDER BY 1, 2, 3
    ON CONFLICT (channel, shop_id, event_id) DO NOTHING
""")

_HOLD = text("SELECT id FROM delivery_lanes WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")

# A moment earlier than said: seconds are not exact.
_BEFORE = "now() + make_interval(secs => moved.seconds) - interval '1 millisecond'"
_ADVANCE = text(f"""
    UPDATE delivery_lanes SET next_at = LEAST(delivery_lanes.next_at, now() + make_interval(secs => moved.seconds)),
        first_at = CASE WHEN :old_places THEN 'epoch' ELSE LEAST(first_at, {_BEFORE}) END,
        first_id = CASE WHEN :old_places OR first_at > {_BEFORE} THEN 0 ELSE first_id END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:seconds AS float8[])) AS moved(id, seconds)
    WHERE delivery_lanes.id = moved.id
""")  # noqa: S608 (the moment above)

_SETTLE = text("""
    UPDATE delivery_lanes SET next_at = front.at, first_at = LEAST(first_at, front.at),
        first_id = CASE WHEN first_at >= front.at THEN 0 ELSE first_id END
    FROM (SELECT min(next_at) AS at FROM deliveries WHERE lane_id = :id AND state = 'queued') front
    WHERE id = :id
""")

# With the row's lock in hand: what others commit meanwhile moves the place back again behind us.
_FORWARD = """
    UPDATE delivery_lanes lane SET first_at = front.next_at, first_id = front.id
    FROM (
        SELECT next_at, id FROM deliveries WHERE lane_id = %(id)s AND state = 'queued' AND (next_at, id) >= (
            (SELECT first_at FROM delivery_lanes WHERE id = %(id)s),
            (SELECT first_id FROM delivery_lanes WHERE id = %(id)s)
        ) ORDER BY next_at, id LIMIT 1
    ) front
    WHERE lane.id = %(id)s AND (first_at, first_id) <> (front.next_at, front.id)
"""

# Whose turn it is may be forgotten in a crash: nobody waits at the lane until it is on the disk.
_PICKED = "id, shop_id, event_id, set_config('synchronous_commit', 'off', true)"

# A walk over the shops with due lanes, a probe of the index for each, from a random one on and round to it again. Of
# more than that many it sees a part each time, which keeps a claim cheap and leaves nobody out.
_SHOPS_SEEN = 100
_NEXT_SHOP = """coalesce(
    (SELECT shop_id FROM delivery_lanes WHERE channel = %(channel)s AND next_at <= now() AND shop_id > {behind}
     ORDER BY shop_id LIMIT 1),
    (SELECT shop_id FROM delivery_lanes WHERE channel = %(channel)s AND next_at <= now() ORDER BY shop_id LIMIT 1)
)"""
_PICK: LiteralString = f"""
    WITH RECURSIVE circle AS (
        SELECT shop_id, shop_id AS first, 1 AS place FROM (
            SELECT {_NEXT_SHOP.format(behind="anywhere.shop_id")} AS shop_id FROM (
                SELECT floor(random() * max(shop_id))::bigint AS shop_id FROM delivery_lanes
                WHERE channel = %(channel)s AND next_at IS NOT NULL
            ) anywhere
        ) beginning
        UNION ALL
        SELECT * FROM (
            SELECT {_NEXT_SHOP.format(behind="circle.shop_id")} AS shop_id, first, place + 1 FROM circle
            WHERE place < {_SHOPS_SEEN}
        ) following WHERE shop_id <> first
    ), shop AS (
        SELECT shop_id FROM circle ORDER BY (
            SELECT served_at FROM delivery_lanes WHERE channel = %(channel)s AND shop_id = circle.shop_id
            ORDER BY served_at DESC LIMIT 1
        ), shop_id LIMIT 1
    )
    UPDATE delivery_lanes SET served_at = clock_timestamp()
    WHERE id = (
        SELECT id FROM delivery_lanes
        WHERE channel = %(channel)s AND shop_id = (SELECT shop_id FROM shop) AND next_at <= now()
        ORDER BY served_at, next_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING {_PICKED}
"""  # noqa: S608 (the walk above)

# For when others hold the lanes of that shop at this moment.
_PICK_ANY: LiteralString = f"""
    UPDATE delivery_lanes SET served_at = clock_timestamp()
    WHERE id = (
        SELECT id FROM delivery_lanes WHERE channel = %(channel)s AND next_at <= now()
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING {_PICKED}
"""  # noqa: S608 (the names above)

# While the instance's own provider is down: of the shops that have one of their own.
_OWN_LANES = """
    SELECT lane.id FROM delivery_lanes lane JOIN shop_mailings own ON own.shop_id = lane.shop_id
    WHERE lane.channel = %(channel)s AND lane.next_at <= now()
"""
_PICK_OWN: LiteralString = f"""
    UPDATE delivery_lanes SET served_at = clock_timestamp()
    WHERE id = ({_OWN_LANES} ORDER BY lane.served_at LIMIT 1 FOR NO KEY UPDATE OF lane SKIP LOCKED)
    RETURNING {_PICKED}
"""  # noqa: S608 (the query above)
_COUNT_OWN: LiteralString = f"SELECT count(*) FROM ({_OWN_LANES} LIMIT %(most)s) due"  # noqa: S608 (the query above)

_REST = text("UPDATE delivery_lanes SET next_at = now() + make_interval(secs => :seconds) WHERE id = :id")

# A lane that is due counts as one even when it turns out empty, so that someone comes and settles it.
_DUE = text("""
    SELECT lane.channel, count(*) AS due FROM unnest(CAST(:channels AS text[])) AS known(channel)
    CROSS JOIN LATERAL (
        SELECT id, channel, first_at, first_id FROM delivery_lanes
        WHERE channel = known.channel AND next_at <= now() LIMIT :most_lanes
    ) lane
    LEFT JOIN LATERAL (
        SELECT 1 FROM deliveries WHERE lane_id = lane.id AND state = 'queued' AND next_at <= now()
          AND (next_at, id) >= (lane.first_at, lane.first_id) LIMIT :most
    ) waiting ON true
    GROUP BY lane.channel
""")
_MOST_LANES_COUNTED = 100


def ensure_lanes(session: Session, keys: Sequence[tuple[int, str, int]]) -> None:
    """Make the lanes of these (shop_id, channel, event_id) that do not exist yet."""
    shop_ids, channels, event_ids = ([key[i] for key in keys] for i in range(3))
    session.execute(_ENSURE, {"shop_ids": shop_ids, "channels": channels, "event_ids": event_ids})


def advance(session: Session, seconds_by_lane: dict[int, float], *, old_places: bool = False) -> None:
    """Say that something in these lanes is due so many seconds from now; the last thing a transaction does.

    It waits for whoever is emptying a lane: only so is what they could not see yet never forgotten. `old_places`: it
    was put where it once stood, before now.
    """
    if seconds_by_lane:
        ids = sorted(seconds_by_lane)
        session.execute(_HOLD, {"ids": ids})
        seconds = [seconds_by_lane[lane_id] for lane_id in ids]
        session.execute(_ADVANCE, {"ids": ids, "seconds": seconds, "old_places": old_places})


def settle(session: Session, lane_id: int) -> None:
    """Set a lane to its earliest queued delivery, or to nothing; the last thing a transaction does."""
    session.execute(_HOLD, {"ids": [lane_id]})
    session.execute(_SETTLE, {"id": lane_id})


def pick(session: Session, channel: ChannelName, *, own: bool = False) -> Lane | None:
    """Take, of the shop served longest ago, the due lane served longest ago; None when none is due.

    Behind all others both stand then. Holds no lock but the lane's, and waits for nobody; to be committed before
    anything else is done, for this transaction does not wait for the disk. `own`: only of shops with a
    provider of their own.
    """
    values = {"channel": channel.value}
    ways = (_PICK_OWN,) if own else (_PICK, _PICK_ANY)
    row = next(filter(None, (run_lean(session, way, values).fetchone() for way in ways)), None)
    if row is None:
        return None
    lane = Lane(row[0], row[1], channel, row[2])
    run_lean(session, _FORWARD, {"id": lane.id})
    return lane


def rest(session: Session, lane_id: int, seconds: float) -> None:
    """Leave a whole lane alone for a while, in which everybody keeps their place; the last thing a transaction does."""
    session.execute(_REST, {"id": lane_id, "seconds": seconds})


def count_own(session: Session, channel: ChannelName) -> int:
    """Count the due lanes of shops with a provider of their own, up to a hundred."""
    values = {"channel": channel.value, "most": _MOST_LANES_COUNTED}
    return sum(count for (count,) in run_lean(session, _COUNT_OWN, values))


def due_by_channel(session: Session, most_per_lane: int) -> dict[ChannelName, int]:
    """Count the due deliveries of each channel that has any, at most so many of a lane and of a hundred lanes."""
    values = {"channels": list(ChannelName), "most_lanes": _MOST_LANES_COUNTED, "most": most_per_lane}
    return {ChannelName(row.channel): row.due for row in session.execute(_DUE, values)}
