"""Putting messages into the queue, each once, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.deliveries.repository.lanes import advance, ensure_lanes
from restock.deliveries.values import NewDelivery, SkipReason
from restock.restocks.values import OfferRef

# The shops are held once for all of them: deliveries have no foreign keys, see migration 0023.
_ADD = text("""
    WITH held AS MATERIALIZED (
        SELECT id FROM shops WHERE id = ANY(CAST(:shop_id AS bigint[])) ORDER BY id FOR KEY SHARE
    )
    INSERT INTO deliveries
        (shop_id, lane_id, kind, channel, dedupe_key, contact_id, subscription_id, offer_id, event_id, next_at)
    SELECT fresh.shop_id, lane.id, fresh.kind, fresh.channel, fresh.dedupe_key, fresh.contact_id,
        fresh.subscription_id, fresh.offer_id, nullif(fresh.event_id, 0), greatest(fresh.due_at, now())
    FROM unnest(
        CAST(:shop_id AS bigint[]), CAST(:channel AS text[]), CAST(:kind AS text[]), CAST(:dedupe_key AS text[]),
        CAST(:contact_id AS bigint[]), CAST(:subscription_id AS bigint[]), CAST(:offer_id AS bigint[]),
        CAST(:event_id AS bigint[]), CAST(:due_at AS timestamptz[])
    ) WITH ORDINALITY
        AS fresh(shop_id, channel, kind, dedupe_key, contact_id, subscription_id, offer_id, event_id, due_at, place)
    JOIN held ON held.id = fresh.shop_id
    JOIN delivery_lanes lane USING (channel, shop_id, event_id)
    ORDER BY fresh.place
    ON CONFLICT (offer_id, dedupe_key) DO NOTHING
    RETURNING lane_id, extract(epoch FROM next_at - now()) AS seconds
""")

_COLUMNS = (
    *("shop_id", "channel", "kind", "dedupe_key", "contact_id"),
    *("subscription_id", "offer_id", "event_id", "due_at"),
)

# A message that is on its way already stays true: it was. One that may have arrived (its provider never answered, or
# its worker was lost) is not taken back either: its person would be told of another offer, by another name.
_WITHDRAW = text("""
    UPDATE deliveries SET state = 'skipped', reason = :reason, finished_at = now()
    WHERE shop_id = :shop_id AND offer_id = ANY(:offer_ids) AND state = 'queued' AND (doubts = 0 OR NOT :unless_doubted)
    RETURNING offer_id
""")

# Planned for the hour at which its person wakes, or found asleep or beyond the day's limit at a claim; what was tried
# and put off is neither.
_WAITS = """
    d.state = 'queued' AND d.next_at > now() AND d.kind IN ('offer', 'reminder')
    AND (d.reason IN ('asleep', 'day_cap') OR (d.reason IS NULL AND d.attempt = 0))
"""
_WAITING = text(f"""
    SELECT d.id FROM delivery_lanes lane JOIN deliveries d ON d.lane_id = lane.id
    WHERE lane.shop_id = :shop_id AND lane.channel = ANY(:channels) AND {_WAITS} ORDER BY d.id
""")  # noqa: S608 (the condition above)
_WAKE = text(f"""
    UPDATE deliveries SET next_at = now(), reason = NULL
    WHERE id IN (
        SELECT d.id FROM deliveries d WHERE d.id = ANY(:ids) AND d.shop_id = :shop_id AND {_WAITS}
        ORDER BY d.id FOR UPDATE
    ) AND state = 'queued'
    RETURNING lane_id
""")  # noqa: S608 (the condition above)

_OFFER_OF = text("SELECT shop_id, offer_id FROM deliveries WHERE id = :id AND offer_id IS NOT NULL")


def add(session: Session, messages: Sequence[NewDelivery]) -> int:
    """Queue messages in their order; return how many are new."""
    if not messages:
        return 0
    ensure_lanes(session, sorted({(m.shop_id, m.channel, m.event_id) for m in messages}))
    found = session.execute(_ADD, {column: [getattr(m, column) for m in messages] for column in _COLUMNS})
    added = [(row.lane_id, float(row.seconds)) for row in found]
    seconds_by_lane: dict[int, float] = {}
    for lane_id, seconds in added:
        seconds_by_lane[lane_id] = min(seconds, seconds_by_lane.get(lane_id, seconds))
    advance(session, seconds_by_lane)
    return len(added)


def withdraw(
    session: Session, shop_id: int, offer_ids: Sequence[int], reason: SkipReason, *, unless_doubted: bool = False
) -> set[int]:
    """queued -> skipped, for the messages of these offers; waits for a claim that holds one of them.

    Return the offers of which a message was skipped. `unless_doubted`: not those that may have arrived.
    """
    if not offer_ids:
        return set()
    values = {"shop_id": shop_id, "offer_ids": list(offer_ids), "reason": reason.value}
    values["unless_doubted"] = unless_doubted
    return set(session.execute(_WITHDRAW, values).scalars())


def offer_of(session: Session, delivery_id: int) -> OfferRef | None:
    """Say which offer a message is about; None for a message about none, or one that is not known."""
    row = session.execute(_OFFER_OF, {"id": delivery_id}).first()
    return None if row is None else OfferRef(*row)


def waiting(session: Session, shop_id: int, channels: Sequence[ChannelName]) -> list[int]:
    """List a shop's messages on these channels that wait for their hour or their day, oldest first; none is held."""
    values = {"shop_id": shop_id, "channels": [channel.value for channel in channels]}
    return list(session.execute(_WAITING, values).scalars())


def wake(session: Session, shop_id: int, message_ids: Sequence[int]) -> None:
    """Have messages that wait so decided about now; the last thing a transaction does."""
    found = session.execute(_WAKE, {"shop_id": shop_id, "ids": list(message_ids)}).scalars()
    advance(session, dict.fromkeys(found, 0.0))
