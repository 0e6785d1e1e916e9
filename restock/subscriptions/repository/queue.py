"""The queue of a variant: who waits, whose turn is being handed over, who was told.

What the restocks room stands on. An id is only ever one the caller read in this shop's queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.batches.pipeline import Step, named
from restock.database import run_lean, written_ids
from restock.shops.values import QueueOrder
from restock.statements import PreparedStatement
from restock.subscriptions.values import NAMED_SUBSCRIPTIONS, PRIORITIES, Cursor, QueuePlace

# One level of priority, so that the one index serves both orders: forwards, and backwards. Only a phone number says
# where its owner may be asleep.
_LEVEL = """
    SELECT id, contact_id, channel, quantity, queued_at, market_id,
        CASE WHEN channel = 'sms' THEN (SELECT address FROM contacts WHERE contacts.id = contact_id) END AS address
    FROM subscriptions
    WHERE shop_id = :shop_id AND variant_id = :variant_id AND state = 'active' AND open_offer_id IS NULL
      AND paused_at IS NULL AND priority = :priority AND (queued_at, id) {beyond} (CAST(:queued_at AS timestamptz), :id)
    ORDER BY queued_at {direction}, id {direction}
    LIMIT :limit
"""
PAGES = {
    QueueOrder.oldest: text(_LEVEL.format(beyond=">", direction="ASC")),
    QueueOrder.newest: text(_LEVEL.format(beyond="<", direction="DESC")),
}
_HEADS = {QueueOrder.oldest: ("-infinity", 0), QueueOrder.newest: ("infinity", 0)}

NOBODY: Mapping[int, int] = {}

_ANYBODY = text("""
    SELECT EXISTS (
        SELECT 1 FROM subscriptions
        WHERE shop_id = :shop_id AND variant_id = :variant_id AND state = 'active' AND open_offer_id IS NULL
          AND paused_at IS NULL
    )
""")

_WAITING_OF = text("""
    SELECT s.id FROM customers c
    JOIN intents i ON i.customer_id = c.id AND i.closed_at IS NULL
    JOIN subscriptions s ON s.id = i.subscription_id AND s.state IN ('pending', 'active')
    WHERE c.shop_id = :shop_id AND c.verified_customer_id = ANY(:customer_ids) AND s.shop_id = :shop_id
""")

_FIRST = text("""
    SELECT id FROM subscriptions WHERE shop_id = :shop_id AND priority > 0 AND state IN ('pending', 'active')
""")

_SET_PRIORITY = text("""
    UPDATE subscriptions SET priority = :priority, updated_at = now()
    WHERE id IN (
        SELECT id FROM subscriptions WHERE id = ANY(:ids) AND shop_id = :shop_id ORDER BY id FOR NO KEY UPDATE
    ) AND state IN ('pending', 'active') AND priority <> :priority
""")

_MARKETS = text("""
    SELECT DISTINCT market_id FROM subscriptions
    WHERE shop_id = :shop_id AND variant_id = ANY(:variant_ids) AND state = 'active' AND open_offer_id IS NULL
      AND paused_at IS NULL
""")

# One index probe per variant, however many people wait for it.
_VARIANTS = text("""
    WITH RECURSIVE walk AS (
        SELECT found.* FROM (
            SELECT shop_id, variant_id FROM subscriptions
            WHERE state = 'active' AND open_offer_id IS NULL AND paused_at IS NULL
              AND (shop_id, variant_id) > (:shop_id, :variant_id)
            ORDER BY shop_id, variant_id LIMIT 1
        ) found
        UNION ALL
        SELECT next.* FROM walk, LATERAL (
            SELECT shop_id, variant_id FROM subscriptions
            WHERE state = 'active' AND open_offer_id IS NULL AND paused_at IS NULL
              AND (shop_id, variant_id) > (walk.shop_id, walk.variant_id)
            ORDER BY shop_id, variant_id LIMIT 1
        ) next
    )
    SELECT shop_id, variant_id FROM walk LIMIT :limit
