"""Migrations take as long as they need; the one that moved tokens into a table of their own loses none."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from psycopg import sql
from sqlalchemy import text

from restock.database import LOCK_TIMEOUT_MS, MIGRATIONS, Database, init_database, offer_migrations, server_fault
from restock.links import Vault
from restock.shops.rules.sealing import access_context

VAULT = Vault(["a-key-for-tests-only-000001"])


@pytest.fixture
def app(cluster_url: str, database_url: str) -> Iterator[Flask]:
    """An application on an empty database of its own, without a table."""
    parts = urlsplit(database_url)
    name = f"{parts.path[1:]}_moved"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    app = Flask("restock")
    init_database(app, urlunsplit(parts._replace(path=f"/{name}")))
    offer_migrations(app)
    yield app
    Database(app, "postgresql://").dispose()
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_token_survives_the_way_there_and_back(app: Flask) -> None:
    database = Database(app, "postgresql://")
    with app.app_context():
        upgrade(directory=str(MIGRATIONS), revision="0006")
    with database.transaction() as session:
        for domain, locale in (("demo.myshopify.com", "en"), ("autre.myshopify.com", "fr")):
            session.execute(text("INSERT INTO shops (domain, locale) VALUES (:d, :l)"), {"d": domain, "l": locale})
        shop_id = session.execute(text("SELECT id FROM shops WHERE locale = 'en'")).scalar()
        sealed = VAULT.seal("shpat_kept", access_context(int(shop_id or 0)))
        session.execute(
            text("UPDATE shops SET access_token_sealed = :sealed WHERE id = :id"), {"sealed": sealed, "id": shop_id}
        )
    with app.app_context():
        upgrade(directory=str(MIGRATIONS), revision="0007")
    with database.transaction() as session:
        moved = session.execute(text("SELECT shop_id, access_sealed, access_expires_at FROM shop_tokens")).one()
        assert VAULT.open(moved.access_sealed, access_context(moved.shop_id)) == "shpat_kept"
        assert (moved.shop_id, moved.access_expires_at) == (shop_id, None)
        shops = session.execute(text("SELECT domain, access, locale FROM shops ORDER BY id")).all()
        assert [tuple(row) for row in shops] == [
            ("demo.myshopify.com", "granted", None),
            ("autre.myshopify.com", "none", "fr"),
        ]
    with app.app_context():
        downgrade(directory=str(MIGRATIONS), revision="0006")
    with database.transaction() as session:
        kept = session.execute(text("SELECT access_token_sealed FROM shops WHERE id = :id"), {"id": shop_id}).scalar()
        assert VAULT.open(bytes(kept or b""), access_context(int(shop_id or 0))) == "shpat_kept"


def test_a_migration_takes_as_long_as_it_needs_but_waits_for_no_table_in_use(app: Flask) -> None:
    """An index on millions of messages is not ended after the half minute a statement has otherwise."""
    database = Database(app, "postgresql://")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE limits (statement text, lock text)"))
        session.execute(
            text("""
            CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO public.limits
                VALUES (current_setting('statement_timeout'), current_setting('lock_timeout'));
            END $$
            """)
        )
        session.execute(text("CREATE EVENT TRIGGER looks ON ddl_command_start EXECUTE FUNCTION look()"))
    database.upgrade()
    with database.transaction() as session:
        seen = session.execute(text("SELECT DISTINCT statement, lock FROM limits")).all()
        assert [tuple(row) for row in seen] == [("0", f"{LOCK_TIMEOUT_MS // 1000}s")]
        session.execute(text("DROP EVENT TRIGGER looks"))
    assert database.at_head()
    with app.app_context():
        downgrade(directory=str(MIGRATIONS), revision="0021")
        upgrade(directory=str(MIGRATIONS))


def test_a_postgresql_that_is_too_old_is_named_before_anything_is_changed(app: Flask) -> None:
    assert server_fault(140_012) == "PostgreSQL 14 is too old: have DATABASE_URL name one of version 15 or newer"
    assert server_fault(150_000) is None
    assert server_fault(Database(app, "postgresql://").server_version()) is None
