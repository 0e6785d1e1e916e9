"""Several statements as one transaction, answered whenever: all of it is written, or nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from restock.batches.pipeline import Pipeline, Step, named
from restock.database import Database
from restock.statements import Connection, PreparedStatement
from tests.opened import opened

WORD = "restock.numbers"
PUT = PreparedStatement(
    "put",
    f"""
    WITH put AS (INSERT INTO numbers SELECT unnest(CAST(%(numbers)t AS bigint[])) RETURNING number)
    SELECT set_config('{WORD}', array_agg(number)::text, true) FROM put
""",
)
DOUBLE = PreparedStatement("double", f"SELECT (number * 2)::text FROM numbers WHERE number = ANY({named(WORD)})")
END = PreparedStatement("end", "SELECT pg_terminate_backend(pg_backend_pid())::text")
WAIT = PreparedStatement("wait", "SELECT pg_sleep(60)::text")
BREAK = PreparedStatement("break", "SELECT (1 / CAST(%(by)t AS int))::text")


@pytest.fixture
def database(clean_database: str) -> Iterator[Database]:
    database = opened(clean_database)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE numbers (number bigint)")
        yield database
        connection.execute("DROP TABLE numbers")
    database.dispose()


def remembering(database: Database, seen: list[Connection]) -> Callable[[], Connection]:
    def connect() -> Connection:
        seen.append(database.connect_for_batches())
        return seen[-1]

    return connect


def prepared(database: Database) -> Connection:
    """Open a connection that another client of the pooler has used for the same."""
    connection = database.connect_for_batches()
    connection.execute("PREPARE put AS SELECT 1")
    return connection


def kept(database: Database) -> list[int]:
    with psycopg.connect(database.dsn) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY 1")]


def put(*numbers: int) -> Step:
    return Step(PUT, {"numbers": f"{{{','.join(map(str, numbers))}}}"})


def test_a_statement_finds_what_the_one_before_it_has_named_and_no_other_transactions(database: Database) -> None:
    pipeline = Pipeline(database.connect_for_batches)
    for numbers in ([1, 2], [3]):
        flight = pipeline.send([[put(*numbers), Step(DOUBLE, {})], [Step(DOUBLE, {})]])
        _, doubled, nothing = flight.rows()
        assert [int(row[0]) for row in doubled] == [2 * number for number in numbers]
        assert nothing == []
    assert kept(database) == [1, 2, 3]


def test_before_the_commit_nothing_is_written_and_behind_it_nobody_has_to_listen(database: Database) -> None:
    pipeline, seen = Pipeline(database.connect_for_batches), []
    flight = pipeline.send([[put(1)]], lambda: seen.append(kept(database)))
    flight.rows()
    assert seen == [[]]
    assert kept(database) == [1]
    assert flight.done()
    assert pipeline.is_free


def test_a_statement_that_fails_takes_its_transaction_with_it_and_the_next_flight_is_well(database: Database) -> None:
    """The connection is kept: what is wrong is the statement's own."""
    opened_ones: list[Connection] = []
    pipeline = Pipeline(remembering(database, opened_ones))
    flight = pipeline.send([[put(1), Step(BREAK, {"by": "0"})], [put(2)]])
    with pytest.raises(psycopg.errors.DivisionByZero):
        flight.rows()
    assert kept(database) == [2]
    pipeline.send([[put(3)]]).rows()
    assert kept(database) == [2, 3]
    assert len(opened_ones) == 1


def test_flights_follow_each_other_and_none_waits_for_the_one_before_it(database: Database) -> None:
    """Each hears what is its own, also behind one that fails, and with statements that were not known before."""
    pipeline = Pipeline(database.connect_for_batches)
    pipeline.send([[put(0)]]).rows()
    with psycopg.connect(database.dsn) as holding:
        holding.execute("LOCK TABLE numbers IN SHARE MODE")
        flights = [pipeline.send([[put(number)]]) for number in (1, 2)]
        assert not any(flight.done() for flight in flights)
    failing = pipeline.send([[put(3), Step(BREAK, {"by": "0"})], [put(4)]])
    last = pipeline.send([[put(5), Step(DOUBLE, {})]])
    assert last.rows()[1] == [[b"10"]]
    assert all(flight.done() for flight in (*flights, failing))
    assert [flight.rows() for flight in flights] == [[[[b"{1}"]]], [[[b"{2}"]]]]
    with pytest.raises(psycopg.errors.DivisionByZero):
        failing.rows()
    assert kept(database) == [0, 1, 2, 4, 5]


