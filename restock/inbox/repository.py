"""Every query on received webhooks. The shop is a domain here: the sender may be no shop of ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import pq
from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.inbox.models import InboxMessageRow
from restock.inbox.rules.compliance import IMPERSONAL
from restock.inbox.values import InboxMessage, InboxState
from restock.statements import Connection, Parameter, PreparedStatement

_ONE_APPLIER_A_SHOP = 7_465_103  # any constant: the first half of an advisory lock's key
_INSERT = PreparedStatement(
    "inbox",
    """
    INSERT INTO inbox_messages (shop_domain, webhook_id, topic, event_id, api_version, triggered_at, body)
    VALUES (%(shop_domain)t, %(webhook_id)t, %(topic)t, %(event_id)t, %(api_version)t, %(triggered_at)t, %(body)t)
    ON CONFLICT (shop_domain, webhook_id) DO NOTHING
    RETURNING id
    """,
)
# The order of arrival within a batch is kept in `next_at`, to the microsecond. Sorted, so that two batches never wait
# for each other in a circle.
_INSERT_MANY = PreparedStatement(
    "inbox_batch",
    """
    INSERT INTO inbox_messages (shop_domain, webhook_id, topic, event_id, api_version, triggered_at, body, next_at)
    SELECT shop_domain, webhook_id, topic, event_id, api_version, triggered_at::timestamptz, body,
        now() + (place - 1) * interval '1 microsecond'
    FROM unnest(%(shop_domain)a::text[], %(webhook_id)a::text[], %(topic)a::text[], %(event_id)a::text[],
        %(api_version)a::text[], %(triggered_at)a::text[], %(body)b::bytea[]) WITH ORDINALITY
        AS said (shop_domain, webhook_id, topic, event_id, api_version, triggered_at, body, place)
    ORDER BY shop_domain, webhook_id
    ON CONFLICT (shop_domain, webhook_id) DO NOTHING
    RETURNING shop_domain, webhook_id
    """,
)


class DueMessage(NamedTuple):
    """One claimed message. `triggered_at` is when it was received where the sender did not say."""

    id: int
    shop_domain: str
    topic: str
    body: bytes
    triggered_at: datetime
    attempts: int


def insert_message(connection: Connection, message: InboxMessage) -> bool:
    """Store a message in one statement; False when it is stored already."""
    values = _texts(message) | {"body": "\\x" + message.body.hex()}
    return _INSERT.fetch_one(connection, values) is not None


def insert_messages(connection: Connection, messages: Sequence[InboxMessage]) -> list[bool]:
    """Store messages of different shops or ids in one statement; False, in its place, for one stored already."""
    return _are_new(_INSERT_MANY.fetch_all(connection, _arrays(messages)), messages)


def send_messages(connection: Connection, messages: Sequence[InboxMessage]) -> None:
    """Send the statement of `insert_messages`; `read_new` reads the result."""
    _INSERT_MANY.send(connection, _arrays(messages))


def read_new(result: pq.abc.PGresult, messages: Sequence[InboxMessage]) -> list[bool]:
    """Read what `insert_messages` returns."""
    return _are_new(PreparedStatement.read(result), messages)


prepare_insert = _INSERT_MANY.prepare


def _arrays(messages: Sequence[InboxMessage]) -> dict[str, Parameter]:
    texts = [_texts(message) for message in messages]
    columns: dict[str, Parameter] = {name: [text[name] for text in texts] for name in texts[0]}
    return columns | {"body": [message.body for message in messages]}


def _are_new(rows: Sequence[Sequence[bytes]], messages: Sequence[InboxMessage]) -> list[bool]:
    new = {(domain.decode(), webhook_id.decode()) for domain, webhook_id in rows}
    return [(message.shop_domain, message.webhook_id) in new for message in messages]


def _texts(message: InboxMessage) -> dict[str, str | None]:
    return {
        "shop_domain": message.shop_domain,
        "webhook_id": message.webhook_id,
        "topic": message.topic,
        "event_id": message.event_id,
        "api_version": message.api_version,
        "triggered_at": message.triggered_at.isoformat() if message.triggered_at else None,
    }


def claim_due(session: Session, limit: int) -> list[DueMessage]:
    """Take due messages in the order they came, held until the transaction ends.

    A shop whose messages another transaction holds is passed over: within a shop there is one applier at a time, so
    that order is kept and no two ever wait for each other's rows.
    """
    row = InboxMessageRow
    free = func.pg_try_advisory_xact_lock(_ONE_APPLIER_A_SHOP, func.hashtext(row.shop_domain))
    sent_at = func.coalesce(row.triggered_at, row.received_at)
    query = (
        select(row.id, row.shop_domain, row.topic, row.body, sent_at, row.attempts)
        .where(row.state == InboxState.received, row.next_at <= func.now(), free)
        .order_by(row.next_at, row.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [DueMessage(*found) for found in session.execute(query)]


def any_due(session: Session) -> bool:
    """Say whether a message of any shop is due."""
    row = InboxMessageRow
    due = select(row.id).where(row.state == InboxState.received, row.next_at <= func.now())
    return bool(session.scalar(select(due.exists())))


def finish(session: Session, message_ids: Sequence[int], state: InboxState, reason: str | None = None) -> None:
    """Settle messages held by this transaction; a body that may tell of a person goes at once."""
    if not message_ids:
        return
    is_of_goods = or_(*(InboxMessageRow.topic.startswith(prefix) for prefix in IMPERSONAL))
    body = case((is_of_goods, InboxMessageRow.body), else_=b"")
    session.execute(
        update(InboxMessageRow)
        .where(InboxMessageRow.id.in_(message_ids), InboxMessageRow.state == InboxState.received)
        .values(state=state, reason=reason, body=body, attempts=InboxMessageRow.attempts + 1, finished_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def postpone(session: Session, message_id: int, after_seconds: float, reason: str) -> None:
    """Leave one message held by this transaction for later."""
    session.execute(
        update(InboxMessageRow)
        .where(InboxMessageRow.id == message_id, InboxMessageRow.state == InboxState.received)
        .values(
            attempts=InboxMessageRow.attempts + 1, reason=reason, next_at=func.now() + timedelta(seconds=after_seconds)
        ),
        execution_options={"synchronize_session": False},
    )


def empty_body(session: Session, message_id: int) -> None:
    """Forget what a message held by this transaction says: it was about a person, and has had its effect."""
    session.execute(
        update(InboxMessageRow).where(InboxMessageRow.id == message_id).values(body=b""),
        execution_options={"synchronize_session": False},
    )


def purge(session: Session, older_than_days: int, limit: int) -> int:
    """Delete settled messages received longer ago than that; return how many."""
    old = (
        select(InboxMessageRow.id)
        .where(
            InboxMessageRow.received_at < func.now() - timedelta(days=older_than_days),
            InboxMessageRow.state != InboxState.received,
        )
        .order_by(InboxMessageRow.received_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("old")
        .prefix_with("MATERIALIZED")  # a subquery may be run once for each row it is compared with: then no limit holds
    )
    statement = delete(InboxMessageRow).where(InboxMessageRow.id.in_(select(old.c.id)))
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount
