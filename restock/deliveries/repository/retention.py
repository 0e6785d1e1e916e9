"""Taking a person out of the messages sent to them, and erasing messages by age.

The rows stay for the counts until they are old. A message that is being sent at this moment is not stopped, but
nothing the provider says of it is written down with the person again, and it is never queued again with an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

REDACTED = "redacted"

_OFFERS = text("SELECT id, state = 'open' AS is_open FROM offers WHERE subscription_id = ANY(:ids)")

_LOCK = text("""
    SELECT id FROM deliveries
    WHERE offer_id = ANY(:offer_ids) OR (contact_id = ANY(:contact_ids) AND offer_id IS NULL)
    ORDER BY id FOR UPDATE
""")

_STRIP = text("""
    UPDATE deliveries SET contact_id = NULL, provider_message_id = NULL,
        dedupe_key = CASE WHEN offer_id IS NULL THEN 'redacted:' || id ELSE dedupe_key END,
        reason = CASE WHEN state = 'queued' THEN :reason ELSE reason END,
        finished_at = CASE WHEN state IN ('queued', 'unknown') THEN coalesce(finished_at, now()) ELSE finished_at END,
        token = CASE WHEN state = 'sending' THEN token END,
        state = CASE WHEN state = 'queued' THEN 'skipped' ELSE state END
    WHERE id = ANY(:ids)
""")

_OLD_PAGE = text("""
    SELECT id, created_at < now() - make_interval(days => :days) AS is_old FROM deliveries
    WHERE id > :after ORDER BY id LIMIT :limit
""")
_DROP_OLD = text("""
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED
    ) AND state NOT IN ('queued', 'sending') AND (state <> 'unknown' OR finished_at IS NOT NULL)
""")

# An array is made once; a subquery of IN may be run again for every row, and then its limit is none.
# Lane 0 is a shop's own and stays. A closed event makes no new messages, so nothing can enter such a lane any more.
_DROP_LANES = text("""
    DELETE FROM delivery_lanes WHERE id = ANY(ARRAY(
        SELECT lane.id FROM delivery_lanes lane
        LEFT JOIN restock_events event ON event.id = lane.event_id
        WHERE lane.event_id > 0 AND lane.next_at IS NULL AND lane.id > :after
          AND (event.id IS NULL OR event.closed_at < now() - make_interval(days => :days))
          AND NOT EXISTS (SELECT FROM deliveries WHERE event_id = lane.event_id)
        ORDER BY lane.id LIMIT :limit FOR UPDATE OF lane SKIP LOCKED
    ))
    RETURNING id
""")


class PersonsOffer(NamedTuple):
    """One turn of a person; `is_open`: its units are kept from others."""

    id: int
    is_open: bool


def offers_of(session: Session, subscription_ids: Sequence[int]) -> list[PersonsOffer]:
    """List the offers of these subscriptions."""
    return [PersonsOffer(*row) for row in session.execute(_OFFERS, {"ids": list(subscription_ids)})]


def strip_person(session: Session, contact_ids: Sequence[int], offer_ids: Sequence[int]) -> int:
    """Take a person out of the messages about these offers and of the other messages to these contacts; count them.

    queued -> skipped; a doubt ends, since nobody could be asked about it any more; the rest keeps its state.
    """
    wanted = {"contact_ids": list(contact_ids), "offer_ids": list(offer_ids)}
    ids = list(session.execute(_LOCK, wanted).scalars())
    if ids:
        session.execute(_STRIP, {"ids": ids, "reason": REDACTED})
    return len(ids)


def drop_finished(session: Session, after: int, days: int, limit: int) -> int | None:
    """Erase, of the next `limit` deliveries behind the id `after`, those that are over and that old, all shops.

    Return the last id looked at, None when the rest is younger.
    """
    page = session.execute(_OLD_PAGE, {"after": after, "days": days, "limit": limit}).all()
    old = [row.id for row in page if row.is_old]
    if old:
        session.execute(_DROP_OLD, {"ids": old})
    return page[-1].id if len(page) == limit and page[-1].is_old else None


def drop_lanes(session: Session, after: int, days: int, limit: int) -> int | None:
    """Erase up to `limit` lanes of restocks that ended so long ago and have no deliveries left, all shops.

    Return the last id erased, None when there are no more.
    """
    ids = list(session.execute(_DROP_LANES, {"after": after, "days": days, "limit": limit}).scalars())
    return max(ids) if len(ids) == limit else None
