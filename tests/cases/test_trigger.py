"""Cases of what counts as a restock (docs/cases.md) that no other test shows as they stand."""

from __future__ import annotations

from sqlalchemy import text

import restock.catalog.repository as catalog
from tests.channels.benches import SmtpPeer
from tests.flows.story import ITEM, LOCATION, Story
from tests.restocks.store import VARIANT, Store


def events(store: Store) -> object:
    return store.one("SELECT count(*) FROM restock_events")


def test_case_18_from_none_to_ten_is_one_restock_however_often_it_is_told(store: Store) -> None:
    store.join(3)
    store.restock(0)
    for _ in range(3):
        store.restock(10)
        store.send()
    assert events(store) == 1
    assert len(store.channel.sent) == 3


def test_case_20_more_of_what_is_there_is_no_news_to_who_was_told(store: Store) -> None:
    store.join(2)
    store.restock(5)
    store.send()
    store.restock(10)
    store.send()
    assert events(store) == 1
    assert len(store.channel.sent) == 2


def test_case_22_a_draft_is_not_told_of_and_the_look_at_it_is_kept(store: Store) -> None:
    people = store.join(1)
    store.stock(0)
    store.sql("UPDATE products SET status = 'draft'")
    store.restock(5)
    assert events(store) == 0
    assert store.sql("SELECT sellable, units, source FROM stock_readings") == [(False, 0, "webhook")]
    store.sql("UPDATE products SET status = 'active'")
    store.restock(5)
    assert store.offered() == people


def test_case_23_below_the_least_number_of_units_everybody_waits(store: Store) -> None:
    people = store.join(1)
    store.set(policy__minimum_units="3")
    store.restock(0)
    store.restock(2)
    assert events(store) == 0
    store.restock(3)
    assert store.offered() == people


def test_case_26_a_webhook_a_day_late_is_only_a_reason_to_look(story: Story, mail: SmtpPeer) -> None:
    """Neither what it says is back nor what it says is gone counts against the newer word."""

    def hear_late(available: int) -> None:
        body = {"inventory_item_id": ITEM, "location_id": LOCATION, "available": available}
        assert (
            story.webhook("inventory_levels/update", body | {"updated_at": "2026-11-19T10:00:00Z"}).status_code == 200
        )
        story.settle()

    story.intent("email", {"email": "ada@example.com"})
    story.stock(0)
    hear_late(9)
    assert mail.mails == []
    story.stock(5)
    hear_late(0)
    assert [address for address, _ in mail.mails] == ["ada@example.com"]


def test_case_28_stock_at_another_location_than_the_first_counts(store: Store) -> None:
    people = store.join(1)
    store.restock(0)
    values = {"shop": store.shop.id, "variant": VARIANT}
    with store.database.transaction() as session:
        session.execute(
            text("""
                INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available,
                    source_updated_at, source_triggered_at)
                VALUES (:shop, :variant, 2, 4, now(), now())
            """),
            values,
        )
        catalog.request_checks(session, store.shop.id, [VARIANT], 0)
    store.check()
    assert store.sql("SELECT available FROM inventory_levels ORDER BY location_id") == [(0,), (4,)]
    assert store.offered() == people


def test_case_29_only_who_waits_for_the_very_variant_is_told(store: Store) -> None:
    people = store.join(1)
    store.join(1, variant=VARIANT + 1)
    store.restock(0, variant=VARIANT + 1)
    store.restock(5)
    store.send()
    assert store.sql("SELECT subscription_id FROM offers") == [(people[0],)]
    assert len(store.channel.sent) == 1


def test_case_30_stock_that_flickers_within_the_settling_time_is_one_restock(store: Store) -> None:
    """Told of four times, read once: by then it is there, and one message says so."""
    store.join(1)
    for units in (0, 1, 0, 1):
        store.stock(units)
    assert store.one("SELECT count(*) FROM stock_checks") == 1
    store.check()
    store.send()
    assert events(store) == 1
    assert len(store.channel.sent) == 1
