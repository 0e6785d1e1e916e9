"""Whoever opens a connection closes it: a thread's with the thread, everything with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from restock.bootstrap import build_services
from restock.channels.values import ChannelName
from restock.config import Settings
from restock.database import Database
from restock.shopify.signatures import sign_webhook
from restock.web.app import create_app
from tests.opened import kept, opened

OURS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'restock'"


def sessions(dsn: str) -> int:
    """Count our sessions as PostgreSQL sees them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(OURS).fetchone()
    assert row is not None
    return int(row[0])


def comes_to(count: int, dsn: str) -> bool:
    """Wait until there are so many: PostgreSQL takes a moment to notice that one was closed."""
    until = time.monotonic() + 60
    while (found := sessions(dsn)) != count and time.monotonic() < until:
        time.sleep(0.02)
    return found == count


@pytest.fixture
def database(clean_database: str) -> Iterator[Database]:
    """A database with no session of an earlier test."""
    kept(clean_database).end()
    database = opened(clean_database)
    yield database
    database.dispose()


def test_a_threads_own_connection_is_closed_when_the_thread_ends(database: Database) -> None:
    thread = threading.Thread(target=database.hot)
    before = sessions(database.dsn)
    thread.start()
    thread.join()
    assert comes_to(before, database.dsn)


def test_the_connections_of_every_thread_are_closed_at_the_end_and_opened_again_when_needed(
    database: Database,
) -> None:
    is_open, end = threading.Event(), threading.Event()

    def work() -> None:
        database.hot()
        is_open.set()
        end.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    is_open.wait(60)
    first = database.hot()
    database.connect_for_batches()
    database.dispose()
    assert comes_to(0, database.dsn)
    assert first.closed
    assert not database.hot().closed
    end.set()
    thread.join()


def test_an_instance_that_has_worked_leaves_no_connection(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> None:
    """Its doors, its threads and its waker each have one."""
    kept(clean_database).end()
    app = create_app(make_settings(database_url=clean_database, redis_url=redis_url, smtp_url="smtp://127.0.0.1:1"))
    services = app.extensions["restock"]
    services.shops.add("demo")
    shop = {"X-Shopify-Shop-Domain": "demo.myshopify.com"}
    wanted = {"shopify_variant_id": 1, "shopify_product_id": 1, "channel": "email"}
    body = {"intent": wanted, "customer": {"email": "ada@example.com"}}
    signed = {"X-Shopify-Hmac-Sha256": sign_webhook("hush", b"{}"), "X-Shopify-Webhook-Id": "1"}
    signed["X-Shopify-Topic"] = "products/update"
    assert app.test_client().post("/api/v1/intents.json", json=body, headers=shop).status_code == 201
    assert app.test_client().post("/webhooks/shopify", data=b"{}", headers=shop | signed).status_code == 200
    services.upkeep.start()
    services.restocks.threads.start(1, services.shops.list)
    services.deliveries.drain(ChannelName.email, seconds=1)
    assert sessions(services.database.dsn) > 1  # and the threads and the waker, once they have begun
    services.close(seconds=10)
    assert comes_to(0, services.database.dsn)


def test_services_that_never_worked_close_too(settings: Settings) -> None:
    build_services(settings).close()
