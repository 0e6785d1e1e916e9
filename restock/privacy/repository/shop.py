"""Erasing everything of a shop, a little at a time.

A table that has no index on the shop is walked in windows of ids, so that each statement is short however many rows
other shops have. Repeating a window, or all of it, changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from restock.privacy.rules.registry import REGISTRY, Paging

WINDOW = 5000
_FIRST = {Paging.bigint: "0", Paging.uuid: "00000000-0000-0000-0000-000000000000"}
_LAST_STATEMENT_MS = 600_000
_UNBOUND = ("deliveries", "offers")  # they have no foreign keys: see migration 0023


class Piece(NamedTuple):
    """What one step did: rows erased, and where the walk through the table goes on; None: the table is done."""

    row_count: int
    cursor: str | None


class Standing(NamedTuple):
    """A shop's own row."""

    id: int
    state: str


def standing(session: Session, domain: str) -> Standing | None:
    """Read a shop's state and keep it as it is until the transaction ends; None when there is no such shop."""
    query = text("SELECT id, state FROM shops WHERE domain = :domain FOR SHARE")
    row = session.execute(query, {"domain": domain}).one_or_none()
    return None if row is None else Standing(*row)


_LEAVE = text("""
    UPDATE shops SET state = 'uninstalled', uninstalled_at = now(), access = 'none', updated_at = now()
    WHERE domain = :domain AND state = 'installed' AND access = 'needs_reauth'
""")


def leave_if_locked_out(session: Session, domain: str) -> None:
    """Mark a shop as having left whose access is over: its own word that it leaves was lost on the way."""
    session.execute(_LEAVE, {"domain": domain})


def erase_piece(session: Session, table: str, shop_id: int, cursor: str | None) -> Piece:
    """Erase the next rows of a shop in one table that knows the shop by its id."""
    paging = REGISTRY[table].paging
    if paging is Paging.shop_first:
        return _erase_first(session, table, shop_id)
    assert paging in _FIRST
    return _erase_window(session, table, paging.value, shop_id, cursor or _FIRST[paging])


def erase_letters(session: Session, domain: str, request_id: int) -> Piece:
    """Erase the next settled webhooks of a domain, and its other requests."""
    letters = text("""
        DELETE FROM inbox_messages WHERE id = ANY(ARRAY(
            SELECT id FROM inbox_messages WHERE shop_domain = :domain AND state <> 'received' LIMIT :limit
        ))
    """)
    count = _count(session, letters, {"domain": domain, "limit": WINDOW})
    requests = text("DELETE FROM privacy_requests WHERE shop_domain = :domain AND id <> :id AND state <> 'received'")
    return Piece(count + _count(session, requests, {"domain": domain, "id": request_id}), "" if count else None)


def erase_row(session: Session, shop_id: int) -> int:
    """Erase a shop's own row, if the shop is still away, with whatever was written meanwhile.

    Whoever writes where there is no foreign key holds the shop's row: we have waited for them, and see it.
    """
    session.execute(text(f"SET LOCAL statement_timeout = {_LAST_STATEMENT_MS}"))
    query = text("DELETE FROM shops WHERE id = :id AND state <> 'installed'")
    erased = _count(session, query, {"id": shop_id})
    for table in _UNBOUND if erased else ():
        session.execute(text(f"DELETE FROM {table} WHERE shop_id = :id"), {"id": shop_id})  # noqa: S608 (our own names)
    return erased


def _erase_window(session: Session, table: str, kind: str, shop_id: int, cursor: str) -> Piece:
    key = f"CAST(:cursor AS {kind})"
    edge = text(f"""
        SELECT CAST(id AS text) FROM {table} WHERE id > {key} ORDER BY id OFFSET {WINDOW - 1} LIMIT 1
    """)  # noqa: S608 (names of our own)
    until = session.execute(edge, {"cursor": cursor}).scalar_one_or_none()
    bound = "" if until is None else f"AND id <= CAST(:until AS {kind})"
    query = text(f"DELETE FROM {table} WHERE id > {key} {bound} AND shop_id = :shop_id")  # noqa: S608 (likewise)
    values = {"cursor": cursor, "shop_id": shop_id} | ({} if until is None else {"until": until})
    return Piece(_count(session, query, values), until)


def _erase_first(session: Session, table: str, shop_id: int) -> Piece:
    query = text(f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {table} WHERE shop_id = :shop_id LIMIT {WINDOW} FOR UPDATE SKIP LOCKED
        ))
    """)  # noqa: S608 (names of our own)
    count = _count(session, query, {"shop_id": shop_id})
    return Piece(count, "" if count == WINDOW else None)


def _count(session: Session, query: object, values: dict[str, object]) -> int:
    result = session.execute(query, values)  # type: ignore[call-overload]
    assert isinstance(result, CursorResult)
    return result.rowcount
