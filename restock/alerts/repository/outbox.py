"""The messages to shops: each queued once, claimed under a lease, and settled by whoever holds the token."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.alerts.values import DueAlert
from restock.channels.alerts.values import AlertKind

_ADD = text("""
    INSERT INTO shop_alerts (shop_id, kind, dedupe_key, address, facts)
    VALUES (:shop_id, :kind, :dedupe_key, :address, CAST(:facts AS jsonb)) ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
""")

# One that is still being sent when its time comes was lost with its worker: nobody knows whether it left.
_CLAIM = text("""
    WITH due AS MATERIALIZED (
        SELECT id, state, shop_id FROM shop_alerts WHERE state IN ('queued', 'sending') AND next_at <= now()
        ORDER BY next_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE shop_alerts alert SET state = 'sending', token = :token, attempt = alert.attempt + 1,
        doubts = alert.doubts + (due.state = 'sending')::int, next_at = now() + make_interval(secs => :lease_seconds)
    FROM due JOIN shops ON shops.id = due.shop_id WHERE alert.id = due.id
    RETURNING alert.id, alert.shop_id, alert.kind, alert.dedupe_key, alert.facts, alert.attempt, alert.doubts,
        alert.created_at, shops.state = 'installed'
            AND alert.address = ANY(string_to_array(coalesce(shops.settings ->> 'alerts.to', ''), ',')) AS is_wanted,
        coalesce(shops.name, shops.profile ->> 'name', split_part(shops.domain, '.', 1)) AS shop_name, alert.address
""")

_FINISH = text("""
    UPDATE shop_alerts SET state = CAST(:state AS text), reason = :reason, token = NULL, finished_at = now(),
        sent_at = CASE WHEN CAST(:state AS text) = 'sent' THEN now() END
    WHERE id = :id AND token = :token AND state = 'sending'
""")

_AGAIN = text("""
    UPDATE shop_alerts SET state = 'queued', reason = :reason, token = NULL, doubts = :doubts,
        next_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND token = :token AND state = 'sending'
""")

_UNSENT = text("""
    SELECT DISTINCT address FROM shop_alerts
    WHERE shop_id = :shop_id AND kind = :kind AND state IN ('queued', 'sending')
""")

# Only what was surely never handed over may still be said otherwise: a repeat must be the same message.
_HELD_BACK = text("""
    SELECT id, dedupe_key FROM shop_alerts
    WHERE shop_id = :shop_id AND kind = :kind AND address = :address AND state = 'queued' AND doubts = 0
    ORDER BY id DESC LIMIT 1
""")

_SAY_MORE = text("""
    UPDATE shop_alerts SET facts = CAST(:facts AS jsonb) WHERE id = :id AND state = 'queued' AND doubts = 0
    RETURNING id
""")

_RECENT = text("""
    SELECT EXISTS (SELECT FROM shop_alerts WHERE shop_id = :shop_id AND kind = :kind
        AND created_at > now() - make_interval(secs => :seconds))
""")

_PURGE = text("""
    DELETE FROM shop_alerts WHERE id = ANY(ARRAY(
        SELECT id FROM shop_alerts WHERE finished_at < now() - make_interval(days => :days) ORDER BY id LIMIT :limit
    ))
""")

_LAST_OF_EACH = text("""
    SELECT DISTINCT ON (address) address, state, reason, created_at FROM shop_alerts
    WHERE shop_id = :shop_id AND address = ANY(:addresses) AND (attempt > 0 OR state NOT IN ('queued', 'sending'))
    ORDER BY address, id DESC
""")

_LATEST = text("""
    SELECT kind, state, reason, address, created_at, sent_at, coalesce(facts ->> 'test_locale', '') <> '' AS is_test
    FROM shop_alerts WHERE shop_id = :shop_id
    ORDER BY id DESC LIMIT :limit
""")


def add(  # noqa: PLR0917 (one message)
    session: Session, shop_id: int, kind: AlertKind, dedupe_key: str, address: str, facts: str
) -> bool:
    """Queue a message to one address; False when one of that key was, ever."""
    values = {"shop_id": shop_id, "kind": kind.value, "dedupe_key": dedupe_key, "address": address, "facts": facts}
    return session.execute(_ADD, values).first() is not None


def unsent(session: Session, shop_id: int, kind: AlertKind) -> set[str]:
    """List the addresses that a message of one kind has not reached yet."""
    return set(session.execute(_UNSENT, {"shop_id": shop_id, "kind": kind.value}).scalars())


def held_back(session: Session, shop_id: int, kind: AlertKind, address: str) -> tuple[int, str] | None:
    """Find the last message to an address that has surely not left: its id and dedupe key."""
    values = {"shop_id": shop_id, "kind": kind.value, "address": address}
    row = session.execute(_HELD_BACK, values).first()
    return None if row is None else (row.id, row.dedupe_key)


def say_more(session: Session, alert_id: int, facts: str) -> bool:
    """Have a message say something else; False where it is being sent by now, or may have arrived."""
    return session.execute(_SAY_MORE, {"id": alert_id, "facts": facts}).first() is not None


def was_told(session: Session, shop_id: int, kind: AlertKind, seconds: float) -> bool:
    """Say whether a shop was told something of one kind within so many seconds."""
    values = {"shop_id": shop_id, "kind": kind.value, "seconds": seconds}
    return bool(session.execute(_RECENT, values).scalar_one())


def claim(session: Session, token: uuid.UUID, limit: int, lease_seconds: float) -> list[DueAlert]:
    """Take messages that are due, all shops, under a token and a lease."""
    found = session.execute(_CLAIM, {"token": token, "limit": limit, "lease_seconds": lease_seconds})
    return [DueAlert(**{**row._mapping, "kind": AlertKind(row.kind)}) for row in found]  # noqa: SLF001 (SQLAlchemy's)


def finish(session: Session, alert_id: int, token: uuid.UUID, state: str, reason: str | None) -> None:
    """sending -> sent, failed, unknown or skipped; nothing where somebody else holds it by now."""
    session.execute(_FINISH, {"id": alert_id, "token": token, "state": state, "reason": reason})


def again(  # noqa: PLR0917 (one message, and when)
    session: Session, alert_id: int, token: uuid.UUID, seconds: float, reason: str, doubts: int
) -> None:
    """sending -> queued for later; nothing where somebody else holds it by now."""
    values = {"id": alert_id, "token": token, "seconds": seconds, "reason": reason, "doubts": doubts}
    session.execute(_AGAIN, values)


def purge(session: Session, days: int, limit: int) -> None:
    """Erase messages that were settled so many days ago."""
    session.execute(_PURGE, {"days": days, "limit": limit})


def latest(session: Session, shop_id: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """List the last messages to a shop: kind, state, reason, address, created_at, sent_at, is_test."""
    return [dict(row._mapping) for row in session.execute(_LATEST, {"shop_id": shop_id, "limit": limit})]  # noqa: SLF001


def last_of_each(session: Session, shop_id: int, addresses: Sequence[str]) -> Sequence[Row[Any]]:
    """Give the last message to each address that has been tried: address, state, reason, created_at."""
    return session.execute(_LAST_OF_EACH, {"shop_id": shop_id, "addresses": list(addresses)}).all()