""")

_ATTACH = text("""
    UPDATE subscriptions SET open_offer_id = pair.offer_id, updated_at = now()
    FROM unnest(CAST(:subscription_ids AS bigint[]), CAST(:offer_ids AS bigint[]), CAST(:wanted AS int[]))
        AS pair(id, offer_id, wanted)
    WHERE subscriptions.id = pair.id AND state = 'active' AND open_offer_id IS NULL AND paused_at IS NULL
      AND (pair.wanted IS NULL OR pair.wanted = quantity)
    RETURNING subscriptions.id
""")

_NOTIFY = """
    UPDATE subscriptions SET state = 'notified', notified_at = now(), end_reason = NULL,
        open_offer_id = NULL, updated_at = now()
    WHERE id = ANY({ids}) AND state IS NOT DISTINCT FROM 'active'
    RETURNING id
"""
_CLOSE_INTENTS = """
    UPDATE intents SET closed_at = now(), updated_at = now()
    WHERE subscription_id = ANY({ids}) AND closed_at IS NULL
    RETURNING id
"""
_IDS = "CAST(%(ids)s AS bigint[])"
_NOTIFY_THESE: LiteralString = _NOTIFY.format(ids=_IDS)
_CLOSE_OF_THESE: LiteralString = _CLOSE_INTENTS.format(ids=_IDS)
# In a pipeline, whose statements hand ids on among themselves.
_NOTIFIED = "restock.notified"
_NOTIFY_NAMED = PreparedStatement(
    "notify",
    f"""
    WITH notified AS ({_NOTIFY.format(ids=named(NAMED_SUBSCRIPTIONS))})
    SELECT set_config('{_NOTIFIED}', coalesce(array_agg(id ORDER BY id), '{{}}')::text, true) FROM notified
""",  # noqa: S608 (the statement above)
)
_CLOSE_NAMED = PreparedStatement(
    "close_intents",
    f"""
    WITH closed AS ({_CLOSE_INTENTS.format(ids=named(_NOTIFIED))}) SELECT count(*)::text FROM closed
""",  # noqa: S608 (the statement above)
)

# An end that waited for the open offer (end_reason on a waiting row) happens now.
_RELEASE = text("""
    UPDATE subscriptions SET open_offer_id = NULL, updated_at = now(),
        notified_at = CASE WHEN :told THEN now() ELSE notified_at END,
        state = CASE WHEN end_reason IS NULL THEN state ELSE 'cancelled' END,
        ended_at = CASE WHEN end_reason IS NULL THEN ended_at ELSE now() END
    WHERE id = ANY(:ids) AND state = 'active' AND open_offer_id IS NOT NULL
    RETURNING id
