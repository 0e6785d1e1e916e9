"""The timeline of a subscription, as far as no other row tells it."""

from __future__ import annotations

import restock.subscriptions.repository as subscriptions
from restock.subscriptions.values import HistoryEntry, HistoryKind
from tests.restocks.store import Store


def test_what_happened_is_written_down_with_everything_that_was_said(store: Store) -> None:
    shop, [person] = store.shop.id, store.join()
    passed = HistoryEntry(person, HistoryKind.passed_over, "not_enough_free", event_id=3, units=2, free_units=1)
    left = HistoryEntry(person, HistoryKind.cancelled, "unsubscribed", said_by="shopper")
    with store.database.transaction() as session:
        subscriptions.add_history(session, shop, [passed, left])
        subscriptions.add_history(session, shop, [])
    columns = "shop_id, subscription_id, kind, reason, event_id, offer_id, units, free_units, said_by"
    assert store.sql(f"SELECT {columns} FROM subscription_events ORDER BY id") == [
        (shop, person, "passed_over", "not_enough_free", 3, None, 2, 1, None),
        (shop, person, "cancelled", "unsubscribed", None, None, None, None, "shopper"),
    ]
