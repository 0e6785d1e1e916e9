"""Every query on shops. A domain here is always a clean one (`restock.shopify.domains`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, case, cast, func, not_, or_, select, true, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from restock.shops.models import ShopRow
from restock.shops.repository import tokens
from restock.shops.values import ShopAccess, ShopState

CLOCKS_APART_SECONDS = 60.0  # Shopify's and ours, at the most


def by_domain(session: Session, domain: str) -> ShopRow | None:
    """Find a shop by its domain, installed or not."""
    return session.scalar(select(ShopRow).where(ShopRow.domain == domain))


def by_id(session: Session, shop_id: int) -> ShopRow | None:
    """Find a shop by its id, installed or not."""
    return session.get(ShopRow, shop_id)


def locked_by_domain(session: Session, domain: str) -> ShopRow | None:
    """Find a shop by its domain and hold its row until the transaction ends; new rows may refer to it meanwhile."""
    return session.scalar(select(ShopRow).where(ShopRow.domain == domain).with_for_update(key_share=True))


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
            "asked_at": case((returning, None), else_=ShopRow.asked_at),
            "updated_at": case((returning, func.now()), else_=ShopRow.updated_at),
        },
    )
    found = session.scalars(statement.returning(ShopRow), execution_options={"populate_existing": True})
    return found.one()


def ensure(session: Session, domain: str) -> ShopRow:
    """Return a shop's row, made as one without the app if there is none."""
    found = by_domain(session, domain)
    if found is None:
        statement = insert(ShopRow).values(domain=domain, state=ShopState.uninstalled, uninstalled_at=func.now())
        session.execute(statement.on_conflict_do_nothing())
        found = session.scalars(select(ShopRow).where(ShopRow.domain == domain)).one()
    return found


def uninstall(session: Session, domain: str, triggered_at: datetime | None) -> int | None:
    """Mark a shop uninstalled, forget its tokens and return its id; None when it was not installed.

    A message triggered before the present installation is about an earlier one and changes nothing. So is one that is
    older than tokens Shopify has given: a shop that comes back before its leaving is told stays installed here.
    """
    timely = true() if triggered_at is None else ShopRow.installed_at <= triggered_at
    if triggered_at is not None:
        timely = and_(timely, not_(tokens.given_since(triggered_at + timedelta(seconds=CLOCKS_APART_SECONDS))))
    shop_id = session.scalar(
        update(ShopRow)
        .where(ShopRow.domain == domain, ShopRow.state == ShopState.installed, timely)
        .values(state=ShopState.uninstalled, uninstalled_at=func.now(), updated_at=func.now())
        .returning(ShopRow.id),
        execution_options={"synchronize_session": False},
    )
    if shop_id is not None:
        tokens.forget(session, shop_id)
    return shop_id


def save_profile(session: Session, shop_id: int, said: Mapping[str, str], at: datetime | None) -> None:
    """Keep what Shopify says of a shop as of `at` (None: now), unless something newer is kept; the rest stays."""
    said_at = func.now() if at is None else at
    older = or_(ShopRow.profile_at.is_(None), ShopRow.profile_at <= said_at)
    session.execute(
        update(ShopRow)
        .where(ShopRow.id == shop_id, older)
        .values(profile=ShopRow.profile.op("||")(cast(dict(said), JSONB)), profile_at=said_at, updated_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def ask_again(session: Session, shop_id: int) -> None:
    """Have a shop asked for its profile and topics at the next opportunity."""
    session.execute(update(ShopRow).where(ShopRow.id == shop_id).values(asked_at=None))


def claim_to_ask(session: Session, limit: int, every_seconds: float, retry_seconds: float) -> Sequence[int]:
    """Take shops with access that were not asked for so long, each for one asker; return their ids.

    One that is not `asked` by then comes back after `retry_seconds`.
    """
    long_ago = or_(ShopRow.asked_at.is_(None), ShopRow.asked_at < func.now() - timedelta(seconds=every_seconds))
    may = (ShopRow.state == ShopState.installed, ShopRow.access == ShopAccess.granted, long_ago)
    longest_ago = select(ShopRow.id).where(*may).order_by(ShopRow.asked_at.nulls_first()).limit(limit)
    # Materialized: a subquery may be run once for each row it is compared with, and then no limit holds.
    due = longest_ago.with_for_update(skip_locked=True).cte("due").prefix_with("MATERIALIZED")
    until = func.now() - timedelta(seconds=every_seconds - retry_seconds)
    statement = update(ShopRow).where(ShopRow.id.in_(select(due.c.id))).values(asked_at=until)
    options = {"synchronize_session": False}
    return session.scalars(statement.returning(ShopRow.id), execution_options=options).all()


def asked(session: Session, shop_id: int) -> None:
    """Note that a claimed shop has answered, unless somebody wants it asked again."""
    answered = update(ShopRow).where(ShopRow.id == shop_id, ShopRow.asked_at.is_not(None))
    session.execute(answered.values(asked_at=func.now()), execution_options={"synchronize_session": False})


def save_settings(
    session: Session, shop_id: int, stored: Mapping[str, str], columns: Mapping[str, str | None]
) -> ShopRow:
    """Replace the stored settings and the given columns (name, locale, currency); return the row as it is now."""
    statement = update(ShopRow).where(ShopRow.id == shop_id)
    statement = statement.values(settings=dict(stored), updated_at=func.now(), **columns)
    found = session.scalars(statement.returning(ShopRow), execution_options={"populate_existing": True})
    return found.one()
