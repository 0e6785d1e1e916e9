"""Catches the very statement that a service sends, with its values, instead of sending it.

So pgbench runs what the route runs, whatever becomes of it, and nothing is written down twice.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

from psycopg import pq

Value = str | None
_NAMED = re.compile(r"%\((\w+)\)[sbt]|%[sbt]|%%")


@dataclass(frozen=True)
class Statement:
    """One statement as the server gets it, with $1, $2 …, and the text of each value (None: NULL)."""

    sql: str
    values: tuple[Value, ...]


class _CaughtError(Exception):
    """Ends the use case under observation."""


class _Recorder:
    """Stands where a psycopg connection stands, however the caller goes about it."""

    closed = False

    def __init__(self) -> None:
        self.caught: Statement | None = None
        self._prepared: dict[bytes, str] = {}
        self.pgconn = SimpleNamespace(prepare=self._prepare, exec_prepared=self._exec_prepared)

    def execute(self, query: str, parameters: Any = (), **_: object) -> NoReturn:
        """Take psycopg's form."""
        sql, values = _numbered(query, parameters)
        self._catch(sql, values)

    def _prepare(self, name: bytes, sql: bytes, *_: object) -> SimpleNamespace:
        self._prepared[name] = sql.decode()
        return SimpleNamespace(status=pq.ExecStatus.COMMAND_OK)

    def _exec_prepared(self, name: bytes, values: Sequence[bytes | None], *_: object) -> NoReturn:
        self._catch(self._prepared[name], values)

    def _catch(self, sql: str, values: Sequence[Any]) -> NoReturn:
        self.caught = Statement(sql, tuple(_text(value) for value in values))
        raise _CaughtError


class RecordingDatabase:
    """Stands where the `Database` of a service stands."""

    def __init__(self) -> None:
        self._recorder = _Recorder()

    def hot(self) -> _Recorder:
        return self._recorder

    def connect_for_batches(self) -> _Recorder:
        return self._recorder

    def catch(self, use_case: Callable[[], object]) -> Statement:
        """Run the use case up to its first statement and return that."""
        with contextlib.suppress(_CaughtError):
            use_case()
        assert self._recorder.caught is not None, "no statement was sent"
        return self._recorder.caught


def _numbered(query: str, parameters: Any) -> tuple[str, list[Any]]:
    """Number psycopg's placeholders, of a mapping or a sequence; a name keeps its number."""
    numbers: dict[str, int] = {}
    values: list[Any] = []

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1]
        if name is None:
            values.append(parameters[len(values)])
            return f"${len(values)}"
        if name not in numbers:
            values.append(parameters[name])
            numbers[name] = len(values)
        return f"${numbers[name]}"

    return _NAMED.sub(number, query), values


def _text(value: object) -> Value:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode("latin-1") if value.isascii() else "\\x" + value.hex()
    return str(value)
