"""Which shops give customers with a tag priority, and when their lists of such customers are to be read again."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.shops.values import PriorityList

SCOPES = ("read_customers", "write_customers")  # either will do: to write includes to read

_TAG = "shops.settings ->> 'policy.priority_tag'"

_ADD = text(f"""
    INSERT INTO priority_lists (shop_id) SELECT id FROM shops WHERE state = 'installed' AND {_TAG} IS NOT NULL
    ON CONFLICT DO NOTHING
""")  # noqa: S608 (the setting above)

# Due by the clock, or at once when the shop has another tag than the one the list was read for.
_CLAIM = text(f"""
    WITH due AS MATERIALIZED (
        SELECT known.shop_id, {_TAG} AS tag,
            shops.state = 'installed' AND shops.access = 'granted'
                AND shops.scopes && CAST(:scopes AS text[]) AS may_ask
        FROM priority_lists known JOIN shops ON shops.id = known.shop_id
        WHERE known.next_at <= now() OR known.tag IS DISTINCT FROM {_TAG}
        ORDER BY known.next_at LIMIT :limit FOR NO KEY UPDATE OF known SKIP LOCKED
    )
    UPDATE priority_lists list SET next_at = now() + make_interval(secs => :lease_seconds), tag = due.tag
    FROM due WHERE list.shop_id = due.shop_id
    RETURNING list.shop_id, list.tag, due.may_ask
""")  # noqa: S608 (the setting above)

_KNOWN = text("""
    UPDATE priority_lists SET next_at = now() + make_interval(secs => :seconds), known_at = now(),
        customer_count = :count, reason = NULL
    WHERE shop_id = :shop_id AND tag = :tag
    RETURNING shop_id
""")

_HURRY = text("UPDATE priority_lists SET next_at = now() WHERE shop_id = :shop_id")

_UNKNOWN = text("""
    UPDATE priority_lists SET next_at = now() + make_interval(secs => :seconds), reason = :reason
    WHERE shop_id = :shop_id AND tag = :tag
""")

_DROP = text(f"""
    DELETE FROM priority_lists USING shops
    WHERE priority_lists.shop_id = :shop_id AND shops.id = :shop_id AND tag IS NULL AND {_TAG} IS NULL
""")  # noqa: S608 (the setting above)

_STATE = text("SELECT tag, known_at, customer_count, reason FROM priority_lists WHERE shop_id = :shop_id")


class DueList(NamedTuple):
    """One list to be read. `tag` None: nobody stands first any more; `may_ask`: the shop lets its customers be read."""

    shop_id: int
    tag: str | None
    may_ask: bool


def claim_lists(session: Session, limit: int, lease_seconds: float) -> list[DueList]:
    """Take the lists that are due; one that is not finished comes back after the lease."""
    session.execute(_ADD)
    values = {"limit": limit, "lease_seconds": lease_seconds, "scopes": list(SCOPES)}
    return [DueList(*row) for row in session.execute(_CLAIM, values)]


def list_known(session: Session, due: DueList, customer_count: int, seconds: float) -> None:
    """Note that a list was read, and is to be read again after so long; at once where the tag has changed meanwhile."""
    values = {"shop_id": due.shop_id, "tag": due.tag, "count": customer_count, "seconds": seconds}
    if session.execute(_KNOWN, values).first() is None:
        session.execute(_HURRY, {"shop_id": due.shop_id})


def list_unknown(session: Session, due: DueList, reason: str, seconds: float) -> None:
    """Note why a list could not be read, and when to try again."""
    session.execute(_UNKNOWN, {"shop_id": due.shop_id, "tag": due.tag, "reason": reason, "seconds": seconds})


def drop_list(session: Session, shop_id: int) -> None:
    """Forget the list of a shop that gives nobody priority any more."""
    session.execute(_DROP, {"shop_id": shop_id})


def priority_list(session: Session, shop_id: int) -> PriorityList | None:
    """Say what is known of a shop's list; None when it has none."""
    row = session.execute(_STATE, {"shop_id": shop_id}).first()
    return None if row is None else PriorityList(*row)
