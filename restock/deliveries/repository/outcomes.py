"""Recording what became of a hand-over: the arrows out of `sending` and `unknown`.

Fenced by the token of the claim. A delivery whose lease ended meanwhile is `unknown` and keeps its token, so a late
answer still ends the doubt; one that was queued again has lost it, and the late answer changes nothing. Of a person
who was erased meanwhile the provider's id of the message is not kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import LiteralString, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.batches.pipeline import Step
from restock.database import run_lean, written_ids
from restock.restocks.values import NAMED_OFFERS
from restock.statements import PreparedStatement

# `IS NOT DISTINCT FROM` says "=", but to no index: these rows are looked up by their ids. Right after a large claim the
# statistics say that hardly anything is being sent, and all of it would be read for every group.
_SENDING = "state IS NOT DISTINCT FROM 'sending'"
_DOUBTED = "state IS NOT DISTINCT FROM 'unknown' AND finished_at IS NULL"
_HELD = f"token = :token AND ({_SENDING} OR ({_DOUBTED}))"

# By an array of ids: neighbours are found in one walk through the index, where a join begins anew for each of them.
_SENT = """
    UPDATE deliveries SET state = 'sent', sent_at = now(), lease_until = NULL, token = NULL, reason = NULL,
        provider_message_id = CASE WHEN contact_id IS NOT NULL THEN coalesce(
            (CAST(%(message_ids)s AS text[]))[array_position(CAST(%(ids)s AS bigint[]), id)], provider_message_id
        ) END
    WHERE id = ANY(CAST(%(ids)s AS bigint[])) AND {condition}
    RETURNING id, CASE kind WHEN 'offer' THEN offer_id END AS offer_id, contact_id
"""
_REQUEUE = """
    UPDATE deliveries SET state = 'queued', lease_until = NULL, token = NULL, reason = told.reason,
        next_at = now() + make_interval(secs => told.seconds),
        attempt = attempt - CASE WHEN told.counts THEN 0 ELSE 1 END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:seconds AS float8[]), CAST(:reasons AS text[]), CAST(:counts AS bool[]))
        AS told(id, seconds, reason, counts)
    WHERE deliveries.id = told.id AND {condition}
    RETURNING deliveries.id, lane_id, told.seconds
"""
_SENT_BY_WORKER: LiteralString = _SENT.format(condition=_HELD.replace(":token", "%(token)s"))
_SENT_BY_LOOKUP: LiteralString = _SENT.format(condition=_DOUBTED)
_SENT_ON_THE_WAY = _SENT_BY_WORKER.replace("%(message_ids)s", "%(message_ids)a").replace("%(ids)s", "%(ids)t")
_SENDING_ENDS = PreparedStatement(
    "sending_ends",
    f"""
    WITH sent AS ({_SENT_ON_THE_WAY.replace("%(token)s", "CAST(%(token)t AS uuid)")})
    SELECT count(*)::text, set_config('{NAMED_OFFERS}', coalesce(array_agg(offer_id ORDER BY offer_id)
        FILTER (WHERE offer_id IS NOT NULL), '{{}}')::text, true) FROM sent
""",  # noqa: S608 (the statement above)
)
_REQUEUE_HELD, _REQUEUE_DOUBTED = text(_REQUEUE.format(condition=_HELD)), text(_REQUEUE.format(condition=_DOUBTED))

_FAIL = text(f"""
    UPDATE deliveries SET state = 'failed', finished_at = now(), lease_until = NULL, token = NULL, reason = told.reason
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS told(id, reason)
    WHERE deliveries.id = told.id AND {_HELD}
    RETURNING deliveries.id, CASE kind WHEN 'offer' THEN offer_id END AS offer_id, contact_id
""")  # noqa: S608 (the condition above)

_DOUBT = text("""
    UPDATE deliveries SET state = 'unknown', doubts = doubts + 1, lease_until = NULL, reason = told.reason,
        next_at = now() + make_interval(secs => :wait_seconds)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS told(id, reason)
    WHERE deliveries.id = told.id AND token = :token AND state = 'sending'
    RETURNING deliveries.id
""")

_STAY_UNKNOWN = text("""
    UPDATE deliveries SET finished_at = now(), token = NULL
    WHERE id = ANY(:ids) AND state = 'unknown' AND finished_at IS NULL
    RETURNING id, CASE kind WHEN 'offer' THEN offer_id END AS offer_id, contact_id
""")

_RENEW = text("""
    UPDATE deliveries SET lease_until = now() + make_interval(secs => :lease_seconds)
    WHERE id = ANY(:ids) AND token = :token AND state = 'sending'
""")

# What a receipt has overtaken meanwhile is nobody else's: whatever is ours no more otherwise, others may be sending.
_TAKEN_OVER = text("""
    SELECT EXISTS (
        SELECT FROM deliveries WHERE id = ANY(:ids) AND (state <> 'sending' OR token IS DISTINCT FROM :token)
          AND state NOT IN ('sent', 'delivered', 'bounced', 'complained')
    )
""")

# Never waits: a row that somebody holds at this moment is being decided about by them. `doubts` counts on with every
# hand-over nobody answered, so that what was found out about an earlier one says nothing about the next.
_HOLD_DOUBTS = text(f"""
    SELECT deliveries.id, extract(epoch FROM now() - coalesce(claimed_at, created_at))::float8 AS seconds
    FROM deliveries
    JOIN unnest(CAST(:ids AS bigint[]), CAST(:doubts AS int[])) AS seen(id, doubts) ON seen.id = deliveries.id
    WHERE deliveries.doubts = seen.doubts AND {_DOUBTED}
    ORDER BY deliveries.id FOR UPDATE OF deliveries SKIP LOCKED
