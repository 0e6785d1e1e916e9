"""The queries behind a reason: what is recorded of people in a queue, and of what they wait for. They only read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from restock.catalog.values import ReadingSource, StockReading
from restock.reports.rules import mask_address
from restock.reports.values.standing import PlaceFacts
from restock.shops.values import QueueOrder

# Of an offer's messages the first is the one that counts: reminders come after it.
_PLACES = """
    SELECT s.id, s.channel, c.address, s.quantity, s.state, s.end_reason, s.queued_at,
        o.state AS offer_state, o.ends_at AS turn_ends_at, d.state AS delivery_state, d.reason AS delivery_reason,
        d.sent_at,
        CASE WHEN w.number = 1 THEN coalesce(e.stock_changed_at, e.opened_at) ELSE w.planned_at END AS turn_came_at,
        w.number AS wave_number, o.reason AS offer_reason, d.next_at AS delivery_next_at,
        coalesce(s.contact_id, 0) AS contact_id, s.market_id, s.priority,
        x.reason AS suppression, s.paused_at IS NOT NULL AS is_paused, s.paused_until
    FROM subscriptions s
    LEFT JOIN contacts c ON c.id = s.contact_id
    LEFT JOIN suppressions x ON x.shop_id = c.shop_id AND x.address_hash = c.address_hash
    LEFT JOIN LATERAL (SELECT * FROM offers WHERE subscription_id = s.id ORDER BY id DESC LIMIT 1) o ON true
    LEFT JOIN restock_events e ON e.id = o.event_id
    LEFT JOIN waves w ON w.id = o.wave_id
    LEFT JOIN LATERAL (
        SELECT * FROM deliveries WHERE offer_id = o.id AND kind = 'offer' ORDER BY id DESC LIMIT 1
    ) d ON true
    WHERE s.shop_id = :shop_id AND
"""
# A row without a contact is a figure: the person was erased.
_WAITING = """ s.variant_id = :variant_id AND s.contact_id IS NOT NULL AND s.state IN ('pending', 'active')
    ORDER BY s.priority DESC, s.queued_at {way}, s.id {way} LIMIT :limit"""
_QUEUES = {
    QueueOrder.oldest: text(_PLACES + _WAITING.format(way="ASC")),
    QueueOrder.newest: text(_PLACES + _WAITING.format(way="DESC")),
}
_LEFT = text(
    _PLACES + " s.variant_id = :variant_id AND s.contact_id IS NOT NULL AND s.state NOT IN ('pending', 'active')"
    " ORDER BY s.updated_at DESC, s.id DESC LIMIT :limit"
)
_ONE = text(_PLACES + " s.id = :id")

_AHEAD = """
    SELECT count(*) FILTER (WHERE in_line), coalesce(sum(quantity) FILTER (WHERE in_line), 0),
        count(*) FILTER (WHERE NOT in_line)
    FROM subscriptions s, LATERAL (SELECT s.state = 'active' AND s.paused_at IS NULL AS in_line) told
    WHERE s.shop_id = :shop_id AND s.variant_id = :variant_id AND s.state IN ('pending', 'active')
        AND (s.priority > :priority OR s.priority = :priority AND (s.queued_at, s.id) {before} (:queued_at, :id))
"""
_IN_FRONT = {
    QueueOrder.oldest: text(_AHEAD.format(before="<")),
    QueueOrder.newest: text(_AHEAD.format(before=">")),
}

_OF_INTENT = text("SELECT subscription_id FROM intents WHERE id = :id")
_OF = text("SELECT shop_id, variant_id FROM subscriptions WHERE id = :id")

_STOCK = text("""
    SELECT now() AS now, r.sellable, r.units, r.source, r.read_at, r.held_from IS NOT NULL AS held, r.lagging_since,
        e.id AS event_id, e.plan_at, coalesce(o.units, 0) AS open_units, o.ends_at AS turn_ends_at,
        k.due_at AS check_due_at, CASE WHEN p.started_at IS NULL THEN p.next_at ELSE now() END AS pass_at
    FROM (VALUES (CAST(:shop_id AS bigint), CAST(:variant_id AS bigint))) asked(shop_id, variant_id)
    LEFT JOIN stock_readings r USING (shop_id, variant_id)
    LEFT JOIN restock_events e
        ON e.shop_id = asked.shop_id AND e.variant_id = asked.variant_id AND e.closed_at IS NULL
    LEFT JOIN LATERAL (
        SELECT sum(units) AS units, min(ends_at) AS ends_at FROM offers
        WHERE state = 'open' AND event_id = ANY(ARRAY(
            SELECT e.id UNION ALL SELECT id FROM restock_events
            WHERE shop_id = asked.shop_id AND variant_id = asked.variant_id AND settle_at IS NOT NULL
        ))
    ) o ON true
    LEFT JOIN stock_checks k ON k.shop_id = asked.shop_id AND k.variant_id = asked.variant_id
    LEFT JOIN reconcile_state p ON p.shop_id = asked.shop_id
