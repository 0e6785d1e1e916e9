"""Back to the old place: people who were told, and whose turn ended without their having had a fair one.

Their contacts are held first, so that nobody who leaves or is erased meanwhile is put back in line. A new post of the
same address at the same moment makes these statements fail with an IntegrityError: nothing is written, and the caller
tries again, with that post in sight.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

_HOLD = """
    SELECT id FROM contacts WHERE id = ANY(:ids) AND shop_id = :shop_id ORDER BY id FOR KEY SHARE {waiting}
"""
_HOLD_ALL, _HOLD_FREE = text(_HOLD.format(waiting="")), text(_HOLD.format(waiting="SKIP LOCKED"))

# Whoever has asked again meanwhile waits there already, from now on at the better of both places.
_INHERIT = text("""
    UPDATE subscriptions newer SET queued_at = least(newer.queued_at, older.queued_at),
        priority = greatest(newer.priority, older.priority), updated_at = now()
    FROM (
        SELECT contact_id, variant_id, market_id, min(queued_at) AS queued_at, max(priority) AS priority
        FROM subscriptions WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'notified'
        GROUP BY contact_id, variant_id, market_id
    ) older
    WHERE newer.contact_id = older.contact_id AND newer.variant_id = older.variant_id
      AND newer.market_id = older.market_id AND newer.state IN ('pending', 'active')
      AND (newer.queued_at > older.queued_at OR newer.priority < older.priority)
    RETURNING newer.id
""")

# One for each address, the first of them; nobody who has left, and nobody who has taken the wish to another address.
_RETURN = text("""
    UPDATE subscriptions SET state = 'active', open_offer_id = NULL, updated_at = now()
    WHERE state = 'notified' AND id IN (
        SELECT DISTINCT ON (s.contact_id, s.variant_id, s.market_id) s.id
        FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
        WHERE s.id = ANY(:ids) AND s.shop_id = :shop_id AND s.state = 'notified' AND c.suppression IS NULL
          AND NOT EXISTS (
            SELECT FROM subscriptions w WHERE w.contact_id = s.contact_id AND w.variant_id = s.variant_id
              AND w.market_id = s.market_id AND w.state IN ('pending', 'active')
          )
          AND (NOT EXISTS (SELECT FROM intents i WHERE i.subscription_id = s.id AND i.closed_at = s.notified_at)
            OR EXISTS (
              SELECT FROM intents i WHERE i.subscription_id = s.id AND i.closed_at = s.notified_at
                AND NOT EXISTS (
                  SELECT FROM intents n WHERE n.customer_id = i.customer_id AND n.variant_id = i.variant_id
                    AND n.market_id = i.market_id AND n.channel = i.channel AND n.closed_at IS NULL
                )
            ))
        ORDER BY s.contact_id, s.variant_id, s.market_id, s.queued_at, s.id
    )
    RETURNING id
""")

# Those that were closed by being told; who has a newer one keeps that.
_REOPEN_INTENTS = text("""
    UPDATE intents SET closed_at = NULL, updated_at = now()
    FROM subscriptions s
    WHERE s.id = ANY(:ids) AND intents.subscription_id = s.id AND intents.closed_at = s.notified_at
      AND NOT EXISTS (
        SELECT FROM intents n WHERE n.customer_id = intents.customer_id AND n.variant_id = intents.variant_id
          AND n.market_id = intents.market_id AND n.channel = intents.channel AND n.closed_at IS NULL
      )
""")

_EXPIRE = text("""
    UPDATE subscriptions SET state = 'expired', end_reason = 'offers_used_up', ended_at = now(), updated_at = now()
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'notified'
    RETURNING id
""")


def hold_contacts(session: Session, shop_id: int, contact_ids: Collection[int], *, patient: bool = False) -> set[int]:
    """Hold contacts against leaving and erasure until the transaction ends; return those that exist.

    Those somebody else holds are left out, or waited for where `patient`.
    """
    statement = _HOLD_ALL if patient else _HOLD_FREE
    return set(session.execute(statement, {"ids": sorted(contact_ids), "shop_id": shop_id}).scalars())


def return_to_place(session: Session, shop_id: int, subscription_ids: Sequence[int]) -> tuple[set[int], set[int]]:
    """notified -> active at the old place, intents open again; or the place goes to the same address's newer wish.

    Return those who stand in line again, and the newer subscriptions that moved forward. Whoever has left stays told.
    The contacts are to be held already.
    """
    values = {"ids": list(subscription_ids), "shop_id": shop_id}
    moved = set(session.execute(_INHERIT, values).scalars())
    back = set(session.execute(_RETURN, values).scalars())
    if back:
        session.execute(_REOPEN_INTENTS, {"ids": sorted(back)})
    return back, moved


def expire_used_up(session: Session, shop_id: int, subscription_ids: Collection[int]) -> set[int]:
    """notified -> expired, of people who have had as many turns as the shop gives; return who ended."""
    if not subscription_ids:
        return set()
    return set(session.execute(_EXPIRE, {"ids": sorted(subscription_ids), "shop_id": shop_id}).scalars())
