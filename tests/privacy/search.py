"""A search for marks through everything an instance stores, in every form a mark can be written in."""

from __future__ import annotations

import base64
import json
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import redis
from psycopg import sql


@dataclass(frozen=True)
class Find:
    """Where a mark was found."""

    place: str
    mark: str


def search_database(dsn: str, marks: Mapping[str, bytes]) -> set[Find]:
    """Search every value of every column of every table."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        found = set()
        for table, column in columns:
            query = sql.SQL("SELECT {0}, CAST({0} AS text) FROM {1} WHERE {0} IS NOT NULL")
            for value, text in connection.execute(query.format(sql.Identifier(column), sql.Identifier(table))):
                raw = bytes(value) if isinstance(value, bytes | memoryview) else b""
                found |= {Find(f"{table}.{column}", mark) for mark in _marks_in(raw + b"\n" + text.encode(), marks)}
    return found


def count_rows(dsn: str, shop_id: int, domain: str) -> dict[str, int]:
    """Count the rows of a shop in every table that knows shops."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        columns = connection.execute(
            """SELECT table_name, column_name FROM information_schema.columns
               WHERE table_schema = 'public' AND column_name IN ('shop_id', 'shop_domain')"""
        ).fetchall()
        counts = {}
        for table, column in columns:
            query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
                sql.Identifier(table), sql.Identifier(column)
            )
            (counts[table],) = connection.execute(query, [shop_id if column == "shop_id" else domain]).fetchone()
    return counts


def search_valkey(url: str, marks: Mapping[str, bytes]) -> set[Find]:
    """Search every key and value; what RQ has packed is unpacked."""
    with redis.Redis.from_url(url) as client:
        return {
            Find(key.decode(errors="replace"), mark)
            for key in client.scan_iter(count=1000)
            for mark in _marks_in(b"\n".join([key, *_contents(client, key)]), marks)
        }


def search_text(place: str, content: bytes, marks: Mapping[str, bytes]) -> set[Find]:
    """Search one text."""
    return {Find(place, mark) for mark in _marks_in(content, marks)}


def _contents(client: Any, key: bytes) -> Iterator[bytes]:
    readers = {
        b"string": lambda: [client.get(key)],
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: [repr(client.xrange(key)).encode()],
    }
    for value in readers[client.type(key)]() if client.exists(key) else ():
        yield value
        try:
            yield zlib.decompress(value)
        except zlib.error:
            continue


def _marks_in(content: bytes, marks: Mapping[str, bytes]) -> set[str]:
    flat = content.lower()
    return {name for name, mark in marks.items() if any(form in flat for form in forms(mark))}


def forms(mark: bytes) -> set[bytes]:
    """Write a mark in every form it can be stored in, in lower case: a search that ignores case finds too much."""
    found = {mark, mark.hex().encode()}
    for shift in range(3):  # a mark may begin at any byte of a longer text in base64
        coded = base64.b64encode(b"\0" * shift + mark)
        core = coded[(0, 2, 3)[shift] : (shift + len(mark)) * 8 // 6]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    try:
        text = mark.decode()
    except UnicodeDecodeError:
        return {form.lower() for form in found if len(form) >= 6}
    found |= {
        json.dumps(text)[1:-1].encode(),
        urllib.parse.quote(text, safe="").encode(),
        urllib.parse.quote(text).encode(),
        text.encode("utf-16-le"),
        text.replace("-", "").encode(),
    }
    return {form.lower() for form in found if len(form) >= 6}
