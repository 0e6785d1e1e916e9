"""Finding and erasing one person, and erasing by age, among the waiting.

Whoever holds the rows of `lock_person` keeps posts, confirmations and goodbyes of this person waiting; a post that
waited makes everything anew. Children go before parents: no foreign key does it for us.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

_NAMED = text("SELECT id FROM contacts WHERE shop_id = :shop_id AND address_hash = ANY(:hashes)")

_HANDLES_OF_CUSTOMER = text("""
    SELECT id FROM customers WHERE shop_id = :shop_id AND shopify_customer_id = :customer_id
    UNION SELECT id FROM customers WHERE shop_id = :shop_id AND verified_customer_id = :customer_id
""")

# Through the subscriptions, whose two partial indexes know every contact.
_LINKS_OF_CONTACTS = text("""
    SELECT DISTINCT i.customer_id, s.contact_id FROM subscriptions s JOIN intents i ON i.subscription_id = s.id
    WHERE s.shop_id = :shop_id AND s.contact_id = ANY(:ids) AND s.state IN ('pending', 'active')
    UNION
    SELECT DISTINCT i.customer_id, s.contact_id FROM subscriptions s JOIN intents i ON i.subscription_id = s.id
    WHERE s.shop_id = :shop_id AND s.contact_id = ANY(:ids) AND s.state NOT IN ('pending', 'active')
""")

_LINKS_OF_HANDLES = text("""
    SELECT DISTINCT i.customer_id, s.contact_id FROM intents i JOIN subscriptions s ON s.id = i.subscription_id
    WHERE i.shop_id = :shop_id AND i.customer_id = ANY(:ids) AND i.closed_at IS NULL AND s.contact_id IS NOT NULL
    UNION
    SELECT DISTINCT i.customer_id, s.contact_id FROM intents i JOIN subscriptions s ON s.id = i.subscription_id
    WHERE i.shop_id = :shop_id AND i.customer_id = ANY(:ids) AND i.closed_at IS NOT NULL AND s.contact_id IS NOT NULL
""")

# What Shopify vouched for goes before what a storefront said.
_HANDLES = text("""
    SELECT id, coalesce(verified_customer_id, shopify_customer_id) AS customer_id FROM customers
    WHERE shop_id = :shop_id AND id = ANY(:ids)
""")
_CHANNELS = text("SELECT id, channel, address_hash FROM contacts WHERE shop_id = :shop_id AND id = ANY(:ids)")

_LOCK_HANDLES = text("SELECT id FROM customers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_LOCK_CONTACTS = text("SELECT id FROM contacts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")

_SUBSCRIPTIONS = text("""
    SELECT id FROM subscriptions WHERE contact_id = ANY(:ids) AND state IN ('pending', 'active')
    UNION ALL
    SELECT id FROM subscriptions WHERE contact_id = ANY(:ids) AND state NOT IN ('pending', 'active')
""")

_STRIP_SUBSCRIPTIONS = text("""
    UPDATE subscriptions SET contact_id = NULL, opener_customer_id = NULL, locale = NULL, open_offer_id = NULL,
        end_reason = CASE WHEN state IN ('pending', 'active') THEN 'redacted' ELSE end_reason END,
        ended_at = CASE WHEN state IN ('pending', 'active') THEN now() ELSE ended_at END,
        state = CASE WHEN state IN ('pending', 'active') THEN 'cancelled' ELSE state END,
        updated_at = now()
    WHERE id = ANY(:ids)
""")

_DROP_INTENTS = text("DELETE FROM intents WHERE subscription_id = ANY(:ids)")

# What a handle of theirs said to an address that others use as well.
_DROP_INTENTS_OF_HANDLES = text("""
    WITH gone AS (
        DELETE FROM intents WHERE id IN (
            SELECT id FROM intents WHERE customer_id = ANY(:handles) AND closed_at IS NULL
            UNION ALL SELECT id FROM intents WHERE customer_id = ANY(:handles) AND closed_at IS NOT NULL
        ) RETURNING id, subscription_id
    ), left_by AS (
        UPDATE subscriptions SET opener_customer_id = NULL
        FROM (SELECT DISTINCT subscription_id FROM gone) g
        WHERE subscriptions.id = g.subscription_id AND opener_customer_id = ANY(:handles)
    )
    SELECT DISTINCT subscription_id FROM gone
""")
_END_UNSUPPORTED = text("""
    UPDATE subscriptions SET end_reason = 'redacted', updated_at = now(),
        state = CASE WHEN open_offer_id IS NULL THEN 'cancelled' ELSE state END,
        ended_at = CASE WHEN open_offer_id IS NULL THEN now() END
    WHERE id = ANY(:ids) AND state IN ('pending', 'active')
      AND NOT EXISTS (SELECT FROM intents WHERE subscription_id = subscriptions.id AND closed_at IS NULL)
""")

_DROP_CONSENTS = text("DELETE FROM consents WHERE contact_id = ANY(:ids)")
_DROP_CONSENTS_OF_HANDLES = text("""
    DELETE FROM consents WHERE contact_id = ANY(:ids) AND customer_id = ANY(:handles)
