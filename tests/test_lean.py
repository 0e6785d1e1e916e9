"""Statements run by the driver itself fail as those of the session do, and what is lost is replaced."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from restock.database import run_lean, written_ids
from tests.opened import opened


def test_rows_come_as_tuples_in_the_session_s_own_transaction(clean_database: str) -> None:
    database = opened(clean_database)
    with database.transaction() as session:
        session.execute(text("CREATE TEMP TABLE one (id bigint) ON COMMIT DROP"))
        run_lean(session, "INSERT INTO one SELECT unnest(CAST(%(ids)s AS bigint[]))", {"ids": written_ids([1, 2**62])})
        assert run_lean(session, "SELECT id FROM one ORDER BY id", {}).fetchall() == [(1,), (2**62,)]
        assert session.execute(text("SELECT count(*) FROM one")).scalar_one() == 2


def test_no_ids_are_an_array_too(clean_database: str) -> None:
    with opened(clean_database).transaction() as session:
        query = "SELECT cardinality(CAST(%(ids)s AS bigint[]))"
        assert run_lean(session, query, {"ids": written_ids([])}).fetchone() == (0,)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT 1 / 0", DataError),
        ("INSERT INTO shops (domain) VALUES (NULL)", IntegrityError),
    ],
)
def test_a_fault_is_the_session_s_own(clean_database: str, query: str, error: type[Exception]) -> None:
    database = opened(clean_database)
    with pytest.raises(error), database.transaction() as session:
        run_lean(session, query, {})
    with database.transaction() as session:
        assert run_lean(session, "SELECT 1", {}).fetchone() == (1,)


def test_a_connection_that_is_lost_is_replaced(clean_database: str) -> None:
    database = opened(clean_database)
    with pytest.raises(OperationalError) as lost, database.transaction() as session:
        run_lean(session, "SELECT pg_terminate_backend(pg_backend_pid())", {})
    assert lost.value.connection_invalidated
    with database.transaction() as session:
        assert run_lean(session, "SELECT 1", {}).fetchone() == (1,)
