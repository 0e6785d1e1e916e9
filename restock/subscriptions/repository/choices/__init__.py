"""What a person may change about their own alerts: pause, go on, another quantity, leave one, another language.

Each is one conditional UPDATE scoped by the contact, and the rows it returns say what really changed. Nothing here ends
a turn: the caller gives back what a turn keeps, before or after.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session


class Changed(NamedTuple):
    """One alert that changed. `state` is where its wait stands."""

    id: int
    variant_id: int
    state: str


_ALERT = "contact_id = :contact_id AND shop_id = :shop_id AND (id = :id OR CAST(:id AS bigint) IS NULL)"

# Somebody whose turn is running is paused too: sold out in the meantime, they would stand in line again.
_PAUSE = text(f"""
    UPDATE subscriptions SET paused_at = coalesce(paused_at, now()), paused_until = :until, updated_at = now()
    WHERE {_ALERT} AND (state IN ('pending', 'active') OR state = 'notified' AND EXISTS (
            SELECT FROM offers WHERE offers.subscription_id = subscriptions.id AND offers.state = 'open'))
      AND (paused_at IS NULL OR paused_until IS DISTINCT FROM CAST(:until AS timestamptz))
    RETURNING id, variant_id, state
""")  # noqa: S608 (the words above)

_RESUME = text(f"""
    UPDATE subscriptions SET paused_at = NULL, paused_until = NULL, updated_at = now()
    WHERE {_ALERT} AND paused_at IS NOT NULL RETURNING id, variant_id, state
""")  # noqa: S608 (the words above)

_RESUME_DUE = text("""
    UPDATE subscriptions SET paused_at = NULL, paused_until = NULL, updated_at = now()
    WHERE id = ANY(ARRAY(
        SELECT id FROM subscriptions WHERE paused_until <= now()
        ORDER BY paused_until LIMIT :limit FOR UPDATE SKIP LOCKED
    )) AND paused_until <= now()
    RETURNING shop_id, id, variant_id, state
""")

# Not while a turn is being handed over: its message says how many, and so many units are kept.
_QUANTITY = text("""
    UPDATE subscriptions SET quantity = :quantity, updated_at = now()
    WHERE contact_id = :contact_id AND shop_id = :shop_id AND id = :id AND quantity <> :quantity
      AND state IN ('pending', 'active') AND open_offer_id IS NULL
    RETURNING id, variant_id, state
""")

_LEAVE = text("""
    WITH ended AS (
        UPDATE subscriptions SET state = 'cancelled', end_reason = 'left', open_offer_id = NULL, ended_at = now(),
            updated_at = now()
        WHERE contact_id = :contact_id AND shop_id = :shop_id AND id = :id AND state IN ('pending', 'active')
        RETURNING id, variant_id
    ), closed AS (
        UPDATE intents SET closed_at = now(), updated_at = now()
        FROM ended WHERE intents.subscription_id = ended.id AND intents.closed_at IS NULL
    ), said AS (
        INSERT INTO consents (shop_id, contact_id, purpose, action, variant_id, source)
        SELECT :shop_id, :contact_id, 'back_in_stock', 'withdrawn', variant_id, 'preferences' FROM ended
    )
    SELECT id, variant_id, 'cancelled' AS state FROM ended
""")

_LOCALE = text("""
    WITH spoken AS (
        UPDATE contacts SET locale = :locale, updated_at = now()
        WHERE id = :contact_id AND shop_id = :shop_id AND locale IS DISTINCT FROM :locale RETURNING id
    ), alerts AS (
        UPDATE subscriptions SET locale = :locale, updated_at = now()
        WHERE contact_id = :contact_id AND shop_id = :shop_id AND state IN ('pending', 'active')
          AND locale IS DISTINCT FROM :locale
        RETURNING id
    )
    SELECT (SELECT count(*) FROM spoken) + (SELECT count(*) FROM alerts)
""")

_OWN = text(f"SELECT id FROM subscriptions WHERE {_ALERT} ORDER BY id")  # noqa: S608 (the words above)


def own(session: Session, shop_id: int, contact_id: int, alert_id: int | None) -> list[int]:
    """List a contact's alerts, or the one of that id if it is the contact's."""
    return list(session.execute(_OWN, _who(shop_id, contact_id, alert_id)).scalars())


def pause(
    session: Session, shop_id: int, contact_id: int, alert_id: int | None, until: datetime | None
) -> list[Changed]:
    """Let one alert rest, or all (None), until a moment or (None) until the person goes on; return what changed."""
    return _changed(session, _PAUSE, {**_who(shop_id, contact_id, alert_id), "until": until})


def resume(session: Session, shop_id: int, contact_id: int, alert_id: int | None) -> list[Changed]:
    """Let one alert, or all (None), go on at its old place; return what changed."""
    return _changed(session, _RESUME, _who(shop_id, contact_id, alert_id))


def resume_due(session: Session, limit: int) -> dict[int, list[Changed]]:
    """Let alerts go on whose rest is over, all shops; return them by shop."""
    found: dict[int, list[Changed]] = {}
    for shop_id, *alert in session.execute(_RESUME_DUE, {"limit": limit}):
        found.setdefault(shop_id, []).append(Changed(*alert))
    return found


def set_quantity(session: Session, shop_id: int, contact_id: int, alert_id: int, quantity: int) -> list[Changed]:
    """Want another quantity; nothing changes while a turn is being handed over, or once the waiting is over."""
    return _changed(session, _QUANTITY, {**_who(shop_id, contact_id, alert_id), "quantity": quantity})


def leave(session: Session, shop_id: int, contact_id: int, alert_id: int) -> list[Changed]:
    """End the waiting of one alert, and write the no down; the address stays open for others."""
    return _changed(session, _LEAVE, _who(shop_id, contact_id, alert_id))


def set_locale(session: Session, shop_id: int, contact_id: int, locale: str) -> bool:
    """Speak another language to a contact from now on; False when it was spoken already."""
    values = {"shop_id": shop_id, "contact_id": contact_id, "locale": locale}
    return bool(session.execute(_LOCALE, values).scalar_one())


def _who(shop_id: int, contact_id: int, alert_id: int | None) -> dict[str, object]:
    return {"shop_id": shop_id, "contact_id": contact_id, "id": alert_id}


def _changed(session: Session, statement: TextClause, values: dict[str, object]) -> list[Changed]:
    return sorted(Changed(*row) for row in session.execute(statement, values))
