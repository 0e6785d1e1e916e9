"""Turns that end before their time: declined, slept through, or missed because everything was sold meanwhile.

Nobody is waited for here: what others hold is left to the next page. So it does not matter that an event is held
before its offers, against the order everybody else locks in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.restocks.values import ClosedEvent, HeldTurn

_TURN = text("""
    SELECT o.id, o.event_id, o.subscription_id, s.contact_id, o.units FROM offers o
    JOIN subscriptions s ON s.id = o.subscription_id AND s.shop_id = o.shop_id
    WHERE o.id = :offer_id AND o.shop_id = :shop_id AND o.state = 'open'
""")

_DECLINE = text("""
    UPDATE offers SET state = 'declined' WHERE id = :offer_id AND shop_id = :shop_id AND state = 'open'
    RETURNING id
""")

_SLEPT = text("""
    SELECT shop_id, array_agg(id ORDER BY id) AS ids FROM (
        SELECT shop_id, id FROM offers WHERE state = 'open' AND accepted_at IS NULL AND kept_until <= now()
        ORDER BY kept_until LIMIT :limit
    ) due GROUP BY shop_id ORDER BY shop_id
""")

_LEND_ON = text("""
    UPDATE offers SET state = 'returned', reason = 'asleep'
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
    RETURNING id, event_id, subscription_id, NULL, units
""")

_MISS_UNHEARD = text("""
    UPDATE offers SET state = 'missed', reason = 'sold_out'
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
    RETURNING id, event_id, subscription_id, NULL, units
""")

_KEEP_ON = text("""
    UPDATE offers SET kept_until = now() + make_interval(secs => :seconds)
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
""")

_FALLEN_ASLEEP = text("""
    UPDATE offers SET kept_until = now() + make_interval(secs => :seconds)
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL AND kept_until IS NULL
""")

_CLAIM_SOLD_OUT = text("""
    SELECT id, shop_id, variant_id FROM restock_events WHERE settle_at <= now()
    ORDER BY settle_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
""")

_RUNNING = text("""
    SELECT o.id, o.event_id, o.subscription_id, s.contact_id, o.units FROM offers o
    JOIN subscriptions s ON s.id = o.subscription_id
    WHERE o.event_id = :event_id AND o.state = 'open' AND o.accepted_at IS NOT NULL
    ORDER BY o.accepted_at LIMIT :limit
    FOR UPDATE OF o SKIP LOCKED
""")

_MISS = text("UPDATE offers SET state = 'missed', reason = 'sold_out' WHERE id = ANY(:ids) AND state = 'open'")

_UNHEARD = text("""
    SELECT id FROM offers WHERE event_id = :event_id AND state = 'open' AND accepted_at IS NULL LIMIT :limit
""")

_USED_UP = text("""
    SELECT subscription_id FROM offers WHERE subscription_id = ANY(:ids) AND accepted_at IS NOT NULL
    GROUP BY subscription_id HAVING count(*) >= :most
""")

# The waiting and the others have an index each.
_OF_CONTACT = text("""
    SELECT o.id FROM (
        SELECT id FROM subscriptions WHERE contact_id = :contact_id AND shop_id = :shop_id
          AND state IN ('pending', 'active')
        UNION ALL
        SELECT id FROM subscriptions WHERE contact_id = :contact_id AND shop_id = :shop_id
          AND state NOT IN ('pending', 'active')
    ) s JOIN offers o ON o.subscription_id = s.id AND o.state = 'open'
    ORDER BY o.id
""")

_OF_SUBSCRIPTIONS = text("""
    SELECT id FROM offers WHERE subscription_id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' ORDER BY id
""")

_SETTLE_LATER = text("""
    UPDATE restock_events
    SET settle_at = now() + least(greatest(now() - closed_at, interval '5 seconds'), interval '1 hour')
    WHERE id = :id
