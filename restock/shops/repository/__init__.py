"""Every query on shops. A domain here is always a clean one (`restock.shopify.domains`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import case, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.shops.models import ShopRow
from restock.shops.values import ShopState


def by_domain(session: Session, domain: str) -> ShopRow | None:
    """Find a shop by its domain, installed or not."""
    return session.scalar(select(ShopRow).where(ShopRow.domain == domain))


def by_id(session: Session, shop_id: int) -> ShopRow | None:
    """Find a shop by its id, installed or not."""
    return session.get(ShopRow, shop_id)


def locked_by_domain(session: Session, domain: str) -> ShopRow | None:
    """Find a shop by its domain and hold its row until the transaction ends."""
    return session.scalar(select(ShopRow).where(ShopRow.domain == domain).with_for_update())


def every(session: Session) -> Sequence[ShopRow]:
    """List all shops by domain, the uninstalled ones too."""
    return session.scalars(select(ShopRow).order_by(ShopRow.domain)).all()


def install(session: Session, domain: str) -> ShopRow:
    """Add a shop or bring an uninstalled one back, and return its row; an installed one stays as it is."""
    returning = ShopRow.state == ShopState.uninstalled
    statement = insert(ShopRow).values(domain=domain)
    statement = statement.on_conflict_do_update(
        index_elements=[ShopRow.domain],
        set_={
            "state": ShopState.installed,
            "uninstalled_at": None,
            "installed_at": case((returning, func.now()), else_=ShopRow.installed_at),
            "updated_at": case((returning, func.now()), else_=ShopRow.updated_at),
        },
    )
    found = session.scalars(statement.returning(ShopRow), execution_options={"populate_existing": True})
    return found.one()


def uninstall(session: Session, domain: str, triggered_at: datetime | None) -> bool:
    """Mark a shop uninstalled and forget its token; False when it was not installed.

    A message triggered before the present installation is about an earlier one and changes nothing.
    """
    timely = true() if triggered_at is None else ShopRow.installed_at <= triggered_at
    result = session.execute(
        update(ShopRow)
        .where(ShopRow.domain == domain, ShopRow.state == ShopState.installed, timely)
        .values(state=ShopState.uninstalled, uninstalled_at=func.now(), updated_at=func.now(), access_token_sealed=None)
    )
    return _changed(result) > 0


def save_token(session: Session, shop_id: int, sealed: bytes) -> None:
    """Keep a sealed access token."""
    session.execute(
        update(ShopRow).where(ShopRow.id == shop_id).values(access_token_sealed=sealed, updated_at=func.now())
    )


def save_settings(
    session: Session, shop_id: int, stored: Mapping[str, str], columns: Mapping[str, str | None]
) -> ShopRow:
    """Replace the stored settings and the given columns (name, locale, currency); return the row as it is now."""
    statement = update(ShopRow).where(ShopRow.id == shop_id)
    statement = statement.values(settings=dict(stored), updated_at=func.now(), **columns)
    found = session.scalars(statement.returning(ShopRow), execution_options={"populate_existing": True})
    return found.one()


def _changed(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
