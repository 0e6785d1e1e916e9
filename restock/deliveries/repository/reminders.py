"""Offers a reminder is due of; each is held by one transaction at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.restocks.values import OfferState

_DUE = text("""
    SELECT o.id AS offer_id, o.shop_id, o.event_id, o.subscription_id, s.contact_id, s.channel, s.variant_id,
        o.state, o.reminded_count
    FROM offers o JOIN subscriptions s ON s.id = o.subscription_id AND s.shop_id = o.shop_id
    WHERE o.remind_at <= now()
    ORDER BY o.remind_at LIMIT :limit
    FOR NO KEY UPDATE OF o SKIP LOCKED
""")

# Whoever is being erased, or says no, holds it already: that is waited out by looking again.
_HOLD = text("SELECT id FROM contacts WHERE id = ANY(:ids) ORDER BY id FOR KEY SHARE SKIP LOCKED")

_NEXT = text("""
    UPDATE offers SET reminded_count = reminded_count + CASE WHEN told.reminded THEN 1 ELSE 0 END,
        remind_at = now() + make_interval(hours => told.hours)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reminded AS bool[]), CAST(:hours AS int[])) AS told(id, reminded, hours)
    WHERE offers.id = told.id
""")


class Remindable(NamedTuple):
    """An offer whose time for a reminder has come, and who it is for; `contact_id` None: the person was erased."""

    offer_id: int
    shop_id: int
    event_id: int
    subscription_id: int
    contact_id: int | None
    channel: str
    variant_id: int
    state: OfferState
    reminded_count: int


class Reminded(NamedTuple):
    """What became of it. `hours` until the next one, None: there is none to come."""

    offer_id: int
    reminded: bool
    hours: int | None


def take_due(session: Session, limit: int) -> list[Remindable]:
    """Hold the offers whose reminder has been due longest, with their people, until the transaction ends.

    What others hold is left to the next look.
    """
    found = session.execute(_DUE, {"limit": limit})
    due = [Remindable(**(row._asdict() | {"state": OfferState(row.state)})) for row in found]
    people = sorted({offer.contact_id for offer in due if offer.contact_id is not None})
    held = {None, *session.execute(_HOLD, {"ids": people}).scalars()}
    return [offer for offer in due if offer.contact_id in held]


def set_next(session: Session, done: Sequence[Reminded]) -> None:
    """Write down which were reminded, and when each is looked at again."""
    if done:
        ids, reminded, hours = zip(*done, strict=True)
        session.execute(_NEXT, {"ids": list(ids), "reminded": list(reminded), "hours": list(hours)})