def test_flights_on_a_connection_that_is_lost_are_all_told(database: Database) -> None:
    opened_ones: list[Connection] = []
    pipeline = Pipeline(remembering(database, opened_ones))
    pipeline.send([[put(1)]]).rows()
    flights = [pipeline.send([steps]) for steps in ([put(2), Step(WAIT, {})], [put(3)])]
    with psycopg.connect(database.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [opened_ones[-1].info.backend_pid])
    for flight in flights:
        with pytest.raises(psycopg.OperationalError):
            flight.rows()
    pipeline.send([[put(4)]]).rows()
    assert kept(database) == [1, 4]


def test_where_a_pooler_forgets_what_was_prepared_the_next_flight_prepares_it_anew(database: Database) -> None:
    """One that knows nothing of prepared statements hands out a server's connection on which there are none."""
    opened_ones: list[Connection] = []
    pipeline = Pipeline(remembering(database, opened_ones))
    pipeline.send([[put(1)]]).rows()
    opened_ones[-1].execute("DEALLOCATE ALL")
    flights = [pipeline.send([[put(number)]]) for number in (2, 3)]
    for flight in flights:
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            flight.rows()
    pipeline.send([[put(4)]]).rows()
    assert kept(database) == [1, 4]
    assert len(opened_ones) == 2


def test_where_a_pooler_hands_out_a_connection_on_which_it_is_prepared_already_that_is_told_at_once(
    database: Database,
) -> None:
    """Nothing is on its way then, and whoever asked writes it another way; it is tried again, but not at once."""
    pipeline = Pipeline(lambda: prepared(database), again_seconds=0.2)
    with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
        pipeline.send([[put(1)]])
    assert not pipeline.is_free
    assert kept(database) == []
    time.sleep(0.2)
    assert pipeline.is_free


def test_a_connection_that_is_lost_is_told_and_replaced(database: Database) -> None:
    pipeline = Pipeline(database.connect_for_batches)
    pipeline.send([[put(1)]]).rows()
    flight = pipeline.send([[put(2), Step(END, {})]])
    with pytest.raises(psycopg.OperationalError):
        flight.rows()
    assert flight.done()
    pipeline.send([[put(3)]]).rows()
    assert kept(database) == [1, 3]


def test_it_is_free_for_the_thread_that_asked_first_alone(database: Database) -> None:
    pipeline, others = Pipeline(database.connect_for_batches), []
    assert pipeline.is_free
    thread = threading.Thread(target=lambda: others.append(pipeline.is_free))
    thread.start()
    thread.join()
    assert others == [False]


def test_a_flight_that_is_interrupted_while_it_is_sent_leaves_nothing_to_the_next(database: Database) -> None:
    """A job's time may be over at any moment, and the process goes on with the next one."""
    pipeline, passed = Pipeline(database.connect_for_batches), []

    def interrupt() -> None:
        passed.append(1)
        if len(passed) == 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        pipeline.send([[put(1)], [put(2)]], interrupt)
    flight = pipeline.send([[put(3), Step(BREAK, {"by": "0"})]])
    with pytest.raises(psycopg.errors.DivisionByZero):
        flight.rows()
    pipeline.send([[put(4)]]).rows()
    assert 2 not in kept(database)
    assert 4 in kept(database)


def test_a_fault_the_driver_has_no_name_for_is_one_of_the_database_all_the_same(database: Database) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION refuse() RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'ZZ999'; END $$
        """)
        refuse = PreparedStatement("refuse", "SELECT refuse()")
        pipeline = Pipeline(database.connect_for_batches)
        with pytest.raises(psycopg.DatabaseError, match="not today"):
            pipeline.send([[put(1), Step(refuse, {})]]).rows()
        pipeline.send([[put(2)]]).rows()
        connection.execute("DROP FUNCTION refuse")
    assert kept(database) == [2]


def test_a_flight_nobody_waits_for_any_more_does_not_keep_the_next_ones_on_the_ground(database: Database) -> None:
    pipeline = Pipeline(database.connect_for_batches, patience_seconds=0.1)
    pipeline.send([[put(0)]]).rows()
    with psycopg.connect(database.dsn) as connection:
        connection.execute("LOCK TABLE numbers")
        pipeline.send([[put(1)]])
        time.sleep(0.11)
        assert pipeline.is_free
    pipeline.send([[put(2)]]).rows()
    assert 2 in kept(database)
