"""Claiming: what is due, what must be known to decide about it, and the arrows out of `queued`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName, NoticeKind
from restock.database import run_lean, written_ids
from restock.deliveries.values import ClaimedRow, Lane, SkipReason
from restock.restocks.values import OfferState
from restock.subscriptions.values import SuppressionReason

# The columns of ClaimedRow, in its order. LIMIT 1 changes nothing about rows found by their key: it keeps the planner
# to looking each of them up, where statistics from before a large restock would have it read whole tables. OFFSET 0
# does the same to EXISTS: without it all offers there are would be read once a claim, to ask about a few of them.
_FACTS = """
    SELECT d.id, d.shop_id, d.kind, d.channel, d.dedupe_key, d.created_at, d.attempt, d.contact_id, d.offer_id,
        CASE WHEN d.kind = 'test' THEN substring(d.dedupe_key FROM ':[A-Za-z0-9-]*:([0-9]{1,18})$')::bigint
            ELSE s.variant_id END,
        coalesce(s.quantity, 1), coalesce(o.units, 1),
        coalesce(s.state = 'active' AND s.open_offer_id = d.offer_id AND s.end_reason IS NULL, false) AS holds_offer,
        coalesce(CASE WHEN d.kind = 'test' THEN substring(d.dedupe_key FROM ':([A-Za-z0-9-]{2,35}):[0-9]*$') END,
            s.locale, c.locale),
        x.reason AS suppression, c.address, c.push_keys,
        coalesce(s.state = 'purchased', false) AS has_bought, coalesce(s.market_id, 0),
        o.state AS turn, coalesce(s.state = 'notified', false) AS was_told,
        CASE WHEN d.kind = 'reminder' THEN EXISTS (
            SELECT FROM subscriptions again WHERE again.shop_id = s.shop_id AND again.contact_id = s.contact_id
              AND again.variant_id = s.variant_id AND again.market_id = s.market_id
              AND again.state IN ('pending', 'active') OFFSET 0
        ) ELSE false END AS waits_again,
        -- Whoever missed a turn was told before, or has inherited a place that is older than the wish.
        CASE WHEN d.kind = 'offer' AND (s.notified_at IS NOT NULL OR s.queued_at < s.created_at) THEN EXISTS (
            SELECT FROM offers earlier
            WHERE earlier.subscription_id = d.subscription_id AND earlier.state = 'missed' OFFSET 0
        ) OR EXISTS (
            SELECT FROM subscriptions older JOIN offers earlier ON earlier.subscription_id = older.id
            WHERE older.contact_id = s.contact_id AND older.state NOT IN ('pending', 'active')
              AND older.variant_id = s.variant_id AND older.market_id = s.market_id
              AND older.queued_at = s.queued_at AND earlier.state = 'missed' OFFSET 0  -- whose place this one inherited
        ) ELSE false END AS missed_before,
        coalesce(s.paused_at IS NOT NULL, false) AS is_paused, d.lane_id, d.doubts, coalesce(d.reason, '')
    FROM taken d
    LEFT JOIN LATERAL (
        SELECT * FROM contacts WHERE contacts.id = d.contact_id AND contacts.shop_id = d.shop_id LIMIT 1
    ) c ON true
    LEFT JOIN LATERAL (
        SELECT reason FROM suppressions x WHERE x.shop_id = d.shop_id AND x.address_hash = c.address_hash LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT * FROM subscriptions s WHERE s.id = d.subscription_id AND s.shop_id = d.shop_id LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT units, state FROM offers o WHERE o.id = d.offer_id AND o.shop_id = d.shop_id LIMIT 1
    ) o ON true
    ORDER BY d.next_at, d.id
"""

_DUE: LiteralString = f"""
    WITH taken AS MATERIALIZED (
        SELECT * FROM deliveries WHERE lane_id = %(lane_id)s AND state = 'queued' AND next_at <= now()
          AND (next_at, id) >= (
            (SELECT first_at FROM delivery_lanes WHERE id = %(lane_id)s),
            (SELECT first_id FROM delivery_lanes WHERE id = %(lane_id)s)
          )
        ORDER BY next_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) {_FACTS}
"""  # noqa: S608 (the query above)

# An array is made once; a subquery of IN may be run again for every row, and then its limit is none.
_DOUBTFUL: LiteralString = f"""
    WITH taken AS MATERIALIZED (
        UPDATE deliveries SET next_at = now() + make_interval(secs => %(lease_seconds)s)
        WHERE id = ANY(ARRAY(
            SELECT id FROM deliveries
            WHERE channel = %(channel)s AND state = 'unknown' AND finished_at IS NULL AND next_at <= now()
            ORDER BY next_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        )) RETURNING *
    ) {_FACTS}