""")


def queue_page(  # noqa: PLR0917 (the place a walk has come to, and how it goes on)
    session: Session,
    shop_id: int,
    variant_id: int,
    after: Cursor | None,
    limit: int,
    order: QueueOrder = QueueOrder.oldest,
) -> list[QueuePlace]:
    """Read the next places of a variant's queue: active, nobody whose turn is already being handed over.

    `after` is the `cursor` of the last place seen, None from the start. One statement for each level of priority. A
    place's address is read on the SMS channel alone.
    """
    page: list[QueuePlace] = []
    for priority in PRIORITIES:
        if after is not None and after[0] < priority:
            continue
        queued_at, last_id = after[1:] if after is not None and after[0] == priority else _HEADS[order]
        values = {"shop_id": shop_id, "variant_id": variant_id, "priority": priority, "limit": limit - len(page)}
        found = session.execute(PAGES[order], values | {"queued_at": queued_at, "id": last_id})
        page += [_place(row, priority) for row in found]
        if len(page) == limit:
            break
    return page


def waiting_of(session: Session, shop_id: int, verified_customer_ids: Sequence[int]) -> set[int]:
    """Find the subscriptions in which customers wait whose Shopify id was vouched for and is one of these."""
    values = {"shop_id": shop_id, "customer_ids": list(verified_customer_ids)}
    return set(session.execute(_WAITING_OF, values).scalars())


def standing_first(session: Session, shop_id: int) -> set[int]:
    """Find the waiting subscriptions of a shop that stand before the others."""
    return set(session.execute(_FIRST, {"shop_id": shop_id}).scalars())


def set_priority(session: Session, shop_id: int, subscription_ids: Sequence[int], priority: int) -> None:
    """Give subscriptions that wait a level of PRIORITIES."""
    session.execute(_SET_PRIORITY, {"shop_id": shop_id, "ids": list(subscription_ids), "priority": priority})


def is_waited_for(session: Session, shop_id: int, variant_id: int) -> bool:
    """Say whether anybody stands in a variant's queue, as `queue_page` reads it; cheap however many do."""
    return bool(session.execute(_ANYBODY, {"shop_id": shop_id, "variant_id": variant_id}).scalar_one())


def waiting_markets(session: Session, shop_id: int, variant_ids: Sequence[int]) -> set[int]:
    """Read the markets in which somebody waits for one of these variants; 0 where none was named."""
    return set(session.execute(_MARKETS, {"shop_id": shop_id, "variant_ids": list(variant_ids)}).scalars())


def waiting_variants(session: Session, after: tuple[int, int] | None, limit: int) -> list[tuple[int, int]]:
    """Read (shop_id, variant_id) of variants somebody waits for, all shops, in that order, after the last one seen."""
    shop_id, variant_id = after or (0, 0)
    found = session.execute(_VARIANTS, {"shop_id": shop_id, "variant_id": variant_id, "limit": limit})
    return [(row.shop_id, row.variant_id) for row in found]


def attach_offers(session: Session, pairs: Sequence[tuple[int, int]], wanted: Mapping[int, int] = NOBODY) -> set[int]:
    """Give each (subscription_id, offer_id) its open offer; return the subscriptions still free to take it.

    Whoever has paused meanwhile is not, nor whoever now wants another quantity than the one in `wanted`.
    """
    if not pairs:
        return set()
    ids, offer_ids = zip(*pairs, strict=True)
    values = {"subscription_ids": list(ids), "offer_ids": list(offer_ids), "wanted": [wanted.get(one) for one in ids]}
    return set(session.execute(_ATTACH, values).scalars())


def mark_notified(session: Session, subscription_ids: Sequence[int]) -> set[int]:
    """End the waiting of people whose message was accepted: active -> notified, open offer cleared, intents closed.

    Returns the subscriptions that were still active.
    """
    found = run_lean(session, _NOTIFY_THESE, {"ids": written_ids(sorted(subscription_ids))})
    notified = {subscription_id for (subscription_id,) in found}
    if notified:
        run_lean(session, _CLOSE_OF_THESE, {"ids": written_ids(sorted(notified))})
    return notified


def named_notified() -> list[Step]:
    """Do what `mark_notified` does in a pipeline, with the subscriptions named before."""
    return [Step(_NOTIFY_NAMED, {}), Step(_CLOSE_NAMED, {})]


def release_offers(session: Session, subscription_ids: Sequence[int], *, told: bool = False) -> set[int]:
    """Take the open offer back from people never reached: they stand at their old place again.

    Returns the subscriptions whose offer was taken back. `told`: they may have been reached.
    """
    return set(session.execute(_RELEASE, {"ids": list(subscription_ids), "told": told}).scalars())


def _place(row: Row[Any], priority: int) -> QueuePlace:
    return QueuePlace(
        row.id,
        row.contact_id,
        row.channel,
        row.quantity,
        row.queued_at,
        row.market_id,
        row.address,
        priority=priority,
    )
