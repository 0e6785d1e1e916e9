"""Offers: made with their wave, accepted with their message, ended by the clock. Each arrow is one conditional
UPDATE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.batches.pipeline import Step, named
from restock.database import run_lean, written_ids
from restock.restocks.values import NAMED_OFFERS, OpenEvent, Turn, TurnsTaken
from restock.statements import PreparedStatement
from restock.subscriptions.values import NAMED_SUBSCRIPTIONS

# Turns of a restock that has sold out count until they are called missed: their people were told, and may yet buy. So
# do those that run on while the shop was away.
_OPEN_UNITS = text("""
    SELECT coalesce(sum(units), 0)::bigint, count(*) FROM offers WHERE state = 'open' AND event_id = ANY(ARRAY(
        SELECT :event_id UNION ALL
        SELECT id FROM restock_events WHERE shop_id = :shop_id AND variant_id = :variant_id AND settle_at IS NOT NULL
    ))
""")

_ANY_TURN = text("SELECT EXISTS (SELECT 1 FROM offers WHERE event_id = :event_id AND state = 'open')")

# The shop is held once for all of them: offers have no foreign keys, see migration 0023.
_ADD = text("""
    WITH held AS MATERIALIZED (SELECT id FROM shops WHERE id = :shop_id FOR KEY SHARE)
    INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units, kept_until)
    SELECT held.id, :event_id, :wave_id, turn.subscription_id, turn.units,
        CASE WHEN turn.sleeps THEN now() + make_interval(secs => CAST(:kept_seconds AS float8)) END
    FROM unnest(CAST(:subscription_ids AS bigint[]), CAST(:units AS int[]), CAST(:sleeps AS bool[]))
        AS turn(subscription_id, units, sleeps)
    CROSS JOIN held
    RETURNING subscription_id, id
""")

_DROP = text("DELETE FROM offers WHERE id = ANY(:ids)")

_TAKEN = text("""
    SELECT subscription_id,
        coalesce(array_agg(reason) FILTER (WHERE state = 'returned' AND reason <> 'asleep'), '{}') AS returns,
        bool_or(state = 'declined') AS declined, bool_or(state = 'returned' AND reason = 'asleep') AS lent_on
    FROM offers
    WHERE subscription_id = ANY(:subscription_ids) AND event_id = :event_id AND state IN ('returned', 'declined')
    GROUP BY subscription_id
""")

# `IS NOT DISTINCT FROM` says "=", but to no index: by the one on open offers a whole restock would be read for a
# hundred of them, which the statistics of an hour ago call cheap.
_ACCEPT = """
    UPDATE offers SET accepted_at = now(), ends_at = now() + make_interval(mins => CAST(%(turn_minutes){t} AS int)),
        remind_at = now() + make_interval(hours => CAST(%(remind_hours){t} AS int))
    WHERE id = ANY({ids}) AND shop_id = CAST(%(shop_id){t} AS bigint)
      AND state IS NOT DISTINCT FROM 'open' AND accepted_at IS NULL
    RETURNING subscription_id
"""
_ACCEPT_THESE: LiteralString = _ACCEPT.format(ids="CAST(%(ids)s AS bigint[])", t="s")
# In a pipeline, whose statements hand ids on among themselves.
_ACCEPT_NAMED = PreparedStatement(
    "accept_offers",
    f"""
    WITH accepted AS ({_ACCEPT.format(ids=named(NAMED_OFFERS), t="t")})
    SELECT set_config('{NAMED_SUBSCRIPTIONS}', coalesce(array_agg(subscription_id ORDER BY subscription_id),
        '{{}}')::text, true) FROM accepted
""",  # noqa: S608 (the statement above)
)

_RETURN = text("""
    UPDATE offers SET state = 'returned', reason = :reason
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NULL
    RETURNING subscription_id, event_id
""")

_END = text("""
    UPDATE offers SET state = 'ended'
    WHERE id = ANY(ARRAY(
        SELECT o.id FROM offers o JOIN restock_events e ON e.id = o.event_id
        WHERE o.state = 'open' AND o.ends_at <= now() AND (e.settle_at IS NULL OR e.close_reason <> 'sold_out')
        ORDER BY o.ends_at LIMIT :limit FOR UPDATE OF o SKIP LOCKED
    )) AND state = 'open'
    RETURNING event_id