"""  # noqa: S608 (the query above)

_KINDS = {kind.value: kind for kind in NoticeKind}  # a dictionary asks a tenth of what an enumeration does
_CHANNELS = {channel.value: channel for channel in ChannelName}
_TURNS: Mapping[str | None, OfferState | None] = {None: None} | {state.value: state for state in OfferState}
_REASONS: Mapping[str | None, SuppressionReason | None] = {None: None} | {why.value: why for why in SuppressionReason}

_EVENT = """
    SELECT variant_id, closed_at IS NULL, now() FROM restock_events
    WHERE id = %(event_id)s AND shop_id = %(shop_id)s
"""

_NOW = text("SELECT now()")

_SEND = """
    UPDATE deliveries SET state = 'sending', token = %(token)s, attempt = attempt + 1, claimed_at = now(),
        reason = NULL, lease_until = now() + make_interval(secs => %(lease_seconds)s)
    WHERE id = ANY(CAST(%(ids)s AS bigint[])) AND state = 'queued'
"""

_SKIP = text("""
    UPDATE deliveries SET state = 'skipped', reason = :reason, finished_at = now()
    WHERE id = ANY(:ids) AND state = 'queued'
""")

# Asked for again and not repeated: it stays unknown whether it arrived.
_LEAVE_IN_DOUBT = text("""
    UPDATE deliveries SET state = 'unknown', reason = :reason, finished_at = now()
    WHERE id = ANY(:ids) AND state = 'queued' AND kind = 'offer' AND doubts > 0
    RETURNING offer_id
""")

_POSTPONE = text("""
    UPDATE deliveries SET next_at = now() + make_interval(secs => :seconds), reason = :reason
    WHERE id = ANY(:ids) AND state = 'queued'
""")


def take_due(session: Session, lane: Lane, limit: int) -> list[ClaimedRow]:
    """Hold a lane's due deliveries that nobody else holds, until the transaction ends, with their recipients."""
    return [_claimed(row) for row in run_lean(session, _DUE, {"lane_id": lane.id, "limit": limit}).fetchall()]


def take_doubtful(session: Session, channel: ChannelName, limit: int, lease_seconds: float) -> list[ClaimedRow]:
    """Take deliveries nobody knows the end of; those not resolved come back after the lease."""
    values = {"channel": channel.value, "limit": limit, "lease_seconds": float(lease_seconds)}
    return [_claimed(row) for row in run_lean(session, _DOUBTFUL, values).fetchall()]


def event_state(session: Session, shop_id: int, event_id: int) -> tuple[int | None, bool, datetime]:
    """Return the variant of an event, whether it is open, and the database's time; (None, False, …) without one."""
    row = run_lean(session, _EVENT, {"event_id": event_id, "shop_id": shop_id}).fetchone()
    return (row[0], row[1], row[2]) if row else (None, False, session.execute(_NOW).scalar_one())


def mark_sending(session: Session, ids: Sequence[int], token: uuid.UUID, lease_seconds: float) -> None:
    """queued -> sending, under a token and a lease; counts an attempt."""
    if ids:
        values = {"ids": written_ids(ids), "token": token, "lease_seconds": float(lease_seconds)}
        run_lean(session, _SEND, values)


def mark_skipped(session: Session, ids: Sequence[int], reason: SkipReason) -> None:
    """queued -> skipped."""
    session.execute(_SKIP, {"ids": list(ids), "reason": reason.value})


def leave_in_doubt(session: Session, ids: Sequence[int], reason: SkipReason) -> list[int]:
    """queued -> unknown, for good, of offers' messages that may have arrived; return those offers."""
    return list(session.execute(_LEAVE_IN_DOUBT, {"ids": list(ids), "reason": reason.value}).scalars())


def postpone(session: Session, ids: Sequence[int], seconds: float, reason: str) -> None:
    """Leave deliveries queued for later; no attempt is counted."""
    session.execute(_POSTPONE, {"ids": list(ids), "seconds": seconds, "reason": reason})


def _claimed(row: tuple[Any, ...]) -> ClaimedRow:
    named, reason, turn = (_KINDS[row[2]], _CHANNELS[row[3]]), _REASONS[row[14]], _TURNS[row[19]]
    return tuple.__new__(ClaimedRow, (*row[:2], *named, *row[4:14], reason, *row[15:19], turn, *row[20:]))
