"""Every query of privacy: here the requests and tombstones, `person` and `export` one person, `shop` a whole shop.

The inbox is a room above this one: its table is known here by name alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.privacy.values import DueRequest, NewRequest, RequestKind, RequestLine, RequestState

EXPORT_DAYS = 30

_ADD = text("""
    INSERT INTO privacy_requests (shop_domain, kind, shopify_request_id, identity_sealed)
    VALUES (:shop_domain, :kind, :shopify_request_id, :identity_sealed)
    RETURNING id
""")

_WAITING = text("""
    SELECT identity_sealed FROM privacy_requests
    WHERE shop_domain = :shop_domain AND kind = 'customer_redact' AND state = 'received' AND identity_sealed IS NOT NULL
""")

_CLAIM = text("""
    UPDATE privacy_requests SET attempts = attempts + 1, next_at = now() + make_interval(secs => :lease_seconds)
    WHERE id = (
        SELECT id FROM privacy_requests WHERE state = 'received' AND next_at <= now()
        ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, shop_domain, kind, attempts, identity_sealed, progress
""")

_HOLD = text("SELECT id FROM privacy_requests WHERE id = :id AND state = 'received' FOR UPDATE")

_FINISH = text("""
    UPDATE privacy_requests SET state = :state, reason = :reason, row_count = row_count + :row_count,
        identity_sealed = NULL, export_sealed = :export_sealed, progress = NULL, finished_at = now()
    WHERE id = :id AND state = 'received'
""")

_PROGRESS = text("""
    UPDATE privacy_requests SET progress = :progress, row_count = row_count + :row_count,
        next_at = now() + make_interval(secs => :seconds)
    WHERE id = :id AND state = 'received'
""")

_LATER = text("""
    UPDATE privacy_requests SET next_at = now() + make_interval(secs => :seconds), reason = :reason
    WHERE id = :id AND state = 'received'
""")

_EXPORT_UNTIL = f"""
    CASE WHEN export_sealed IS NOT NULL THEN finished_at + make_interval(days => {EXPORT_DAYS}) END
"""
_LIST = text(f"""
    SELECT id, kind, state, reason, shopify_request_id, row_count, received_at, finished_at,
        {_EXPORT_UNTIL} AS export_until
    FROM privacy_requests WHERE shop_domain = :shop_domain ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 (an expression of our own)

_EXPORT = text(f"""
    SELECT export_sealed FROM privacy_requests
    WHERE shop_domain = :shop_domain AND id = :id AND {_EXPORT_UNTIL} > now()
""")  # noqa: S608 (an expression of our own)

_EXPORTS = text("""
    SELECT id, export_sealed FROM privacy_requests WHERE shop_domain = :shop_domain AND export_sealed IS NOT NULL
""")
_DROP_EXPORTS_BY_ID = text("UPDATE privacy_requests SET export_sealed = NULL WHERE id = ANY(:ids)")
_DROP_EXPORTS = text("""
    UPDATE privacy_requests SET export_sealed = NULL WHERE id = ANY(ARRAY(
        SELECT id FROM privacy_requests
        WHERE export_sealed IS NOT NULL AND finished_at <= now() - make_interval(days => :days) LIMIT :limit
    ))
    RETURNING id
""")

_MARK_REDACTED = text("""
    INSERT INTO redactions (shop_id, keyed_hash)
    SELECT :shop_id, unnest(CAST(:hashes AS bytea[]))
    ON CONFLICT (shop_id, keyed_hash) DO UPDATE SET redacted_at = now()
""")
_WAS_REDACTED = text("SELECT EXISTS (SELECT FROM redactions WHERE shop_id = :shop_id AND keyed_hash = ANY(:hashes))")


def now(session: Session) -> datetime:
    """Tell the database's time."""
    moment = session.execute(text("SELECT now()")).scalar_one()
    assert isinstance(moment, datetime)
    return moment


def add(session: Session, request: NewRequest, identity_sealed: bytes | None) -> int:
    """Store a request, due at once; return its id."""
    values = {
        "shop_domain": request.shop_domain,
        "kind": request.kind.value,
        "shopify_request_id": request.shopify_request_id,
        "identity_sealed": identity_sealed,
    }
    return int(session.execute(_ADD, values).scalar_one())


def waiting_erasures(session: Session, shop_domain: str) -> list[bytes]:
    """Read whom a shop's requests mean that wait to be erased, sealed."""
    return [bytes(sealed) for sealed in session.execute(_WAITING, {"shop_domain": shop_domain}).scalars()]


def claim(session: Session, lease_seconds: float) -> DueRequest | None:
    """Take the request that has been due longest; it comes back after the lease unless it is settled."""
    row = session.execute(_CLAIM, {"lease_seconds": lease_seconds}).first()
    if row is None:
        return None
    sealed = None if row.identity_sealed is None else bytes(row.identity_sealed)
    return DueRequest(row.id, row.shop_domain, RequestKind(row.kind), row.attempts, sealed, row.progress)


def hold(session: Session, request_id: int) -> bool:
    """Hold a request that is not settled yet until the transaction ends; False when it is settled, or gone."""
    return session.execute(_HOLD, {"id": request_id}).first() is not None


def finish(
    session: Session,
    request_id: int,
    state: RequestState,
    *,
    reason: str | None = None,
    row_count: int = 0,
    export_sealed: bytes | None = None,
) -> None:
    """Settle a request; from here on it no longer says who was meant."""
    values = {"id": request_id, "state": state.value, "reason": reason, "row_count": row_count}
    session.execute(_FINISH, values | {"export_sealed": export_sealed})


def note_progress(session: Session, request_id: int, progress: str, row_count: int, lease_seconds: float) -> None:
    """Remember how far a long request has come, and hold it for another lease."""
    values = {"id": request_id, "progress": progress, "row_count": row_count, "seconds": lease_seconds}
    session.execute(_PROGRESS, values)


def postpone(session: Session, request_id: int, seconds: float, reason: str | None) -> None:
    """Leave a request for later."""
    session.execute(_LATER, {"id": request_id, "seconds": seconds, "reason": reason})


def list_requests(session: Session, shop_domain: str, limit: int) -> list[RequestLine]:
    """List a shop's requests, the newest first."""
    return [_line(row) for row in session.execute(_LIST, {"shop_domain": shop_domain, "limit": limit})]


def export_of(session: Session, shop_domain: str, request_id: int) -> bytes | None:
    """Read a sealed export; None when there is none (any more)."""
    sealed = session.execute(_EXPORT, {"shop_domain": shop_domain, "id": request_id}).scalar_one_or_none()
    return None if sealed is None else bytes(sealed)


def exports(session: Session, shop_domain: str) -> list[tuple[int, bytes]]:
    """Read every sealed export of a shop, by its request's id."""
    found = session.execute(_EXPORTS, {"shop_domain": shop_domain})
    return [(row.id, bytes(row.export_sealed)) for row in found]


def drop_exports(session: Session, request_ids: Sequence[int]) -> None:
    """Erase the exports of these requests."""
    session.execute(_DROP_EXPORTS_BY_ID, {"ids": list(request_ids)})


def drop_old_exports(session: Session, limit: int) -> int:
    """Erase exports older than EXPORT_DAYS; return how many."""
    return len(session.execute(_DROP_EXPORTS, {"days": EXPORT_DAYS, "limit": limit}).all())


def mark_redacted(session: Session, shop_id: int, hashes: Sequence[bytes]) -> None:
    """Leave tombstones."""
    session.execute(_MARK_REDACTED, {"shop_id": shop_id, "hashes": sorted(hashes)})


def was_redacted(session: Session, shop_id: int, hashes: Sequence[bytes]) -> bool:
    """Say whether one of these has a tombstone."""
    return bool(session.execute(_WAS_REDACTED, {"shop_id": shop_id, "hashes": list(hashes)}).scalar_one())


def _line(row: Row[tuple[object, ...]]) -> RequestLine:
    return RequestLine(
        id=row.id,
        kind=RequestKind(row.kind),
        state=RequestState(row.state),
        reason=row.reason,
        shopify_request_id=row.shopify_request_id,
        row_count=row.row_count,
        received_at=row.received_at,
        finished_at=row.finished_at,
        export_until=row.export_until,
    )
