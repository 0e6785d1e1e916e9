"""The whole life of a store: installed, asked, restocked by webhook and without one, bought, left, forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restock.config import Settings
from restock.playground.shopify.deeds import Cart
from restock.shops.values import ShopAccess
from tests.flows.life import DOMAIN, VARIANT, Life
from tests.flows.peers import SmtpSink, closing_all
from tests.privacy.search import count_rows, search_database, search_valkey

ADA, BEA, CLEO = "ada@zqfirst.example.com", "bea@zqsecond.example.com", "cleo@zqthird.example.com"
INTERVAL_SECONDS = 0.6


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SmtpSink]:
    found = SmtpSink(tmp_path / "mails")
    with closing_all(found):
        yield found


@pytest.fixture
def life(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int, sink: SmtpSink
) -> Iterator[Life]:
    found = Life.begin(
        make_settings,
        free_port,
        database_url=clean_database,
        redis_url=redis_url,
        smtp_url=f"smtp://127.0.0.1:{sink.port}",
        email_from="North & Pine <alerts@north-pine.example>",
        reconcile_minutes=INTERVAL_SECONDS / 60,
    )
    yield found
    found.close()


def test_the_whole_life_of_a_store(life: Life, sink: SmtpSink, clean_database: str, redis_url: str) -> None:
    """Install, intents, a restock by webhook, a purchase, a restock by the reconciler only, uninstall, redact."""
    dsn = clean_database.replace("+psycopg", "")
    # Before the app is there, news of the shop does no harm.
    life.stock(0)
    life.settle()
    assert life.services.shops.find(DOMAIN) is None

    # The merchant opens the app: installed by token exchange, introduced by the Admin API, the page is there.
    status, page = life.open_the_app()
    assert status == 200
    assert "restock-life-key" in page, "App Bridge knows whose page it is"
    life.services.shops.memory.forget(DOMAIN)
    shop = life.services.shops.find(DOMAIN)
    assert shop is not None
    assert (shop.is_installed, shop.access, shop.currency) == (True, ShopAccess.granted, "EUR")
    assert life.shopify.world.shops[DOMAIN].tokens

    # Shoppers ask, from a headless page and through the theme; Shopify says it is sold out, and nobody is told.
    life.ask(ADA)
    life.ask(BEA, through_the_theme=True)
    life.ask(CLEO)
    life.settle()
    assert sink.mails() == []
    assert life.value("SELECT source FROM stock_readings") == "admin"

    # The merchant chooses factor 2; one unit comes back, and two people have their turn, in the order they asked.
    life.services.shops.change_settings(DOMAIN, {"policy.factor": "2"})
    life.stock(1)
    life.settle()
    assert life.recipients(sink.mails()) == [ADA, BEA]
    assert "Lookout Beanie" in sink.mails()[0]["Subject"]

    # The shop grants read_orders; the topics are subscribed to; Ada's order is hers, with its money.
    domain_scopes = life.shopify.world.shops[DOMAIN].scopes
    life.taken(life.shopify.deeds.change_scopes(DOMAIN, domain_scopes | {"read_orders"}))
    life.settle()
    assert life.topics() >= {"ORDERS_CREATE", "ORDERS_PAID"}
    _, sent = life.shopify.deeds.buy(DOMAIN, Cart(VARIANT, email=ADA.upper()))
    life.taken(sent)
    life.settle()
    assert life.value("SELECT sum(revenue_cents) || currency FROM purchases GROUP BY currency") == "3400EUR"
    assert life.value("SELECT count(*) FROM subscriptions WHERE state = 'purchased'") == 1
    assert life.value("SELECT count(*) FROM restock_events WHERE closed_at IS NULL") == 0, "sold out again"

    # Every webhook is lost from now on: the reconciler alone finds the next unit. It was sold out in
    # Bea's turn, so she kept her place and is told again, then Cleo.
    life.shopify.sender.faults.is_lost = True
    assert life.stock(1) == []
    assert life.services.inbox.has_due() is False
    time.sleep(INTERVAL_SECONDS)
    life.settle()
    assert life.recipients(sink.mails()) == [ADA, BEA, BEA, CLEO]
    life.shopify.sender.faults.is_lost = False

    # Bea wants to be forgotten.
    life.taken(life.shopify.deeds.comply(DOMAIN, "customers/redact", BEA, None))
    life.settle()
    marks = {"bea": b"zqsecond", "ada": b"zqfirst"}
    left = {find.mark for find in search_database(dsn, marks)}
    assert left == {"ada"}, "Bea is nowhere, and the search can find"

    # The merchant removes the app: tokens are gone, nothing is asked or sent any more.
    life.taken(life.shopify.deeds.uninstall(DOMAIN))
    life.settle()
    asked = len(life.shopify.requests)
    life.services.shops.memory.forget(DOMAIN)
    shop = life.services.shops.find(DOMAIN)
    assert shop is not None
    assert (shop.is_installed, shop.access) == (False, ShopAccess.none)
    life.settle()
    assert len(life.shopify.requests) == asked
    assert len(sink.mails()) == 4

    # 48 hours later Shopify asks to forget the shop: not a row of it stays but the note that it was done.
    life.taken(life.shopify.deeds.comply(DOMAIN, "shop/redact", None, None))
    life.settle()
    rows = {table: count for table, count in count_rows(dsn, shop.id, DOMAIN).items() if count}
    assert set(rows) == {"privacy_requests"}
    assert {find.mark for find in search_database(dsn, marks)} == set()
    assert search_valkey(redis_url, marks) == set()