""")  # noqa: S608 (the condition above)

_HOLD_CONTACTS = text("""
    SELECT id FROM contacts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE
""")

# An array is made once; a subquery of IN may be run again for every row, and then its limit is none.
_EXPIRE = text("""
    UPDATE deliveries SET state = 'unknown', doubts = doubts + 1, lease_until = NULL, reason = :reason, next_at = now()
    WHERE id = ANY(ARRAY(
        SELECT id FROM deliveries WHERE state = 'sending' AND lease_until < now()
        ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED
    )) AND state = 'sending'
    RETURNING id
""")


class Ended(NamedTuple):
    """A delivery whose state has just changed here, and who it concerns. `offer_id`: the turn that hangs on it."""

    id: int
    offer_id: int | None
    contact_id: int | None


class Again(NamedTuple):
    """A delivery to be queued again, `seconds` from now. `counts`: the attempt was a real one."""

    id: int
    seconds: float
    reason: str
    counts: bool


def mark_sent(session: Session, message_ids: Mapping[int, str | None], token: uuid.UUID | None) -> list[Ended]:
    """sending (or a doubt) -> sent. `token` None: the provider was asked, and has it."""
    if not message_ids:
        return []
    ids = sorted(message_ids)
    given = [message_ids[one] for one in ids]
    values = {"ids": written_ids(ids), "message_ids": given if any(given) else None, "token": token}
    statement = _SENT_BY_LOOKUP if token is None else _SENT_BY_WORKER
    return [Ended._make(row) for row in run_lean(session, statement, values).fetchall()]


def sending_ends(message_ids: Mapping[int, str | None], token: uuid.UUID) -> Step:
    """Do what `mark_sent` does in a pipeline; return how many there were, and name their offers to what follows."""
    ids = sorted(message_ids)
    given = [message_ids[one] for one in ids]
    values = {"ids": written_ids(ids), "message_ids": given if any(given) else None, "token": str(token)}
    return Step(_SENDING_ENDS, values)


def requeue(session: Session, again: Sequence[Again], token: uuid.UUID | None) -> dict[int, float]:
    """sending (or a doubt) -> queued; return for each lane in how many seconds the first of them is due.

    `token` None: the doubt was resolved without the worker that had it.
    """
    if not again:
        return {}
    values: dict[str, object] = {
        "ids": [a.id for a in again],
        "seconds": [float(a.seconds) for a in again],  # an array has one type
        "reasons": [a.reason for a in again],
        "counts": [a.counts for a in again],
    }
    statement = _REQUEUE_DOUBTED if token is None else _REQUEUE_HELD
    seconds_by_lane: dict[int, float] = {}
    for row in session.execute(statement, values if token is None else {**values, "token": token}):
        seconds_by_lane[row.lane_id] = min(row.seconds, seconds_by_lane.get(row.lane_id, row.seconds))
    return seconds_by_lane


def mark_failed(session: Session, reasons: Mapping[int, str], token: uuid.UUID) -> list[Ended]:
    """sending -> failed."""
    if not reasons:
        return []
    values = {"ids": list(reasons), "reasons": list(reasons.values()), "token": token}
    return [Ended(*row) for row in session.execute(_FAIL, values)]


def mark_unknown(session: Session, reasons: Mapping[int, str], token: uuid.UUID, wait_seconds: float) -> int:
    """sending -> unknown, to be looked into after `wait_seconds`; return how many."""
    if not reasons:
        return 0
    values = {"ids": list(reasons), "reasons": list(reasons.values()), "token": token, "wait_seconds": wait_seconds}
    return len(session.execute(_DOUBT, values).all())


def stay_unknown(session: Session, ids: Sequence[int]) -> list[Ended]:
    """End a doubt without an answer: the state stays, and nothing more is done."""
    return [Ended(*row) for row in session.execute(_STAY_UNKNOWN, {"ids": list(ids)})] if ids else []


def hold_doubts(session: Session, doubts: Mapping[int, int]) -> dict[int, float]:
    """Hold, of these deliveries (id -> its `doubts` when it was asked about), those still in that same doubt.

    Return for each how many seconds ago it was claimed.
    """
    if not doubts:
        return {}
    found = session.execute(_HOLD_DOUBTS, {"ids": list(doubts), "doubts": list(doubts.values())})
    return {row.id: float(row.seconds) for row in found}


def hold_contacts(session: Session, contact_ids: Collection[int]) -> None:
    """Hold the contacts a transaction is going to suppress: before their deliveries, as everybody does."""
    if contact_ids:
        session.execute(_HOLD_CONTACTS, {"ids": sorted(contact_ids)})


def renew_lease(session: Session, ids: Sequence[int], token: uuid.UUID, lease_seconds: float) -> bool:
    """Prolong the lease of what is still in hand; False when others have taken some of it over."""
    values = {"ids": list(ids), "token": token}
    session.execute(_RENEW, values | {"lease_seconds": lease_seconds})
    return not session.execute(_TAKEN_OVER, values).scalar_one()


def expire_leases(session: Session, reason: str, limit: int) -> int:
    """sending -> unknown where the lease is over, on any channel; return how many."""
    return len(session.execute(_EXPIRE, {"reason": reason, "limit": limit}).all())
