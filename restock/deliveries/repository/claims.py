"""Claiming: what is due, what must be known to decide about it, and the arrows out of `queued`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName, NoticeKind
from restock.deliveries.values import ClaimedRow, Doubtful, Lane, SkipReason
from restock.restocks.values import OfferState
from restock.subscriptions.values import SuppressionReason

_FACTS = """
    SELECT d.id, d.shop_id, d.kind, d.channel, d.dedupe_key, d.created_at, d.attempt, d.contact_id, d.offer_id,
        s.variant_id, coalesce(s.market_id, 0) AS market_id, coalesce(s.quantity, 1) AS quantity,
        coalesce(o.units, 1) AS units,
        coalesce(s.state = 'purchased', false) AS has_bought,
        o.state AS turn, coalesce(s.state = 'notified', false) AS was_told,
        CASE WHEN d.kind = 'reminder' THEN EXISTS (
            SELECT FROM subscriptions again WHERE again.shop_id = s.shop_id AND again.contact_id = s.contact_id
              AND again.variant_id = s.variant_id AND again.market_id = s.market_id
              AND again.state IN ('pending', 'active')
        ) ELSE false END AS waits_again,
        CASE WHEN d.kind = 'offer' THEN EXISTS (
            SELECT FROM offers earlier WHERE earlier.subscription_id = d.subscription_id AND earlier.state = 'missed'
        ) OR EXISTS (
            SELECT FROM subscriptions older JOIN offers earlier ON earlier.subscription_id = older.id
            WHERE older.contact_id = s.contact_id AND older.state NOT IN ('pending', 'active')
              AND older.variant_id = s.variant_id AND older.market_id = s.market_id
              AND older.queued_at = s.queued_at AND earlier.state = 'missed'  -- whose place this one inherited
        ) ELSE false END AS missed_before,
        coalesce(s.state = 'active' AND s.open_offer_id = d.offer_id AND s.end_reason IS NULL, false) AS holds_offer,
        coalesce(s.paused_at IS NOT NULL, false) AS is_paused,
        coalesce(s.locale, c.locale) AS locale, x.reason AS suppression, c.address, c.push_keys,
        d.lane_id, d.doubts, coalesce(d.reason, '') AS reason
    FROM taken d
    LEFT JOIN contacts c ON c.id = d.contact_id AND c.shop_id = d.shop_id
    LEFT JOIN suppressions x ON x.shop_id = c.shop_id AND x.address_hash = c.address_hash
    LEFT JOIN subscriptions s ON s.id = d.subscription_id AND s.shop_id = d.shop_id
    LEFT JOIN offers o ON o.id = d.offer_id AND o.shop_id = d.shop_id
    ORDER BY d.next_at, d.id
"""

_DUE = text(f"""
    WITH taken AS MATERIALIZED (
        SELECT * FROM deliveries WHERE lane_id = :lane_id AND state = 'queued' AND next_at <= now()
        ORDER BY next_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ) {_FACTS}
""")  # noqa: S608 (the query above)

_DOUBTFUL = text(f"""
    WITH taken AS MATERIALIZED (
        UPDATE deliveries SET next_at = now() + make_interval(secs => :lease_seconds)
        WHERE id IN (
            SELECT id FROM deliveries
            WHERE channel = :channel AND state = 'unknown' AND finished_at IS NULL AND next_at <= now()
            ORDER BY next_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
        ) RETURNING *
    ) {_FACTS}
""")  # noqa: S608 (the query above)

_EVENT = text("""
    SELECT variant_id, closed_at IS NULL AS is_open, now() AS now FROM restock_events
    WHERE id = :event_id AND shop_id = :shop_id
""")

_NOW = text("SELECT now()")

_SEND = text("""
    UPDATE deliveries SET state = 'sending', token = :token, attempt = attempt + 1, claimed_at = now(), reason = NULL,
        lease_until = now() + make_interval(secs => :lease_seconds)
    WHERE id = ANY(:ids) AND state = 'queued'
""")

_SKIP = text("""
    UPDATE deliveries SET state = 'skipped', reason = :reason, finished_at = now()
    WHERE id = ANY(:ids) AND state = 'queued'
""")

_POSTPONE = text("""
    UPDATE deliveries SET next_at = now() + make_interval(secs => :seconds), reason = :reason
    WHERE id = ANY(:ids) AND state = 'queued'
""")


def take_due(session: Session, lane: Lane, limit: int) -> list[ClaimedRow]:
    """Hold a lane's due deliveries that nobody else holds, until the transaction ends, with their recipients."""
    found = session.execute(_DUE, {"lane_id": lane.id, "limit": limit})
    return [ClaimedRow(**_claimed(row)) for row in found]


def take_doubtful(session: Session, channel: ChannelName, limit: int, lease_seconds: float) -> list[Doubtful]:
    """Take deliveries nobody knows the end of; those not resolved come back after the lease."""
    found = session.execute(_DOUBTFUL, {"channel": channel.value, "limit": limit, "lease_seconds": lease_seconds})
    return [Doubtful(**_claimed(row), lane_id=row.lane_id, doubts=row.doubts, reason=row.reason) for row in found]


def event_state(session: Session, shop_id: int, event_id: int) -> tuple[int | None, bool, datetime]:
    """Return the variant of an event, whether it is open, and the database's time; (None, False, …) without one."""
    row = session.execute(_EVENT, {"event_id": event_id, "shop_id": shop_id}).first()
    return (row.variant_id, row.is_open, row.now) if row else (None, False, session.execute(_NOW).scalar_one())


def mark_sending(session: Session, ids: Sequence[int], token: uuid.UUID, lease_seconds: float) -> None:
    """queued -> sending, under a token and a lease; counts an attempt."""
    if ids:
        session.execute(_SEND, {"ids": list(ids), "token": token, "lease_seconds": lease_seconds})


def mark_skipped(session: Session, ids: Sequence[int], reason: SkipReason) -> None:
    """queued -> skipped."""
    session.execute(_SKIP, {"ids": list(ids), "reason": reason.value})


def postpone(session: Session, ids: Sequence[int], seconds: float, reason: str) -> None:
    """Leave deliveries queued for later; no attempt is counted."""
    session.execute(_POSTPONE, {"ids": list(ids), "seconds": seconds, "reason": reason})


def _claimed(row: Row[Any]) -> Mapping[str, Any]:
    return {
        "id": row.id,
        "shop_id": row.shop_id,
        "kind": NoticeKind(row.kind),
        "channel": ChannelName(row.channel),
        "dedupe_key": row.dedupe_key,
        "created_at": row.created_at,
        "attempt": row.attempt,
        "contact_id": row.contact_id,
        "offer_id": row.offer_id,
        "variant_id": row.variant_id,
        "market_id": row.market_id,
        "quantity": row.quantity,
        "units": row.units,
        "holds_offer": row.holds_offer,
        "is_paused": row.is_paused,
        "has_bought": row.has_bought,
        "turn": OfferState(row.turn) if row.turn else None,
        "was_told": row.was_told,
        "waits_again": row.waits_again,
        "missed_before": row.missed_before,
        "locale": row.locale,
        "suppression": SuppressionReason(row.suppression) if row.suppression else None,
        "address": row.address,
        "push_keys": row.push_keys,
    }
