"""The test databases themselves."""

from __future__ import annotations

import psycopg
import redis

from restock.config import Settings


def test_a_clean_database_is_migrated_and_empty(clean_database: str) -> None:
    with psycopg.connect(clean_database.replace("+psycopg", "", 1)) as connection:
        tables = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert "alembic_version" in tables
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM shops").fetchone() == (0,)


def test_a_clean_valkey_is_empty_twice(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_what_one_test_leaves_in_valkey_the_next_does_not_find(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_settings_for_tests_point_at_the_workers_own_servers(settings: Settings) -> None:
    assert not settings.is_production
    assert settings.database_url
    assert settings.redis_url
