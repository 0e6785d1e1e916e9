"""One statement kept ready on a connection and run without the driver's per-call work.

psycopg turns named parameters and types into the wire's form at every call and gives up caching for long statements:
measured 290 µs a call for the intent's statement, 42 µs so. For the statements of the two hot routes alone; everything
else goes through SQLAlchemy.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import errors, pq

Connection = psycopg.Connection[tuple[Any, ...]]

_PARAMETER = re.compile(r"%\((\w+)\)([tab])")
_BINARY = 1
_TEXT_OID, _BYTEA_OID = 25, 17  # PostgreSQL's pg_type.dat
_ARRAY_HEAD = struct.Struct(">iiIii")  # dimensions, may hold NULLs, element type, length, first index
_NULL_ELEMENT = struct.pack(">i", -1)
_LENGTH = struct.Struct(">i").pack

Value = str | None
Parameter = Value | Sequence[str | bytes | None]


class Lane:
    """A connection kept ready for one thread at a time: opened at first use, again after `drop` and in a fork."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._pid = 0

    def connection(self) -> Connection:
        """Give the connection; it is in autocommit. Raises psycopg.OperationalError when the database is away."""
        if self._connection is None or self._connection.closed or self._pid != os.getpid():
            self._connection, self._pid = self._connect(), os.getpid()
        return self._connection

    def drop(self) -> None:
        """Close it after a failure; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class PreparedStatement:
    """A statement with parameters by name; safe across threads, each with its own connection.

    `%(name)t` is one text; `%(name)a` an array of texts and `%(name)b` one of bytes, which travel in binary.
    """

    def __init__(self, name: str, sql: str) -> None:
        self._name = name.encode()
        self._names: list[str] = []
        self._oids: list[int] = []  # of an array's elements; 0: one text
        self._sql = _PARAMETER.sub(self._number, " ".join(sql.split())).encode()
        self._formats = [int(oid != 0) for oid in self._oids]
        self._ready: WeakSet[Connection] = WeakSet()

    def _number(self, match: re.Match[str]) -> str:
        name, kind = match.groups()
        if name not in self._names:
            self._names.append(name)
            self._oids.append({"t": 0, "a": _TEXT_OID, "b": _BYTEA_OID}[kind])
        return f"${self._names.index(name) + 1}"

    def fetch_one(self, connection: Connection, parameters: Mapping[str, Value]) -> Sequence[bytes] | None:
        """Run it with texts; return the first row as `fetch_all` does, None when there is none."""
        values = [None if (value := parameters[name]) is None else value.encode() for name in self._names]
        result = self._run(connection, values, None)
        if result.ntuples == 0:
            return None
        return [result.get_value(0, column) or b"" for column in range(result.nfields)]

    def fetch_all(self, connection: Connection, parameters: Mapping[str, Parameter]) -> list[list[bytes]]:
        """Run it; return the rows in the wire's binary form (no column may be NULL).

        Raises psycopg.OperationalError when the connection is lost, else the class psycopg has for the SQLSTATE, with
        the server's first sentence only: the rest repeats values. errors.InvalidSqlStatementName means: again (the
        driver deallocates every statement after a rollback, and poolers do).
        """
        values = [_encode(parameters[name], oid) for name, oid in zip(self._names, self._oids, strict=True)]
        return self.read(self._run(connection, values, self._formats))

    def prepare(self, connection: Connection) -> None:
        """Prepare it, where it is not yet; waits for the server."""
        if connection not in self._ready:
            _check(connection.pgconn.prepare(self._name, self._sql), pq.ExecStatus.COMMAND_OK)
            self._ready.add(connection)

    def send(self, connection: Connection, parameters: Mapping[str, Parameter]) -> None:
        """Send it, prepared, without waiting for the answer: `read` is for the result that comes."""
        values = [_encode(parameters[name], oid) for name, oid in zip(self._names, self._oids, strict=True)]
        connection.pgconn.send_query_prepared(self._name, values, self._formats, result_format=_BINARY)

    @staticmethod
    def read(result: pq.abc.PGresult) -> list[list[bytes]]:
        """Read the rows as `fetch_all` does, or raise as it does."""
        _check(result, pq.ExecStatus.TUPLES_OK)
        columns = range(result.nfields)
        return [[result.get_value(row, column) or b"" for column in columns] for row in range(result.ntuples)]

    def _run(
        self, connection: Connection, values: Sequence[bytes | None], formats: Sequence[int] | None
    ) -> pq.abc.PGresult:
        self.prepare(connection)
        result = connection.pgconn.exec_prepared(self._name, values, formats, _BINARY)  # type: ignore[arg-type]  # None: NULL
        try:
            _check(result, pq.ExecStatus.TUPLES_OK)
        except errors.InvalidSqlStatementName:
            self._ready.discard(connection)
            raise
        return result


def _encode(value: Parameter, oid: int) -> bytes | None:
    """Write a parameter as it travels: a text as it is, an array in the binary form of array_recv."""
    if value is None or isinstance(value, str):
        return None if value is None else value.encode()
    head, first = _ARRAY_HEAD.pack(1, 1, oid, len(value), 1), value[0] if value else None
    if value.count(first) == len(value):  # most columns of a batch: the shop, what is absent, what is the default
        return head + _element(first) * len(value)
    return head + b"".join([_element(element) for element in value])


def _element(value: str | bytes | None) -> bytes:
    if value is None:
        return _NULL_ELEMENT
    raw = value.encode() if isinstance(value, str) else value
    return _LENGTH(len(raw)) + raw


def _check(result: pq.abc.PGresult, expected: pq.ExecStatus) -> None:
    if result.status == expected:
        return
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    if state is None:
        raise psycopg.OperationalError("the connection to the database was lost")
    sentence = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    raise _kind(state.decode())(sentence.decode(errors="replace"))


def _kind(state: str) -> type[psycopg.Error]:
    try:
        return errors.lookup(state)
    except KeyError:  # of an extension, a pooler or a newer server
        return psycopg.DatabaseError
