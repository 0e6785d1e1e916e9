"""Every query on shops' tokens: what is held, who may talk to the token endpoint, and what came of it.

Who may fetch is one conditional UPDATE, and what was fetched is stored only by who still may. The tokens in a row are
sealed; this module never opens them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from restock.shops.models import ShopRow, ShopTokenRow
from restock.shops.values import ShopAccess, ShopState

SAFETY_SECONDS = 20  # a token that ends sooner may be over when the question arrives
USED_EVERY_SECONDS = 600  # how exactly `used_at` is kept
_row = ShopTokenRow


@dataclass(frozen=True, slots=True)
class Held:
    """What a shop has given us. `is_over`: the access token is not to be used any more; `is_due`: better a new one."""

    shop_id: int
    domain: str
    is_installed: bool
    access_sealed: bytes | None = field(repr=False)
    refresh_sealed: bytes | None = field(repr=False)
    generation: int
    is_over: bool
    is_due: bool
    may_try: bool
    needs_reauth: bool


@dataclass(frozen=True, slots=True)
class NewPair:
    """Tokens to store, sealed. Seconds from now; None: without end, or no refresh token."""

    access_sealed: bytes = field(repr=False)
    refresh_sealed: bytes | None = field(repr=False)
    access_seconds: float | None
    refresh_seconds: float | None
    refresh_in_seconds: float | None


def held(session: Session, shop_id: int) -> Held | None:
    """Read what a shop has given us; None for a shop without a row of tokens."""
    over = and_(
        _row.access_expires_at.is_not(None), _row.access_expires_at < func.now() + timedelta(seconds=SAFETY_SECONDS)
    )
    found = session.execute(
        select(
            _row.shop_id,
            ShopRow.domain,
            ShopRow.state == ShopState.installed,
            _row.access_sealed,
            _row.refresh_sealed,
            _row.generation,
            func.coalesce(over, False),
            func.coalesce(_row.refresh_at <= func.now(), False),
            func.coalesce(_row.try_at <= func.now(), False),
            _row.needs_reauth_at.is_not(None),
        )
        .join(ShopRow, ShopRow.id == _row.shop_id)
        .where(_row.shop_id == shop_id)
    ).one_or_none()
    return Held(*list(found)) if found else None


def mark_used(session: Session, shop_id: int) -> None:
    """Note that a shop's token is in use."""
    stale = or_(_row.used_at.is_(None), _row.used_at < func.now() - timedelta(seconds=USED_EVERY_SECONDS))
    session.execute(update(_row).where(_row.shop_id == shop_id, stale).values(used_at=func.now()))


def prepare(session: Session, shop_id: int) -> None:
    """Make sure that a shop has a row of tokens, empty for now."""
    session.execute(insert(_row).values(shop_id=shop_id).on_conflict_do_nothing())


def claim(
    session: Session, shop_id: int, generation: int, lease: UUID, seconds: float, *, patient: bool = True
) -> bool:
    """Take the right to fetch what replaces this generation; False when another has it, or it was fetched already.

    `patient`: only when the token endpoint may be asked again by now.
    """
    free = or_(_row.lease.is_(None), _row.lease_until < func.now())
    where = [_row.shop_id == shop_id, _row.generation == generation, free]
    if patient:
        where.append(_row.try_at <= func.now())
    until = func.now() + timedelta(seconds=seconds)
    return _changed(session, update(_row).where(*where).values(lease=lease, lease_until=until)) > 0


def store(session: Session, shop_id: int, lease: UUID, pair: NewPair) -> bool:
    """Keep what was fetched under a lease and end it; False when the lease was lost: another's pair counts."""
    statement = update(_row).where(_row.shop_id == shop_id, _row.lease == lease)
    return _changed(session, statement.values(**_stored(pair), generation=_row.generation + 1)) > 0


def replace(session: Session, shop_id: int, pair: NewPair) -> None:
    """Keep tokens that somebody handed us, whatever was there; a fetch under way comes to nothing."""
    values = _stored(pair)
    statement = insert(_row).values(shop_id=shop_id, generation=1, **values)
    changed = statement.on_conflict_do_update(
        index_elements=[_row.shop_id], set_=values | {"generation": _row.generation + 1}
    )
    session.execute(changed)