""")

_DOWN = text("""
    SELECT channel, provider, next_probe_at FROM provider_states
    WHERE state = 'open' AND (shop_id IS NULL OR shop_id = :shop_id)
""")


class Whereabouts(NamedTuple):
    """What follows from where an address is. `wakes_at`: when the send hours open; None: they are open."""

    wakes_at: datetime | None = None
    country_off: bool = False


Locate = Callable[[str, str], Whereabouts]  # by channel and address


class StockRow(NamedTuple):
    """What is recorded of one variant. `reading` None: never read. `event_id` None: no restock is on."""

    now: datetime
    reading: StockReading | None
    is_lagging: bool
    event_id: int | None
    open_units: int
    plan_at: datetime | None
    turn_ends_at: datetime | None
    check_due_at: datetime | None
    pass_at: datetime | None


def waiting(  # noqa: PLR0917 (one queue, in its order)
    session: Session, shop_id: int, variant_id: int, limit: int, order: QueueOrder, locate: Locate
) -> list[PlaceFacts]:
    """Read the first places of a variant's queue, in its order."""
    return _places(session, _QUEUES[order], locate, shop_id=shop_id, variant_id=variant_id, limit=limit)


def left(session: Session, shop_id: int, variant_id: int, limit: int, locate: Locate) -> list[PlaceFacts]:
    """Read the people who stopped waiting for a variant, the last first."""
    return _places(session, _LEFT, locate, shop_id=shop_id, variant_id=variant_id, limit=limit)


def one(session: Session, shop_id: int, subscription_id: int, locate: Locate) -> PlaceFacts | None:
    """Read what the standing of one subscription is judged by; None when the shop has no such one."""
    return next(iter(_places(session, _ONE, locate, shop_id=shop_id, id=subscription_id)), None)


def supported_by(session: Session, intent_id: UUID) -> int | None:
    """Find the subscription of an intent; None when there is no such one."""
    return session.execute(_OF_INTENT, {"id": intent_id}).scalar()


def belongs_to(session: Session, subscription_id: int) -> tuple[int, int] | None:
    """Find the shop and the variant of a subscription; None when there is no such one."""
    row = session.execute(_OF, {"id": subscription_id}).one_or_none()
    return None if row is None else (row.shop_id, row.variant_id)


def ahead(
    session: Session, shop_id: int, variant_id: int, person: PlaceFacts, order: QueueOrder
) -> tuple[int, int, int]:
    """Count the people, and their units, in line in front of one place, and those who rest there."""
    asked = {
        "shop_id": shop_id,
        "variant_id": variant_id,
        "priority": person.priority,
        "queued_at": person.queued_at,
        "id": person.subscription_id,
    }
    people, units, resting = session.execute(_IN_FRONT[order], asked).one()
    return people, int(units), resting


def stock(session: Session, shop_id: int, variant_id: int) -> StockRow:
    """Read what is recorded of a variant, and the database's time."""
    row = session.execute(_STOCK, {"shop_id": shop_id, "variant_id": variant_id}).one()
    reading = None
    if row.read_at is not None:
        source = ReadingSource(row.source)
        reading = StockReading(shop_id, variant_id, row.sellable, row.units, source, row.read_at, row.held)
    return StockRow(
        row.now,
        reading,
        row.lagging_since is not None,
        row.event_id,
        int(row.open_units),
        row.plan_at,
        row.turn_ends_at,
        row.check_due_at,
        row.pass_at,
    )


def providers_down(session: Session, shop_id: int, known: Collection[tuple[str, str]]) -> dict[str, datetime | None]:
    """Read when each channel whose provider is down is tried again; `known` are this instance's (channel, provider)."""
    found = session.execute(_DOWN, {"shop_id": shop_id})
    return {row.channel: row.next_probe_at for row in found if (row.channel, row.provider) in known}


def _places(session: Session, query: TextClause, locate: Locate, **asked: object) -> list[PlaceFacts]:
    return [_place(row, locate) for row in session.execute(query, asked)]


def _place(row: Row[Any], locate: Locate) -> PlaceFacts:
    """Make the facts of a row; the address is never whole. Without one the person was erased."""
    masked = mask_address(row.channel, row.address) if row.address is not None else "somebody erased"
    facts = PlaceFacts(row.id, row.channel, masked, *tuple(row)[3:])
    return facts if row.address is None else replace(facts, **locate(row.channel, row.address)._asdict())
