"""Back to the old place: people who were told, and whose turn ended without their having had a fair one.

Their contacts are held first, so that nobody who leaves or is erased meanwhile is put back in line. A new post of the
same address at the same moment makes these statements fail with an IntegrityError: nothing is written, and the caller
tries again, with that post in sight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.subscriptions.rules.returning import ToldIntent, ToldPlace, decide_returns

_HOLD = """
    SELECT id FROM contacts WHERE id = ANY(:ids) AND shop_id = :shop_id ORDER BY id FOR KEY SHARE {waiting}
"""
_HOLD_ALL, _HOLD_FREE = text(_HOLD.format(waiting="")), text(_HOLD.format(waiting="SKIP LOCKED"))

# The newer wish is looked up by the order of the one index that has it, and sorting is forbidden meanwhile. It would be
# sought among all who wait, for each person again: right after a large restock the statistics say that nobody waits.
_BY_INDEX, _ANYHOW = text("SET LOCAL enable_sort = off"), text("SET LOCAL enable_sort TO DEFAULT")
_PLACES = text("""
    SELECT s.id, s.contact_id, s.variant_id, s.market_id, s.queued_at, s.priority,
        c.suppression IS NOT NULL AS has_left,
        CASE WHEN (w.contact_id, w.variant_id, w.market_id) = (s.contact_id, s.variant_id, s.market_id) THEN w.id END
            AS newer_id
    FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    LEFT JOIN LATERAL (
        SELECT id, contact_id, variant_id, market_id FROM subscriptions
        WHERE (contact_id, variant_id, market_id) >= (s.contact_id, s.variant_id, s.market_id)
          AND state IN ('pending', 'active')
        ORDER BY contact_id, variant_id, market_id LIMIT 1
    ) w ON true
    WHERE s.id = ANY(:ids) AND s.shop_id = :shop_id AND s.state = 'notified'
""")

_INTENTS = text("""
    SELECT i.subscription_id, i.id, i.customer_id, i.channel, newer.id IS NOT NULL AS has_newer
    FROM subscriptions s JOIN intents i ON i.subscription_id = s.id AND i.closed_at = s.notified_at
    LEFT JOIN LATERAL (
        SELECT n.id FROM intents n WHERE n.customer_id = i.customer_id AND n.variant_id = i.variant_id
          AND n.market_id = i.market_id AND n.channel = i.channel AND n.closed_at IS NULL LIMIT 1
    ) newer ON true
    WHERE s.id = ANY(:ids)
""")

_INHERIT = text("""
    UPDATE subscriptions SET queued_at = least(queued_at, older.placed_at), updated_at = now(),
        priority = greatest(priority, older.rank)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:placed_at AS timestamptz[]), CAST(:ranks AS smallint[]))
        AS older(id, placed_at, rank)
    WHERE subscriptions.id = older.id AND state IN ('pending', 'active')
    RETURNING subscriptions.id
""")

_RETURN = text("""
    UPDATE subscriptions SET state = 'active', open_offer_id = NULL, updated_at = now()
    WHERE id = ANY(:ids) AND state = 'notified'
    RETURNING id
""")

_REOPEN = text("UPDATE intents SET closed_at = NULL, updated_at = now() WHERE id = ANY(:ids)")

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

    Return those who stand in line again, and the newer subscriptions that inherit. The contacts are to be held already.
    """
    returns = decide_returns(_read_places(session, shop_id, subscription_ids))
    heirs = _inherit(session, returns.heirs)
    back = set(session.execute(_RETURN, {"ids": list(returns.back)}).scalars()) if returns.back else set()
    if returns.intents:
        session.execute(_REOPEN, {"ids": list(returns.intents)})
    return back, heirs


def expire_used_up(session: Session, shop_id: int, subscription_ids: Collection[int]) -> set[int]:
    """notified -> expired, of people who have had as many turns as the shop gives; return who ended."""
    if not subscription_ids:
        return set()
    return set(session.execute(_EXPIRE, {"ids": sorted(subscription_ids), "shop_id": shop_id}).scalars())


def _read_places(session: Session, shop_id: int, subscription_ids: Sequence[int]) -> list[ToldPlace]:
    values = {"ids": list(subscription_ids), "shop_id": shop_id}
    session.execute(_BY_INDEX)
    rows = session.execute(_PLACES, values).all()
    session.execute(_ANYHOW)
    intents: dict[int, list[ToldIntent]] = defaultdict(list)
    for row in session.execute(_INTENTS, values):
        intents[row.subscription_id].append(ToldIntent(row.id, row.customer_id, row.channel, row.has_newer))
    return [_place(row, tuple(intents[row.id])) for row in rows]


def _place(row: Row[Any], intents: tuple[ToldIntent, ...]) -> ToldPlace:
    return ToldPlace(
        row.id,
        row.contact_id,
        row.variant_id,
        row.market_id,
        row.queued_at,
        row.priority,
        row.has_left,
        row.newer_id,
        intents,
    )


def _inherit(session: Session, heirs: Mapping[int, tuple[datetime, int]]) -> set[int]:
    if not heirs:
        return set()
    placed_at, ranks = zip(*heirs.values(), strict=True)
    values = {"ids": list(heirs), "placed_at": list(placed_at), "ranks": list(ranks)}
    return set(session.execute(_INHERIT, values).scalars())
