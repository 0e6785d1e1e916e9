"""The queue of yeses on their way into shops' customer lists, and a no that came back from there.

A row is claimed by moving its time; whoever holds it settles it only while that time is still the one it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName

WRITE_SCOPE = "write_customers"

# In the order they were said, from a little before the newest one taken so far: a transaction that began earlier may
# have committed later, but none lasts that long.
_TAKE = text("""
    WITH fresh AS (
        SELECT said.shop_id, said.contact_id, said.said_at FROM consents said
        JOIN contacts ON contacts.id = said.contact_id AND contacts.marketing = 'granted'
        WHERE said.purpose = 'marketing' AND said.action = 'granted' AND said.effective
          AND said.said_at > coalesce((SELECT max(said_at) FROM marketing_writes), '-infinity') - interval '10 minutes'
          AND NOT EXISTS (
            SELECT FROM marketing_writes known
            WHERE known.contact_id = said.contact_id AND known.said_at >= said.said_at)
        ORDER BY said.said_at LIMIT :limit
    )
    INSERT INTO marketing_writes AS old (shop_id, contact_id, said_at)
    SELECT DISTINCT ON (contact_id) shop_id, contact_id, said_at FROM fresh ORDER BY contact_id, said_at DESC
    ON CONFLICT (contact_id) DO UPDATE SET said_at = excluded.said_at, state = 'due', reason = NULL, attempts = 0,
        next_at = now(), finished_at = NULL
    WHERE old.said_at < excluded.said_at
    RETURNING id
""")

# Rows of a shop that cannot be written to wait where they are and cost nothing.
_SHOPS = text("""
    SELECT id FROM shops
    WHERE state = 'installed' AND access = 'granted' AND CAST(:scope AS text) = ANY(scopes) AND EXISTS (
        SELECT FROM marketing_writes due
        WHERE due.shop_id = shops.id AND due.state = 'due' AND due.next_at <= now())
    ORDER BY id
""")

_CLAIM = text("""
    WITH taken AS (
        UPDATE marketing_writes SET next_at = now() + make_interval(secs => :lease_seconds)
        WHERE id = (  -- not IN: a plan that asks the inner query again would take another row each time
            SELECT id FROM marketing_writes WHERE shop_id = :shop_id AND state = 'due' AND next_at <= now()
            ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, contact_id, said_at, attempts, next_at
    )
    SELECT taken.id, taken.next_at, taken.attempts, taken.said_at, c.channel, c.address, c.marketing, c.suppression,
        c.confirmed_at IS NOT NULL AS is_confirmed
    FROM taken JOIN contacts c ON c.id = taken.contact_id
""")

_WORD = text("""
    SELECT c.marketing, c.suppression, c.confirmed_at IS NOT NULL AS is_confirmed
    FROM marketing_writes held JOIN contacts c ON c.id = held.contact_id
    WHERE held.id = :id AND held.state = 'due' AND held.next_at = :held_until
""")

_FINISH = text("""
    UPDATE marketing_writes SET state = :state, reason = :reason, finished_at = now()
    WHERE id = :id AND state = 'due' AND next_at = :held_until
""")

_POSTPONE = text("""
    UPDATE marketing_writes SET next_at = now() + make_interval(secs => :seconds), reason = :reason,
        attempts = attempts + :counts
    WHERE id = :id AND state = 'due' AND next_at = :held_until
""")

_REFUSE = text("""
    WITH changed AS (
        UPDATE contacts SET marketing = 'refused', updated_at = now()
        WHERE shop_id = :shop_id AND address_hash = :address_hash AND marketing IS DISTINCT FROM 'refused'
        RETURNING id
    )
    INSERT INTO consents (shop_id, contact_id, purpose, action, source, said_at)
    SELECT :shop_id, id, 'marketing', 'refused', 'shopify', coalesce(CAST(:said_at AS timestamptz), now()) FROM changed
    RETURNING id
""")


class DueWrite(NamedTuple):
    """One yes that is held until `held_until`. Its address must not reach a log."""

    id: int
    held_until: datetime
    attempts: int
    said_at: datetime
    channel: ChannelName
    address: str
    marketing: str | None
    suppression: str | None
    is_confirmed: bool

    def __repr__(self) -> str:
        return f"DueWrite(id={self.id})"


def take_new(session: Session, limit: int) -> int:
    """Queue the yeses that were said since; return how many."""
    return len(session.execute(_TAKE, {"limit": limit}).all())


def shops_due(session: Session) -> Sequence[int]:
    """List the shops that have something due and let us write it."""
    return list(session.execute(_SHOPS, {"scope": WRITE_SCOPE}).scalars())


def claim(session: Session, shop_id: int, lease_seconds: float) -> DueWrite | None:
    """Take the one due longest of a shop; None when nothing is due, or the contact is gone."""
    row = session.execute(_CLAIM, {"shop_id": shop_id, "lease_seconds": lease_seconds}).one_or_none()
    if row is None:
        return None
    return DueWrite(*row)._replace(channel=ChannelName(row.channel))


def read_again(session: Session, due: DueWrite) -> DueWrite | None:
    """Read what the person says by now; None when it is no longer held, or the person was erased."""
    row = session.execute(_WORD, {"id": due.id, "held_until": due.held_until}).one_or_none()
    return None if row is None else due._replace(**row._asdict())


def finish(session: Session, due: DueWrite, state: str, reason: str | None) -> bool:
    """Settle one as written, skipped or failed; False when it is no longer held."""
    values = {"id": due.id, "held_until": due.held_until, "state": state, "reason": reason}
    return _changed(session.execute(_FINISH, values))


def postpone(session: Session, due: DueWrite, seconds: float, reason: str, *, counts: bool) -> bool:
    """Leave one for later; `counts`: it uses up an attempt. False when it is no longer held."""
    values = {
        "id": due.id,
        "held_until": due.held_until,
        "seconds": seconds,
        "reason": reason,
        "counts": int(counts),
    }
    return _changed(session.execute(_POSTPONE, values))


def refuse(session: Session, shop_id: int, address_hash: bytes, said_at: datetime | None) -> bool:
    """Write down a no to marketing that was said at Shopify; False when it was known, or nobody has the address."""
    values = {"shop_id": shop_id, "address_hash": address_hash, "said_at": said_at}
    return session.execute(_REFUSE, values).first() is not None


def _changed(result: object) -> bool:
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)
