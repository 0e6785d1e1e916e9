"""The queries behind a person's own page. They only read; all are scoped by the one contact whose link was followed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.shops.values import QueueOrder

_CONTACT = text("""
    SELECT shop_id, channel, address, locale, suppression FROM contacts WHERE id = :contact_id
""")

# Whoever stands in front is counted by the queue's own index, and only so far as a page can say it.
_IN_FRONT = """
    (SELECT count(*) FROM (
        SELECT FROM subscriptions q WHERE q.shop_id = s.shop_id AND q.variant_id = s.variant_id AND q.state = 'active'
          AND q.open_offer_id IS NULL AND q.paused_at IS NULL AND q.priority > s.priority LIMIT :most
    ) first) + (SELECT count(*) FROM (
        SELECT FROM subscriptions q WHERE q.shop_id = s.shop_id AND q.variant_id = s.variant_id AND q.state = 'active'
          AND q.open_offer_id IS NULL AND q.paused_at IS NULL AND q.priority = s.priority
          AND (q.queued_at, q.id) {before} (s.queued_at, s.id) LIMIT :most
    ) before)
"""
_ALERTS = """
    SELECT s.id, s.variant_id, s.quantity, s.state, s.paused_at IS NOT NULL AS is_paused, s.paused_until, s.notified_at,
        s.open_offer_id IS NOT NULL AS is_coming, o.ends_at AS turn_ends_at, i.product AS said, s.ended_at,
        CASE WHEN s.state = 'active' AND s.open_offer_id IS NULL THEN {in_front} END AS in_front
    FROM (
        (SELECT * FROM subscriptions WHERE contact_id = :contact_id AND state IN ('pending', 'active')
        ORDER BY queued_at DESC LIMIT :limit)
        UNION ALL
        (SELECT * FROM subscriptions WHERE contact_id = :contact_id AND state NOT IN ('pending', 'active')
          AND state IN ('notified', 'purchased')
          AND coalesce(ended_at, notified_at) > now() - make_interval(days => :days)
        ORDER BY coalesce(ended_at, notified_at) DESC LIMIT :limit)
    ) s
    LEFT JOIN LATERAL (
        SELECT ends_at FROM offers WHERE subscription_id = s.id AND state = 'open' AND accepted_at IS NOT NULL
          AND ends_at > now() ORDER BY id DESC LIMIT 1
    ) o ON s.state = 'notified'
    LEFT JOIN LATERAL (
        SELECT product FROM intents WHERE subscription_id = s.id AND product IS NOT NULL
        ORDER BY created_at DESC LIMIT 1
    ) i ON true
    WHERE s.shop_id = :shop_id
    ORDER BY s.state NOT IN ('pending', 'active'), coalesce(s.notified_at, s.queued_at) DESC, s.id DESC
"""
_BY_ORDER = {
    QueueOrder.oldest: text(_ALERTS.format(in_front=_IN_FRONT.format(before="<"))),
    QueueOrder.newest: text(_ALERTS.format(in_front=_IN_FRONT.format(before=">"))),
}


def contact(session: Session, contact_id: int) -> Row[Any] | None:
    """Read whose page it is; None when the contact is gone."""
    return session.execute(_CONTACT, {"contact_id": contact_id}).one_or_none()


def alerts(  # noqa: PLR0917 (what, and how much of it)
    session: Session, shop_id: int, contact_id: int, order: QueueOrder, limit: int, most: int, days: int
) -> list[Row[Any]]:
    """Read the alerts that wait, then those told of or bought within so many days; at most `most` in front counted."""
    values = {"shop_id": shop_id, "contact_id": contact_id, "limit": limit, "most": most, "days": days}
    return list(session.execute(_BY_ORDER[order], values))