""")
_DROP_CONTACTS = text("DELETE FROM contacts WHERE id = ANY(:ids)")
_DROP_HANDLES = text("DELETE FROM customers WHERE id = ANY(:ids)")
_FORGET_NAMES = text("UPDATE customers SET name = NULL, locale = NULL, updated_at = now() WHERE id = ANY(:ids)")
_DROP_DEAD_BROWSERS = text("""
    DELETE FROM suppressions WHERE shop_id = :shop_id AND address_hash = ANY(:hashes) AND channel = 'push'
""")

_OLD_PAGE = text("""
    SELECT id, state IN ('pending', 'active') AS waits, greatest(ended_at, notified_at, updated_at) AS last_at,
        created_at, now() - make_interval(days => :days) AS cutoff
    FROM subscriptions WHERE id > :after ORDER BY id LIMIT :limit
""")
# Offers have no foreign key that would do it; there is none of a subscription that waits for nothing any more to come.
_DROP_OLD = text("""
    WITH dropped AS (
        DELETE FROM subscriptions WHERE id IN (
            SELECT id FROM subscriptions WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED
        ) AND state NOT IN ('pending', 'active')
          AND greatest(ended_at, notified_at, updated_at) < now() - make_interval(days => :days)
        RETURNING id
    )
    DELETE FROM offers WHERE subscription_id = ANY(ARRAY(SELECT id FROM dropped))
""")

# Shopify's numbers become our own, so that a line stays one line.
_STRIP_PURCHASES = text("""
    UPDATE purchases SET order_id = -id, line_id = -id, to_close = '{}', close_at = NULL
    WHERE shop_id = :shop_id AND (subscription_id = ANY(:ids) OR order_id = ANY(:orders)) AND order_id > 0
""")
_OLD_PURCHASES = text("""
    SELECT id, created_at < now() - make_interval(days => :days) AS is_old FROM purchases
    WHERE id > :after ORDER BY id LIMIT :limit
