"""Webhooks that arrive together are stored as if one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from restock.database import Database
from restock.inbox.repository import insert_messages
from restock.inbox.service import LARGEST_SHARED_BYTES, InboxService
from restock.inbox.values import InboxMessage, Received

SHOP = "demo.myshopify.com"


def message(webhook_id: str, body: bytes = b'{"id": 1}', shop: str = SHOP) -> InboxMessage:
    return InboxMessage(shop, webhook_id, "products/update", body, datetime(2026, 10, 5, tzinfo=UTC), None, "2026-10")


def test_each_is_told_whether_it_is_new_and_the_bytes_are_kept(database: Database) -> None:
    connection = database.connect_for_batches()
    odd = b'\x00\xff{"\\'
    assert insert_messages(connection, [message("b", odd), message("a")]) == [True, True]
    assert insert_messages(connection, [message("c"), message("a"), message("a", shop="other")]) == [True, False, True]
    stored = connection.execute("SELECT webhook_id, body, topic, event_id FROM inbox_messages ORDER BY next_at, id")
    assert stored.fetchall()[:2] == [("b", odd, "products/update", None), ("a", b'{"id": 1}', "products/update", None)]


def test_the_order_of_arrival_is_the_order_of_the_work(database: Database) -> None:
    connection = database.connect_for_batches()
    insert_messages(connection, [message(name) for name in ("z", "y", "x")])
    found = connection.execute("SELECT webhook_id FROM inbox_messages ORDER BY next_at, id").fetchall()
    assert [name for (name,) in found] == ["z", "y", "x"]


def test_many_at_once_are_all_stored_once(database: Database) -> None:
    inbox = InboxService(database, 0)
    large = b"x" * (LARGEST_SHARED_BYTES + 1)

    def receive(number: int) -> Received:
        return inbox.receive(message(str(number % 40), large if number % 40 == 7 else b"{}"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(receive, range(120)))
    assert found.count(Received.new) == 40
    count = "SELECT count(*), max(length(body)) FROM inbox_messages"
    assert database.hot().execute(count).fetchall() == [(40, len(large))]
