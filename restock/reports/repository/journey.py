"""The queries behind one person's page. They only read; each is scoped by shop."""

from __future__ import annotations

from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from restock.reports.repository.lists import LINE, line_of
from restock.reports.values.journey import (
    ConsentFact,
    HistoryFact,
    IntentFact,
    JourneyFacts,
    MessageFact,
    PurchaseFact,
    TurnFact,
)

MOST_ROWS = 200  # of each kind: a page is for reading

_LINE = text(f"{LINE} WHERE s.id = :id AND s.shop_id = :shop_id")

_INTENTS = text("""
    SELECT created_at, quantity, source FROM intents WHERE shop_id = :shop_id AND subscription_id = :id
    ORDER BY created_at LIMIT :limit
""")

# The ledger belongs to the contact: what was said about another variant is another story.
_CONSENTS = text("""
    SELECT l.said_at, l.purpose, l.action, l.source, l.variant_id, l.page_url, l.user_agent
    FROM subscriptions s JOIN consents l ON l.contact_id = s.contact_id AND l.shop_id = s.shop_id
    WHERE s.shop_id = :shop_id AND s.id = :id AND (l.variant_id = s.variant_id OR l.variant_id IS NULL)
    ORDER BY l.said_at DESC LIMIT :limit
""")

_TURNS = text("""
    SELECT o.id, o.created_at, o.units, w.number, o.state, o.reason, o.accepted_at, o.ends_at, o.event_id
    FROM offers o JOIN waves w ON w.id = o.wave_id
    WHERE o.shop_id = :shop_id AND o.subscription_id = :id ORDER BY o.id DESC LIMIT :limit
""")

_MESSAGES = text("""
    SELECT d.id, d.kind, d.channel, d.state, d.reason, d.attempt, d.created_at, d.sent_at, d.finished_at, d.clicked_at,
        d.click_count
    FROM (
        SELECT d.* FROM offers o JOIN deliveries d ON d.offer_id = o.id
        WHERE o.shop_id = :shop_id AND o.subscription_id = :id
        UNION ALL
        SELECT d.* FROM subscriptions s JOIN deliveries d ON d.contact_id = s.contact_id AND d.offer_id IS NULL
        WHERE s.shop_id = :shop_id AND s.id = :id AND d.shop_id = s.shop_id AND d.created_at >= s.created_at
    ) d ORDER BY d.id DESC LIMIT :limit
""")

_HISTORY = text("""
    SELECT at, kind, reason, offer_id, units, free_units FROM subscription_events
    WHERE shop_id = :shop_id AND subscription_id = :id ORDER BY id DESC LIMIT :limit
""")

_PURCHASES = text("""
    SELECT o.ordered_at, o.quantity FROM subscriptions s JOIN purchases o ON o.subscription_id = s.id
    WHERE s.id = :id AND s.shop_id = :shop_id AND o.shop_id = s.shop_id AND o.ordered_at >= s.created_at
    ORDER BY o.ordered_at LIMIT :limit
""")


def facts(session: Session, shop_id: int, subscription_id: int) -> JourneyFacts | None:
    """Read all that is recorded about one subscription; None when the shop has no such one."""
    row = session.execute(_LINE, {"shop_id": shop_id, "id": subscription_id}).one_or_none()
    if row is None:
        return None

    def rows(query: TextClause) -> list[Any]:
        found = session.execute(query, {"shop_id": shop_id, "id": subscription_id, "limit": MOST_ROWS})
        return list(found)

    return JourneyFacts(
        line=line_of(row),
        expires_at=row.expires_at,
        intents=[IntentFact(*found) for found in rows(_INTENTS)],
        consents=[ConsentFact(*found) for found in rows(_CONSENTS)],
        turns=[TurnFact(*found) for found in rows(_TURNS)],
        messages=[MessageFact(*found) for found in rows(_MESSAGES)],
        purchases=[PurchaseFact(*found) for found in rows(_PURCHASES)],
        history=[HistoryFact(*found) for found in rows(_HISTORY)],
    )