""")
_DROP_PURCHASES = text("DELETE FROM purchases WHERE id = ANY(:ids)")

# Split in two, so that each half has its index. A post at this moment sets `updated_at`, which is judged again under
# the row's lock.
_ORPHAN_HANDLES = text("""
    DELETE FROM customers WHERE updated_at < now() - make_interval(days => :days) AND id = ANY(ARRAY(
        SELECT id FROM customers c WHERE updated_at < now() - make_interval(days => :days)
          AND NOT EXISTS (SELECT FROM intents WHERE customer_id = c.id AND closed_at IS NULL)
          AND NOT EXISTS (SELECT FROM intents WHERE customer_id = c.id AND closed_at IS NOT NULL)
        LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    RETURNING id
""")
_ORPHAN_CONTACTS = text("""
    DELETE FROM contacts WHERE updated_at < now() - make_interval(days => :days) AND id = ANY(ARRAY(
        SELECT id FROM contacts c WHERE updated_at < now() - make_interval(days => :days)
          AND NOT EXISTS (SELECT FROM subscriptions WHERE contact_id = c.id AND state IN ('pending', 'active'))
          AND NOT EXISTS (SELECT FROM subscriptions WHERE contact_id = c.id AND state NOT IN ('pending', 'active'))
        LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    RETURNING id
""")


def named_contacts(session: Session, shop_id: int, hashes: Sequence[bytes]) -> set[int]:
    """Find contacts by the hashes of their addresses."""
    return set(session.execute(_NAMED, {"shop_id": shop_id, "hashes": list(hashes)}).scalars())


def handles_of_customer(session: Session, shop_id: int, shopify_customer_id: int) -> set[uuid.UUID]:
    """Find the handles that are said to belong to a Shopify customer."""
    values = {"shop_id": shop_id, "customer_id": shopify_customer_id}
    return set(session.execute(_HANDLES_OF_CUSTOMER, values).scalars())


def links_of_contacts(session: Session, shop_id: int, contact_ids: Iterable[int]) -> set[tuple[uuid.UUID, int]]:
    """List which handles speak, or spoke, for these contacts."""
    return _pairs(session, _LINKS_OF_CONTACTS, shop_id, contact_ids)


def links_of_handles(session: Session, shop_id: int, handles: Iterable[uuid.UUID]) -> set[tuple[uuid.UUID, int]]:
    """List which contacts these handles speak, or spoke, for."""
    return _pairs(session, _LINKS_OF_HANDLES, shop_id, handles)


def customer_ids(session: Session, shop_id: int, handles: Iterable[uuid.UUID]) -> dict[uuid.UUID, int | None]:
    """Read the Shopify customer each handle is said to belong to."""
    found = session.execute(_HANDLES, {"shop_id": shop_id, "ids": list(handles)})
    return {row.id: row.customer_id for row in found}


def contacts(session: Session, shop_id: int, contact_ids: Iterable[int]) -> list[Row[Any]]:
    """Read id, channel and address hash of contacts."""
    return list(session.execute(_CHANNELS, {"shop_id": shop_id, "ids": list(contact_ids)}))


def lock_person(session: Session, handles: Iterable[uuid.UUID], contact_ids: Iterable[int]) -> None:
    """Hold handles and contacts until the transaction ends."""
    session.execute(_LOCK_HANDLES, {"ids": list(handles)})
    session.execute(_LOCK_CONTACTS, {"ids": list(contact_ids)})


def subscriptions_of(session: Session, contact_ids: Iterable[int]) -> list[int]:
    """List every subscription of these contacts, ended ones too."""
    return sorted(session.execute(_SUBSCRIPTIONS, {"ids": list(contact_ids)}).scalars())


def strip_subscriptions(session: Session, subscription_ids: Sequence[int]) -> None:
    """End what waits, and take the person out of the rows; what was said goes, the counts stay."""
    session.execute(_STRIP_SUBSCRIPTIONS, {"ids": list(subscription_ids)})
    session.execute(_DROP_INTENTS, {"ids": list(subscription_ids)})


def drop_words_of_handles(session: Session, handles: Iterable[uuid.UUID], shared_contacts: Iterable[int]) -> None:
    """Erase what handles said to addresses others use as well; what nobody wants any more ends."""
    values: dict[str, object] = {"handles": list(handles)}
    left = list(session.execute(_DROP_INTENTS_OF_HANDLES, values).scalars())
    session.execute(_END_UNSUPPORTED, {"ids": left})
    session.execute(_DROP_CONSENTS_OF_HANDLES, values | {"ids": list(shared_contacts)})


def drop_person(
    session: Session, contact_ids: Sequence[int], handles: Sequence[uuid.UUID], shared_handles: Sequence[uuid.UUID]
) -> None:
    """Delete contacts with what they agreed to, and handles; a handle others use as well loses its name."""
    session.execute(_DROP_CONSENTS, {"ids": list(contact_ids)})
    session.execute(_FORGET_NAMES, {"ids": list(shared_handles)})
    session.execute(_DROP_HANDLES, {"ids": list(handles)})
    session.execute(_DROP_CONTACTS, {"ids": list(contact_ids)})


def drop_dead_browsers(session: Session, shop_id: int, hashes: Sequence[bytes]) -> None:
    """Delete the suppressions of push endpoints, which nobody can ever use again.

    A no to e-mail or SMS stays, as a hash: it must hold however the address comes back.
    """
    session.execute(_DROP_DEAD_BROWSERS, {"shop_id": shop_id, "hashes": list(hashes)})


def strip_purchases(session: Session, shop_id: int, subscription_ids: Sequence[int], order_ids: Sequence[int]) -> None:
    """Take the orders out of a person's purchases; what was sold stays, for the sums."""
    values = {"shop_id": shop_id, "ids": list(subscription_ids), "orders": list(order_ids)}
    session.execute(_STRIP_PURCHASES, values)


def drop_old_purchases(session: Session, after: int, days: int, limit: int) -> int | None:
    """Erase, of the next `limit` purchases behind the id `after`, those that old, all shops.

    Return the last id looked at, None when the rest is younger.
    """
    page = session.execute(_OLD_PURCHASES, {"after": after, "days": days, "limit": limit}).all()
    old = [row.id for row in page if row.is_old]
    if old:
        session.execute(_DROP_PURCHASES, {"ids": old})
    return page[-1].id if len(page) == limit and page[-1].is_old else None


def drop_ended(session: Session, after: int, days: int, limit: int) -> int | None:
    """Erase, of the next `limit` subscriptions behind the id `after`, those that ended that long ago, all shops.

    Return the last id looked at, None when the rest is younger.
    """
    page = session.execute(_OLD_PAGE, {"after": after, "days": days, "limit": limit}).all()
    old = [row.id for row in page if not row.waits and row.last_at < row.cutoff]
    if old:
        session.execute(_DROP_OLD, {"ids": old, "days": days})
    more = len(page) == limit and page[-1].created_at < _moment(page[-1].cutoff)
    return page[-1].id if more else None


def sweep_orphans(session: Session, days: int, limit: int) -> int:
    """Erase handles without an intent and contacts without a subscription, untouched for `days`, all shops.

    At most `limit` of each. What a contact agreed to goes with it: without the address it proves nothing. Suppressions
    stay.
    """
    values = {"days": days, "limit": limit}
    handles = session.execute(_ORPHAN_HANDLES, values).scalars().all()
    gone = session.execute(_ORPHAN_CONTACTS, values).scalars().all()
    if gone:
        session.execute(_DROP_CONSENTS, {"ids": list(gone)})
    return len(handles) + len(gone)


def _pairs(session: Session, query: TextClause, shop_id: int, ids: Iterable[object]) -> set[tuple[uuid.UUID, int]]:
    found = session.execute(query, {"shop_id": shop_id, "ids": list(ids)})
    return {(row.customer_id, row.contact_id) for row in found}


def _moment(value: Any) -> datetime:
    assert isinstance(value, datetime)
    return value