def fail(session: Session, shop_id: int, lease: UUID, reason: str, again_seconds: float) -> None:
    """End a lease without a pair; the token endpoint may be asked again after that."""
    session.execute(
        update(_row)
        .where(_row.shop_id == shop_id, _row.lease == lease)
        .values(
            lease=None,
            lease_until=None,
            failure_count=_row.failure_count + 1,
            reason=reason,
            try_at=func.now() + timedelta(seconds=again_seconds),
        )
    )


def failures(session: Session, shop_id: int) -> int:
    """Count the tries that failed in a row."""
    return session.scalar(select(_row.failure_count).where(_row.shop_id == shop_id)) or 0


def end_access(
    session: Session, shop_id: int, generation: int, reason: str, again_seconds: float | None = None
) -> bool:
    """Mark a shop's access as over, unless a newer generation is there.

    `again_seconds`: when renewing may be tried once more; None: only a visit of the merchant helps.
    """
    values: dict[str, Any] = {"lease": None, "lease_until": None, "reason": reason, "try_at": _in(again_seconds)}
    values["needs_reauth_at"] = func.coalesce(_row.needs_reauth_at, func.now())
    ended = _changed(session, update(_row).where(_row.shop_id == shop_id, _row.generation == generation).values(values))
    if ended:
        set_access(session, shop_id, ShopAccess.needs_reauth)
    return ended > 0


def set_access(session: Session, shop_id: int, access: ShopAccess, scopes: frozenset[str] | None = None) -> None:
    """Write on the shop's row what its tokens come to; `scopes` None leaves them."""
    values: dict[str, Any] = {"access": access, "updated_at": func.now()}
    if scopes is not None:
        values["scopes"] = sorted(scopes)
    session.execute(update(ShopRow).where(ShopRow.id == shop_id).values(values))


def set_scopes(session: Session, shop_id: int, scopes: frozenset[str]) -> bool:
    """Keep a change of scopes and have everything that follows asked soon; False for a shop without access.

    Tokens that can be renewed are due at once: the new ones carry the new scopes.
    """
    may = (ShopRow.id == shop_id, ShopRow.access != ShopAccess.none)
    statement = update(ShopRow).where(*may).values(scopes=sorted(scopes), asked_at=None, updated_at=func.now())
    if not _changed(session, statement):
        return False
    renewable = update(_row).where(_row.shop_id == shop_id, _row.refresh_sealed.is_not(None))
    session.execute(renewable.values(refresh_at=func.now()))
    return True


def forget(session: Session, shop_id: int) -> None:
    """Delete a shop's tokens."""
    session.execute(delete(_row).where(_row.shop_id == shop_id))
    set_access(session, shop_id, ShopAccess.none, frozenset())


def given_since(moment: datetime) -> ColumnElement[bool]:
    """Say, in a query on shops, whether Shopify has given a shop's tokens since then."""
    given = select(_row.shop_id).where(_row.shop_id == ShopRow.id, _row.access_sealed.is_not(None))
    return given.where(_row.stored_at > moment).exists()


def due(session: Session, limit: int, used_seconds: float, idle_seconds: float) -> Sequence[int]:
    """List shops whose tokens want renewing: in use and about to end, or long untouched; the oldest first."""
    in_use = and_(_row.refresh_at <= func.now(), _row.used_at > func.now() - timedelta(seconds=used_seconds))
    idle = _row.stored_at < func.now() - timedelta(seconds=idle_seconds)
    free = or_(_row.lease.is_(None), _row.lease_until < func.now())
    again = _row.needs_reauth_at.is_not(None)
    wanted = and_(_row.refresh_sealed.is_not(None), _row.try_at <= func.now(), free, or_(in_use, idle, again))
    return session.scalars(select(_row.shop_id).where(wanted).order_by(_row.stored_at).limit(limit)).all()


def _stored(pair: NewPair) -> dict[str, Any]:
    return {
        "access_sealed": pair.access_sealed,
        "access_expires_at": _in(pair.access_seconds),
        "refresh_sealed": pair.refresh_sealed,
        "refresh_expires_at": _in(pair.refresh_seconds),
        "refresh_at": _in(pair.refresh_in_seconds),
        "stored_at": func.now(),
        "lease": None,
        "lease_until": None,
        "failure_count": 0,
        "try_at": func.now(),
        "needs_reauth_at": None,
        "reason": None,
    }


def _in(seconds: float | None) -> Any:
    return null() if seconds is None else func.now() + timedelta(seconds=seconds)


def _changed(session: Session, statement: Any) -> int:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount
