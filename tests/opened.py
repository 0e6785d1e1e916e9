"""One `Database` for each address and process: what SQLAlchemy learns of a database and compiles is learnt once."""

from __future__ import annotations

from functools import cache

from flask import Flask

from restock.database import Database, init_database


@cache
def opened(url: str) -> Database:
    """Give the database at a URL. Whoever uses it disposes of it at the end; the next use connects again."""
    app = Flask("restock")
    init_database(app, url)
    return Database(app, url)


class Kept(Database):
    """A database whose sessions outlive a test: to begin one takes longer than most tests use it."""

    def dispose(self) -> None:
        """Keep the sessions for the next test."""

    def end(self) -> None:
        super().dispose()


@cache
def kept(url: str) -> Kept:
    """Give the database at a URL to tests that do not ask how many sessions there are; the run ends it."""
    app = Flask("restock")
    init_database(app, url)
    return Kept(app, url)


def nowhere() -> Database:
    """Give a database that does not answer."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    app = Flask("restock")
    init_database(app, url)
    return Database(app, url)
