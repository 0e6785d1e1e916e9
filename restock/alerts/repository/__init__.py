"""How far each shop's telling has come, and what is counted for it. Whoever holds a shop's row moves it on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.alerts.values import ShopTurn
from restock.reports.values.overview import Newcomers

_ADD = text("""
    INSERT INTO shop_alert_states (shop_id)
    SELECT id FROM shops WHERE state = 'installed' AND settings ? 'alerts.to' ON CONFLICT DO NOTHING
""")

_SHOPS = text("""
    SELECT known.shop_id FROM shop_alert_states known JOIN shops ON shops.id = known.shop_id
    WHERE shops.state = 'installed' AND settings ? 'alerts.to' ORDER BY known.shop_id
""")

_HOLD = text("""
    SELECT shop_id, now() AS now, counted_until, looked_until, next_new_at, digest_from, next_digest_at, rhythm
    FROM shop_alert_states WHERE shop_id = :shop_id FOR UPDATE SKIP LOCKED
""")

_MOVE = text("""
    UPDATE shop_alert_states SET counted_until = :counted_until, looked_until = :looked_until,
        next_new_at = :next_new_at, digest_from = :digest_from, next_digest_at = :next_digest_at, rhythm = :rhythm
    WHERE shop_id = :shop_id
""")

# Who has signed up, and who waits only since: by their yes, another post, a pause that is over, a turn that came back.
# The two conditions are those of two indexes; neither reads who has been waiting all along.
_GROWN = text("""
    SELECT variant_id FROM subscriptions
    WHERE shop_id = :shop_id AND queued_at > :since AND queued_at <= :until AND state = 'active'
    UNION
    SELECT variant_id FROM subscriptions
    WHERE shop_id = :shop_id AND updated_at > :since AND updated_at <= :until AND updated_at > queued_at
      AND state = 'active' AND open_offer_id IS NULL
""")

_LONG = text("""
    WITH untold AS MATERIALIZED (
        SELECT variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS wanted (variant_id)
        EXCEPT SELECT variant_id FROM shop_alert_crossings WHERE shop_id = :shop_id
    )
    SELECT waiting.* FROM untold, LATERAL (
        SELECT untold.variant_id, count(*) AS people, sum(quantity) AS units FROM subscriptions s
        WHERE s.shop_id = :shop_id AND s.variant_id = untold.variant_id AND s.state = 'active'
    ) waiting WHERE waiting.people >= :least
    ORDER BY waiting.people DESC, waiting.variant_id
""")

_CROSS = text("""
    INSERT INTO shop_alert_crossings (shop_id, variant_id)
    SELECT :shop_id, variant_id FROM unnest(CAST(:variant_ids AS bigint[])) AS wanted (variant_id)
    ON CONFLICT DO NOTHING RETURNING variant_id, (extract(epoch FROM crossed_at) * 1000000)::bigint AS crossed_at
""")

_REARM = text("""
    DELETE FROM shop_alert_crossings known WHERE known.shop_id = :shop_id AND (
        SELECT count(*) FROM (
            SELECT FROM subscriptions s WHERE s.shop_id = known.shop_id AND s.variant_id = known.variant_id
              AND s.state = 'active' LIMIT :below
        ) still
    ) < :below
""")


def shops_to_tell(session: Session) -> list[int]:
    """List the shops that want to be told of anything; a new one is told of what comes from now on."""
    session.execute(_ADD)
    return list(session.execute(_SHOPS).scalars())


def hold(session: Session, shop_id: int) -> ShopTurn | None:
    """Hold a shop's row until the transaction ends; None while somebody else does."""
    row = session.execute(_HOLD, {"shop_id": shop_id}).one_or_none()
    return None if row is None else ShopTurn(**row._mapping)  # noqa: SLF001 (SQLAlchemy's own name)


def move_on(session: Session, turn: ShopTurn) -> None:
    """Write down how far a shop's telling has come; the row is held."""
    values = {name: getattr(turn, name) for name in ShopTurn.__slots__ if name != "now"}
    session.execute(_MOVE, values)


def grown_lists(session: Session, shop_id: int, since: datetime, until: datetime) -> list[int]:
    """List the variants whose waitlists may have grown within a span."""
    return list(session.execute(_GROWN, {"shop_id": shop_id, "since": since, "until": until}).scalars())


def long_lists(session: Session, shop_id: int, variant_ids: Sequence[int], least: int) -> list[Newcomers]:
    """Keep the variants for which so many wait and nobody was told of it yet, the most wanted first."""
    values = {"shop_id": shop_id, "variant_ids": list(variant_ids), "least": least}
    return [Newcomers(row.variant_id, row.people, int(row.units)) for row in session.execute(_LONG, values)]


def cross(session: Session, shop_id: int, variant_ids: Sequence[int]) -> dict[int, int]:
    """Note that these waitlists have grown long; return those that had not been, with the microsecond of it."""
    found = session.execute(_CROSS, {"shop_id": shop_id, "variant_ids": sorted(variant_ids)})
    return {row.variant_id: row.crossed_at for row in found}


def rearm(session: Session, shop_id: int, below: int) -> None:
    """Forget the waitlists that have fallen below so many people: they are told of again when they grow."""
    session.execute(_REARM, {"shop_id": shop_id, "below": below})