""")

_CUT_SHORT = text("""
    UPDATE offers SET state = 'ended', reason = :reason, ends_at = least(ends_at, now())
    WHERE id = ANY(:ids) AND shop_id = :shop_id AND state = 'open' AND accepted_at IS NOT NULL
    RETURNING event_id
""")


def open_units(session: Session, event: OpenEvent) -> tuple[int, int]:
    """Count the units that a variant's open offers keep, and the offers; once a walk, for it reads each of them."""
    values = {"event_id": event.id, "shop_id": event.shop_id, "variant_id": event.variant_id}
    units, offers = session.execute(_OPEN_UNITS, values).one()
    return units, offers


def has_open_turn(session: Session, event_id: int) -> bool:
    """Say whether an event has an open offer; cheap however many there are."""
    return bool(session.execute(_ANY_TURN, {"event_id": event_id}).scalar_one())


def add_offers(
    session: Session, event: OpenEvent, wave_id: int, turns: Sequence[Turn], longest_kept: timedelta | None
) -> dict[int, int]:
    """Write one offer for each turn; return subscription id -> offer id, nothing when the shop is erased meanwhile.

    Those who sleep have their units kept for `longest_kept`; None: for as long as it takes.
    """
    values = {
        "shop_id": event.shop_id,
        "event_id": event.id,
        "wave_id": wave_id,
        "subscription_ids": [turn.subscription_id for turn in turns],
        "units": [turn.units for turn in turns],
        "sleeps": [turn.wakes_at is not None and longest_kept is not None for turn in turns],
        "kept_seconds": (longest_kept or timedelta()).total_seconds(),
    }
    return {row.subscription_id: row.id for row in session.execute(_ADD, values)}


def drop_offers(session: Session, offer_ids: Sequence[int]) -> None:
    """Take back offers of this same transaction, whose subscription was gone by then."""
    if offer_ids:
        session.execute(_DROP, {"ids": list(offer_ids)})


def turns_taken(session: Session, event_id: int, subscription_ids: Sequence[int]) -> list[TurnsTaken]:
    """Read what became of earlier offers of this event, for each of these subscriptions that stands in line again."""
    found = session.execute(_TAKEN, {"event_id": event_id, "subscription_ids": list(subscription_ids)})
    return [TurnsTaken(row.subscription_id, tuple(row.returns), row.declined, row.lent_on) for row in found]


def accept_offers(
    session: Session, shop_id: int, offer_ids: Sequence[int], turn_minutes: int, remind_hours: int | None = None
) -> list[int]:
    """Start the clock of open offers; return the subscriptions of those that were not running yet.

    `remind_hours` None: of these nobody is reminded.
    """
    values = {"shop_id": shop_id, "turn_minutes": turn_minutes, "remind_hours": remind_hours}
    found = run_lean(session, _ACCEPT_THESE, values | {"ids": written_ids(offer_ids)})
    return [subscription_id for (subscription_id,) in found]


def named_accepted(shop_id: int, turn_minutes: int, remind_hours: int | None) -> Step:
    """Do what `accept_offers` does in a pipeline, with the offers named before; name their subscriptions."""
    hours = None if remind_hours is None else str(remind_hours)
    values = {"shop_id": str(shop_id), "turn_minutes": str(turn_minutes), "remind_hours": hours}
    return Step(_ACCEPT_NAMED, values)


def return_offers(session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> tuple[list[int], set[int]]:
    """Take back open offers that never reached anybody; return their subscriptions and events."""
    found = session.execute(_RETURN, {"ids": list(offer_ids), "shop_id": shop_id, "reason": reason}).all()
    return [row.subscription_id for row in found], {row.event_id for row in found}


def end_offers(session: Session, limit: int) -> list[int]:
    """End open offers whose time is over, all shops; return the event of each.

    Those of a restock that has sold out are not ended but missed: see `miss_offers`.
    """
    return list(session.execute(_END, {"limit": limit}).scalars())


def cut_short(session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> list[int]:
    """End the running turns among these offers before their time; return the event of each."""
    values = {"ids": list(offer_ids), "shop_id": shop_id, "reason": reason}
    return list(session.execute(_CUT_SHORT, values).scalars())
