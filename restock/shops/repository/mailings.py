"""Every query on how shops send e-mail by providers of their own. It never opens a seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import CursorResult, Integer, case, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from restock.shops.models import ShopMailingRow

# A choice made anew after it was dropped is another one: whoever still knows the old one by its version, with its key,
# must not take the new one for it.
_ANY_VERSION = cast(func.floor(func.random() * 2_000_000_000), Integer)


@dataclass(frozen=True, slots=True)
class NewMailing:
    """What is written. A seal None: the one that is there stays."""

    provider: str
    from_address: str
    from_name: str
    options: Mapping[str, str]
    secret_sealed: bytes | None = field(default=None, repr=False)
    hook_secret_sealed: bytes | None = field(default=None, repr=False)


def find(session: Session, shop_id: int) -> ShopMailingRow | None:
    """Find a shop's own way to send; None: it sends by the instance's mail server."""
    return session.get(ShopMailingRow, shop_id, populate_existing=True)


def every(session: Session) -> Sequence[ShopMailingRow]:
    """List them all, by shop."""
    return session.scalars(select(ShopMailingRow).order_by(ShopMailingRow.shop_id)).all()


def save(session: Session, shop_id: int, new: NewMailing) -> ShopMailingRow:
    """Write how a shop sends, or replace it; what a test of the old one said is forgotten."""
    values: dict[str, object] = {
        "provider": new.provider,
        "from_address": new.from_address,
        "from_name": new.from_name,
        "options": dict(new.options),
        "tested_at": None,
        "test_reason": None,
        "updated_at": func.now(),
    }
    seals = {"secret_sealed": new.secret_sealed, "hook_secret_sealed": new.hook_secret_sealed}
    same = ShopMailingRow.provider == new.provider
    if new.secret_sealed is None:  # checked before: the same provider's is kept
        changed = update(ShopMailingRow).where(ShopMailingRow.shop_id == shop_id, same)
        changed = changed.values(
            **values,
            version=ShopMailingRow.version + 1,
            **{name: seal for name, seal in seals.items() if seal is not None},
        )
        return session.scalars(changed.returning(ShopMailingRow), execution_options={"populate_existing": True}).one()
    statement = insert(ShopMailingRow).values(shop_id=shop_id, version=_ANY_VERSION, **values, **seals)
    # Another provider's reports are signed with another key: the old one goes with it.
    kept = case((same, ShopMailingRow.hook_secret_sealed), else_=None)
    hook = kept if new.hook_secret_sealed is None else new.hook_secret_sealed
    statement = statement.on_conflict_do_update(
        index_elements=[ShopMailingRow.shop_id],
        set_={**values, **seals, "hook_secret_sealed": hook, "version": ShopMailingRow.version + 1},
    )
    return session.scalars(statement.returning(ShopMailingRow), execution_options={"populate_existing": True}).one()


def drop(session: Session, shop_id: int) -> bool:
    """Go back to the instance's mail server; False: it was there already."""
    result = session.execute(delete(ShopMailingRow).where(ShopMailingRow.shop_id == shop_id))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def note_test(session: Session, shop_id: int, version: int, reason: str) -> None:
    """Keep what a test of one version said; "" where the message was taken."""
    tested = update(ShopMailingRow).where(ShopMailingRow.shop_id == shop_id, ShopMailingRow.version == version)
    session.execute(
        tested.values(tested_at=func.now(), test_reason=reason), execution_options={"synchronize_session": False}
    )
