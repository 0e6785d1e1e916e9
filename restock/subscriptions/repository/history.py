"""The timeline of a subscription, as far as no other row tells it. Only ever added to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.subscriptions.values import HistoryEntry

_ADD = text("""
    INSERT INTO subscription_events
        (shop_id, subscription_id, kind, reason, event_id, offer_id, units, free_units, said_by)
    SELECT :shop_id, said.*
    FROM unnest(
        CAST(:subscription_id AS bigint[]), CAST(:kind AS text[]), CAST(:reason AS text[]),
        CAST(:event_id AS bigint[]), CAST(:offer_id AS bigint[]), CAST(:units AS bigint[]),
        CAST(:free_units AS bigint[]), CAST(:said_by AS text[])
    ) AS said
""")

_ADD_PASSED_OVER = text("""
    INSERT INTO subscription_events (shop_id, subscription_id, kind, reason, event_id, units, free_units)
    SELECT :shop_id, said.subscription_id, 'passed_over', said.reason, :event_id, said.units, said.free_units
    FROM unnest(
        CAST(:subscription_id AS bigint[]), CAST(:reason AS text[]), CAST(:units AS bigint[]),
        CAST(:free_units AS bigint[])
    ) AS said (subscription_id, reason, units, free_units)
    WHERE said.reason IS DISTINCT FROM (
        SELECT known.reason FROM subscription_events known
        WHERE known.subscription_id = said.subscription_id AND known.event_id = :event_id
          AND known.kind = 'passed_over'
        ORDER BY known.id DESC LIMIT 1
    )
""")

# Who has paused is in no page of the queue: an index of their own finds them.
_ADD_PAUSED_OVER = text("""
    INSERT INTO subscription_events (shop_id, subscription_id, kind, reason, event_id, units)
    SELECT s.shop_id, s.id, 'passed_over', 'paused', :event_id, s.quantity FROM subscriptions s
    WHERE s.shop_id = :shop_id AND s.variant_id = :variant_id AND s.state = 'active' AND s.paused_at IS NOT NULL
      AND s.open_offer_id IS NULL AND 'paused' IS DISTINCT FROM (
        SELECT known.reason FROM subscription_events known
        WHERE known.subscription_id = s.id AND known.event_id = :event_id AND known.kind = 'passed_over'
        ORDER BY known.id DESC LIMIT 1
      )
    ORDER BY s.id LIMIT :limit
""")
_MOST_PAUSED = 1000  # noted with one page: the planner's transactions stay short, and the next walk notes more

_COLUMNS = ("subscription_id", "kind", "reason", "event_id", "offer_id", "units", "free_units", "said_by")


def add_history(session: Session, shop_id: int, entries: Sequence[HistoryEntry]) -> None:
    """Write down what happened to subscriptions of one shop, in the transaction in which it happens."""
    if entries:
        values = {column: [getattr(entry, column) for entry in entries] for column in _COLUMNS}
        session.execute(_ADD, {"shop_id": shop_id, **values})


def add_passed_over(session: Session, shop_id: int, event_id: int, entries: Sequence[HistoryEntry]) -> None:
    """Write down why people of one restock were passed over, where that is not what was written of them last."""
    if entries:
        columns = ("subscription_id", "reason", "units", "free_units")
        values = {column: [getattr(entry, column) for entry in entries] for column in columns}
        session.execute(_ADD_PASSED_OVER, {"shop_id": shop_id, "event_id": event_id, **values})


def add_paused_over(session: Session, shop_id: int, variant_id: int, event_id: int) -> None:
    """Write down who of a queue is left out of a restock because they have paused; once each, however many waves."""
    values = {"shop_id": shop_id, "variant_id": variant_id, "event_id": event_id, "limit": _MOST_PAUSED}
    session.execute(_ADD_PAUSED_OVER, values)
