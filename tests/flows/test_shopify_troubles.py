"""Whatever Shopify answers when it is asked about new stock: who waits is told in the end, and once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restock.config import Settings
from tests.flows.life import Life
from tests.flows.peers import SmtpSink, closing_all

ADA = "ada@example.com"
PATIENCE_SECONDS = 15


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SmtpSink]:
    found = SmtpSink(tmp_path / "mails")
    with closing_all(found):
        yield found


@pytest.fixture
def life(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int, sink: SmtpSink
) -> Iterator[Life]:
    smtp_url = f"smtp://127.0.0.1:{sink.port}"
    servers = {"database_url": clean_database, "redis_url": redis_url, "smtp_url": smtp_url}
    found = Life.begin(make_settings, free_port, reconcile_minutes=0.01, **servers)
    yield found
    found.close()


@pytest.mark.parametrize("is_lost", [False, True], ids=["webhook", "reconciler only"])
@pytest.mark.parametrize(
    "trouble", ["too_many", "throttled", "outage", "not_json", "truncated", "wrong_shape", "reset"]
)
def test_nobody_is_forgotten(life: Life, sink: SmtpSink, trouble: str, is_lost: bool) -> None:
    """A 429, a lack of points, a 502 page, a page that is none, half an answer, another schema, a broken connection."""
    life.stock(0)
    assert life.open_the_app()[0] == 200
    life.ask(ADA)
    life.settle()
    assert life.value("SELECT source || sellable FROM stock_readings") == "adminfalse"

    life.shopify.hurdles.add(trouble, times=1000, where="graphql")
    life.shopify.sender.faults.is_lost = is_lost
    life.stock(2)
    life.settle()
    if is_lost:
        assert sink.mails() == []
    else:
        assert life.value("SELECT count(*) FROM inbox_messages WHERE state <> 'applied'") == 0
        assert life.value("SELECT count(*) FROM stock_checks") == 1, "it is asked about again"

    life.shopify.hurdles.clear()
    until = time.monotonic() + PATIENCE_SECONDS
    while life.value("SELECT source || sellable FROM stock_readings") != "admintrue" and time.monotonic() < until:
        for table, column in (("stock_checks", "due_at"), ("reconcile_state", "next_at")):
            life.change(f"UPDATE {table} SET {column} = least({column}, now())")
        life.settle()
    life.settle()
    assert life.value("SELECT source || sellable FROM stock_readings") == "admintrue"
    assert life.recipients(sink.mails()) == [ADA], "once"
    assert life.value("SELECT state FROM subscriptions") == "notified"
