"""The inbox: stored once, applied once, and one bad body holds nobody up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from restock.database import Database
from restock.errors import UnavailableError
from restock.inbox import repository
from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage, Received
from restock.shops.service import ShopService
from restock.shops.values import Shop, ShopState
from tests.inbox.conftest import NOON, SAMPLES, Send, sample
from tests.opened import nowhere

LEVEL = {"inventory_item_id": 5, "location_id": 6, "available": 7, "updated_at": "2026-11-02T12:00:00Z"}


def _rows(database: Database) -> list[tuple[object, ...]]:
    with database.transaction() as session:
        found = session.execute(text("SELECT topic, state, reason, attempts FROM inbox_messages ORDER BY id"))
        return [tuple(row) for row in found]


def _count(database: Database, table: str) -> int:
    with database.transaction() as session:
        return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def _let_time_pass(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE inbox_messages SET next_at = now() - interval '1 second'"))


def test_a_webhook_is_stored_once_however_often_it_is_sent(send: Send, database: Database) -> None:
    assert send("inventory_levels/update", LEVEL, webhook_id="one") is Received.new
    for _ in range(5):
        assert send("inventory_levels/update", LEVEL, webhook_id="one") is Received.duplicate
    assert send("inventory_levels/update", LEVEL, webhook_id="one", shop_domain="b.myshopify.com") is Received.new
    assert _count(database, "inbox_messages") == 2


def test_six_copies_at_the_same_time_are_stored_once(inbox: InboxService, database: Database) -> None:
    message = InboxMessage("demo.myshopify.com", "one", "products/update", b"{}")

    with ThreadPoolExecutor(6) as pool:
        came_to = list(pool.map(inbox.receive, [message] * 6))
    assert sorted(came_to) == ["duplicate"] * 5 + ["new"]
    assert _count(database, "inbox_messages") == 1


def test_what_is_stored_is_what_was_sent(inbox: InboxService, database: Database) -> None:
    body = bytes(range(256)) * 9
    inbox.receive(InboxMessage("demo.myshopify.com", "one", "products/update", body, NOON, "event", "2026-10"))
    with database.transaction() as session:
        row = session.execute(text("SELECT body, triggered_at, event_id, api_version FROM inbox_messages")).one()
    assert (bytes(row[0]), *row[1:]) == (body, NOON, "event", "2026-10")


def test_a_connection_the_server_closed_is_replaced(inbox: InboxService, database: Database) -> None:
    message = InboxMessage("demo.myshopify.com", "one", "products/update", b"{}")
    pid = database.hot().info.backend_pid
    with psycopg.connect(database.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert inbox.receive(message) is Received.new


def test_a_statement_the_server_forgot_is_prepared_again(send: Send, database: Database) -> None:
    assert send("products/update", {}) is Received.new
    database.hot().execute("DEALLOCATE ALL")
    assert send("products/update", {}) is Received.new


def test_without_a_database_the_sender_is_asked_to_come_back() -> None:
    with pytest.raises(UnavailableError) as away:
        InboxService(nowhere(), 0).receive(InboxMessage("demo.myshopify.com", "one", "products/update", b"{}"))
    assert away.value.retry_after_seconds


def test_every_sample_of_shopifys_is_applied_or_kept(
    send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    handled = {"products", "variants", "inventory_levels", "inventory_items"}
    for file in sorted(SAMPLES.glob("*.json")):
        if file.stem != "app.uninstalled":
            send(file.stem.replace(".", "/"), file.read_bytes())
    while inbox.apply_due():
        pass
    for topic, state, reason, _ in _rows(database):
        own = topic in {"app/scopes_update", "shop/update"}
        expected = ("applied", None) if own or str(topic).split("/")[0] in handled else ("kept", "no_handler")
        assert (state, reason) == expected, topic


def test_a_message_is_applied_once(send: Send, inbox: InboxService, shop: Shop, database: Database) -> None:
    send("inventory_levels/update", LEVEL)
    assert inbox.apply_due() == 1
    assert inbox.apply_due() == 0
    assert _rows(database) == [("inventory_levels/update", "applied", None, 1)]


def test_two_appliers_at_once_apply_each_message_once(
    inbox: InboxService, send: Send, shops: ShopService, database: Database
) -> None:
    for name in ("demo", "other"):
        shops.add(name)
        for number in range(1, 61):
            body = LEVEL | {"inventory_item_id": number % 7 + 1, "available": number}
            send("inventory_levels/update", body, NOON + timedelta(seconds=number), shop_domain=f"{name}.myshopify.com")

    def work(_: int) -> int:
        total = rounds = 0
        while rounds < 200 and any(row[1] == "received" for row in _rows(database)):
            total, rounds = total + inbox.apply_due(9), rounds + 1
        return total

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(work, range(3))) == 120
    assert {row[1:] for row in _rows(database)} == {("applied", None, 1)}
    assert _count(database, "inventory_levels") == 14


def test_a_rolled_back_batch_is_taken_again(send: Send, inbox: InboxService, shop: Shop, database: Database) -> None:
    send("inventory_levels/update", LEVEL)
    with database.transaction() as session:
        assert len(repository.claim_due(session, 10)) == 1
        session.rollback()
    assert inbox.apply_due() == 1
    assert _count(database, "inventory_levels") == 1


def test_a_bad_body_fails_alone_and_is_given_up_after_five_tries(
    send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    send("products/update", b"{")
    send("inventory_levels/update", LEVEL)
    inbox.apply_due()
    assert [row[1:] for row in _rows(database)] == [("received", "not_json", 1), ("applied", None, 1)]
    assert inbox.apply_due() == 0, "it waits before the next try"
    for _ in range(4):
        _let_time_pass(database)
        assert inbox.apply_due() == 1
    assert _rows(database)[0][1:] == ("failed", "not_json", 5)
    _let_time_pass(database)
    assert inbox.apply_due() == 0


BAD_BODIES = [
    ("products/update", b"", "not_json"),
    ("products/update", b"\xff\xfe", "not_json"),
    ("products/update", b"[" * 100_000, "not_json"),
    ("products/update", b"[]", "not_an_object"),
    ("products/update", b"{}", "bad_id"),
    ("products/update", b'{"id": 1, "variants": {}}', "bad_variants"),
    ("products/update", b'{"id": 1, "variants": [null]}', "bad_variants"),
    ("products/update", b'{"id": true}', "bad_id"),
    ("products/update", b'{"id": 1.5}', "bad_id"),
    ("products/update", b'{"id": 9223372036854775808}', "bad_id"),
    ("products/delete", b'{"id": 0}', "bad_id"),
    ("variants/in_stock", b'{"id": 1}', "bad_product_id"),
    ("variants/in_stock", b'{"id": 1, "product_id": 2, "inventory_quantity": "many"}', "bad_inventory_quantity"),
    ("inventory_levels/update", b'{"inventory_item_id": 1}', "bad_location_id"),
    ("inventory_levels/update", b'{"inventory_item_id": 1, "location_id": 2, "available": 1e3}', "bad_available"),
    ("inventory_items/update", b'{"id": 1, "tracked": "yes"}', "bad_tracked"),
]


@pytest.mark.parametrize("bad", BAD_BODIES)
def test_what_cannot_be_understood_is_named(
    bad: tuple[str, bytes, str], send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    topic, body, reason = bad
    send(topic, body)
    inbox.apply_due()
    assert _rows(database) == [(topic, "received", reason, 1)]


def test_a_topic_without_a_handler_and_a_stranger_are_kept_without_effect(
    send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    send("orders/create", sample("orders/create"))
    send("", b"")
    send("inventory_levels/update", LEVEL, shop_domain="stranger.myshopify.com")
    send("inventory_levels/update", LEVEL, shop_domain="")
    assert inbox.apply_due() == 4
    assert [row[1:3] for row in _rows(database)] == [("kept", "no_handler")] * 2 + [("kept", "no_shop")] * 2
    assert _count(database, "inventory_levels") == 0


def test_removing_the_app_ends_the_shop_and_later_news_has_no_effect(
    send: Send, inbox: InboxService, shops: ShopService, shop: Shop, database: Database
) -> None:
    assert shops.find(shop.domain) is not None, "remembered as installed"
    send("app/uninstalled", sample("app/uninstalled"), datetime.now(UTC) + timedelta(seconds=5))
    send("inventory_levels/update", LEVEL)
    inbox.apply_due()
    gone = shops.find(shop.domain)
    assert gone is not None
    assert gone.state is ShopState.uninstalled
    assert [row[1] for row in _rows(database)] == ["applied", "kept"]
    assert _count(database, "inventory_levels") == 0


def test_late_news_of_a_removal_does_not_end_a_new_installation(
    send: Send, inbox: InboxService, shops: ShopService, shop: Shop
) -> None:
    send("app/uninstalled", sample("app/uninstalled"), datetime.now(UTC) - timedelta(hours=1))
    inbox.apply_due()
    assert shops.by_id(shop.id) == shop


def test_effects_ask_for_one_check_of_each_variant(
    send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    for second in range(5):
        send("products/update", sample("products/update"), NOON + timedelta(seconds=second))
    inbox.apply_due()
    with database.transaction() as session:
        rows = session.execute(text("SELECT variant_id, due_at <= now() FROM stock_checks ORDER BY variant_id")).all()
    assert rows == [(642667041472713922, True), (757650484644203962, True)]


def test_only_settled_messages_grow_old(send: Send, inbox: InboxService, shop: Shop, database: Database) -> None:
    send("inventory_levels/update", LEVEL)
    send("orders/create", {})
    inbox.apply_due()
    send("products/update", b"{}")
    with database.transaction() as session:
        session.execute(text("UPDATE inbox_messages SET received_at = now() - interval '31 days'"))
    send("inventory_levels/update", LEVEL)
    inbox.apply_due()
    assert inbox.purge(limit=1) == 1
    assert inbox.purge() == 1
    assert inbox.purge() == 0
    assert _count(database, "inbox_messages") == 2


def test_a_database_that_refuses_one_message_does_not_hold_up_the_others(
    send: Send, inbox: InboxService, shop: Shop, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(text("ALTER TABLE products ADD CONSTRAINT refuse CHECK (product_id <> 13)"))
    try:
        send("products/update", {"id": 13, "title": "Shirt"})
        send("products/update", {"id": 14, "title": "Shirt"})
        inbox.apply_due()
        assert [row[1:3] for row in _rows(database)] == [("received", "internal_error"), ("applied", None)]
    finally:
        with database.transaction() as session:
            session.execute(text("ALTER TABLE products DROP CONSTRAINT refuse"))