""")

_SETTLE_NOW = text("UPDATE restock_events SET settle_at = now() WHERE id = :id AND settle_at IS NOT NULL")

_SETTLED = text("UPDATE restock_events SET settle_at = NULL WHERE id = :id")


def open_turn(session: Session, shop_id: int, offer_id: int) -> HeldTurn | None:
    """Read a turn that is open, holding nothing; None when it is over."""
    row = session.execute(_TURN, {"shop_id": shop_id, "offer_id": offer_id}).first()
    return None if row is None else HeldTurn(*row)


def decline_offer(session: Session, shop_id: int, offer_id: int) -> bool:
    """open -> declined; False when it is open no more."""
    return session.execute(_DECLINE, {"shop_id": shop_id, "offer_id": offer_id}).first() is not None


def slept_through(session: Session, limit: int) -> list[tuple[int, list[int]]]:
    """List offers whose units were kept for a sleeper long enough, as (shop_id, offer ids); nothing is held."""
    return [(row.shop_id, list(row.ids)) for row in session.execute(_SLEPT, {"limit": limit})]


def lend_on(session: Session, shop_id: int, offer_ids: Sequence[int]) -> list[HeldTurn]:
    """open -> returned (asleep), where no provider has the message; return the turns taken back."""
    return [HeldTurn(*row) for row in session.execute(_LEND_ON, {"ids": list(offer_ids), "shop_id": shop_id})]


def keep_on(session: Session, shop_id: int, offer_ids: Sequence[int], seconds: float) -> None:
    """Keep units of sleepers a while longer: their message is on its way, or may be."""
    if offer_ids:
        session.execute(_KEEP_ON, {"ids": list(offer_ids), "shop_id": shop_id, "seconds": seconds})


def keep_for_sleepers(session: Session, shop_id: int, offer_ids: Sequence[int], longest: timedelta) -> None:
    """Keep the units of these offers for so long from now, where that was not said already."""
    values = {"ids": list(offer_ids), "shop_id": shop_id, "seconds": longest.total_seconds()}
    session.execute(_FALLEN_ASLEEP, values)


def claim_sold_out(session: Session) -> ClosedEvent | None:
    """Hold the sold-out event whose turns have waited longest to be called missed; None when none is due."""
    row = session.execute(_CLAIM_SOLD_OUT).first()
    return None if row is None else ClosedEvent(*row)


def running_turns(session: Session, event_id: int, limit: int) -> list[HeldTurn]:
    """Hold running turns of an event that nobody else holds."""
    return [HeldTurn(*row) for row in session.execute(_RUNNING, {"event_id": event_id, "limit": limit})]


def miss_offers(session: Session, offer_ids: Sequence[int]) -> None:
    """open -> missed, of turns held by `running_turns`."""
    session.execute(_MISS, {"ids": list(offer_ids)})


def miss_unheard(session: Session, shop_id: int, offer_ids: Sequence[int]) -> list[HeldTurn]:
    """open -> missed, where no provider is known to have the message; return the turns missed."""
    return [HeldTurn(*row) for row in session.execute(_MISS_UNHEARD, {"ids": list(offer_ids), "shop_id": shop_id})]


def unheard_offers(session: Session, event_id: int, limit: int) -> list[int]:
    """List open offers of an event whose message no provider has; nothing is held."""
    return list(session.execute(_UNHEARD, {"event_id": event_id, "limit": limit}).scalars())


def open_offers_of(session: Session, shop_id: int, contact_id: int) -> list[int]:
    """List the open offers of everything a contact waits or waited for, lowest first; nothing is held."""
    return list(session.execute(_OF_CONTACT, {"shop_id": shop_id, "contact_id": contact_id}).scalars())


def open_offers_for(session: Session, shop_id: int, subscription_ids: Sequence[int]) -> list[int]:
    """List the open offers of these subscriptions, lowest first; nothing is held."""
    return list(session.execute(_OF_SUBSCRIPTIONS, {"ids": list(subscription_ids), "shop_id": shop_id}).scalars())


def used_up(session: Session, subscription_ids: Sequence[int], most: int) -> set[int]:
    """Keep the subscriptions that have had so many turns, in all restocks."""
    return set(session.execute(_USED_UP, {"ids": list(subscription_ids), "most": most}).scalars())


def settle_later(session: Session, event_id: int) -> None:
    """Look again at a sold-out event, ever less often: messages of it may still be on their way."""
    session.execute(_SETTLE_LATER, {"id": event_id})


def settle_now(session: Session, event_id: int) -> None:
    """Look at a sold-out event again as soon as the others that are due were looked at: there is more of it."""
    session.execute(_SETTLE_NOW, {"id": event_id})


def settled(session: Session, event_id: int) -> None:
    """Leave a sold-out event alone: none of its turns is open any more."""
    session.execute(_SETTLED, {"id": event_id})
