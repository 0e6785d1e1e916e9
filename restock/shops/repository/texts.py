"""Every query on the texts a merchant has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, delete, func, not_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.values import ChannelName
from restock.shops.models import ShopRow, ShopTextRow
from restock.shops.values import ShopText

_ORDER = (ShopTextRow.channel, ShopTextRow.stage, ShopTextRow.locale)


def sources(session: Session, shop_id: int) -> dict[TextKey, Source]:
    """Read all texts of a shop as they are sent."""
    rows = session.scalars(select(ShopTextRow).where(ShopTextRow.shop_id == shop_id))
    return {_key(row): Source(dict(row.parts), row.html, row.version) for row in rows}


def every(session: Session, shop_id: int) -> Sequence[ShopText]:
    """List a shop's texts by channel, stage and locale."""
    rows = session.scalars(select(ShopTextRow).where(ShopTextRow.shop_id == shop_id).order_by(*_ORDER))
    return [_text(row) for row in rows]


def find(session: Session, shop_id: int, key: TextKey) -> ShopText | None:
    """Find one text."""
    row = session.get(ShopTextRow, (shop_id, key.channel.value, key.stage.value, key.locale))
    return _text(row) if row else None


def count_others(session: Session, shop_id: int, key: TextKey) -> int:
    """Count a shop's texts but for this one."""
    others = and_(ShopTextRow.shop_id == shop_id, not_(and_(*_is(shop_id, key))))
    return session.scalar(select(func.count()).select_from(ShopTextRow).where(others)) or 0


def next_version(session: Session, shop_id: int) -> int:
    """Count a change of the shop's texts, and hold the shop's row: changes come one after the other."""
    changed = update(ShopRow).where(ShopRow.id == shop_id).values(texts_version=ShopRow.texts_version + 1)
    options = {"synchronize_session": False}
    version: int = session.scalars(changed.returning(ShopRow.texts_version), execution_options=options).one()
    return version


def save(session: Session, shop_id: int, key: TextKey, source: Source) -> ShopText:
    """Write a text or replace it; what was broken about the old one is forgotten."""
    fresh: Mapping[str, object] = {
        "parts": dict(source.parts),
        "html": source.html,
        "version": source.version,
        "broken_at": None,
        "broken_reason": None,
        "updated_at": func.now(),
    }
    names = {"shop_id": shop_id, "channel": key.channel, "stage": key.stage, "locale": key.locale}
    statement = insert(ShopTextRow).values(**names, **fresh)
    statement = statement.on_conflict_do_update(index_elements=list(names), set_=dict(fresh))
    found = session.scalars(statement.returning(ShopTextRow), execution_options={"populate_existing": True})
    return _text(found.one())


def drop(session: Session, shop_id: int, key: TextKey) -> bool:
    """Delete a text; False: there was none."""
    result = session.execute(delete(ShopTextRow).where(*_is(shop_id, key)))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def mark_broken(session: Session, shop_id: int, key: TextKey, version: int, reason: str) -> bool:
    """Note once why a version of a text could not be sent as written; False: noted before, or replaced meanwhile."""
    may = (*_is(shop_id, key), ShopTextRow.version == version, ShopTextRow.broken_at.is_(None))
    broken = update(ShopTextRow).where(*may).values(broken_at=func.now(), broken_reason=reason)
    result = session.execute(broken, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _is(shop_id: int, key: TextKey) -> tuple[ColumnElement[bool], ...]:
    return (
        ShopTextRow.shop_id == shop_id,
        ShopTextRow.channel == key.channel,
        ShopTextRow.stage == key.stage,
        ShopTextRow.locale == key.locale,
    )


def _key(row: ShopTextRow) -> TextKey:
    return TextKey(ChannelName(row.channel), Stage(row.stage), row.locale)


def _text(row: ShopTextRow) -> ShopText:
    return ShopText(_key(row), dict(row.parts), row.version, row.updated_at, row.broken_at, row.broken_reason)
