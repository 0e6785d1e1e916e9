"""From a webhook to offers where Shopify can be asked: bulk, outages, hangs, points, deleted goods."""

from __future__ import annotations

import json
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest

import restock.catalog.repository as catalog
from restock.catalog.service import CatalogService
from restock.deliveries.service import DeliveryNotices
from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage
from restock.restocks.service import RestockService, checking
from restock.restocks.service.threads import ShopThreads
from restock.shopify.errors import AdminForbiddenError, AdminThrottledError, AdminUnavailableError, NoAccessError
from restock.shops.values import Shop
from tests.catalog.pretend_shopify import PretendShopify, goods_of, stock_of
from tests.restocks.store import VARIANT, Store


@pytest.fixture
def shopify() -> PretendShopify:
    return PretendShopify()


@pytest.fixture
def store(store: Store, shopify: PretendShopify) -> Store:
    """The small store, of a shop that can be asked."""
    source = CatalogService(store.database, shopify, shopify)
    store.restocks = RestockService(store.database, DeliveryNotices(), stock=source)
    return store


def ask(store: Store, *variants: int, shop: Shop | None = None) -> None:
    """Have checks due."""
    with store.database.transaction() as session:
        catalog.request_checks(session, (shop or store.shop).id, variants or [VARIANT], 0)


def settle(store: Store) -> None:
    """Wait for the threads to have ended."""
    while store.restocks.threads.busy():
        store.restocks.threads.wait(5)


def test_shopifys_word_opens_a_restock_whatever_webhooks_said(store: Store, shopify: PretendShopify) -> None:
    people = store.join(5)
    store.set(policy="strict")
    store.stock(0)
    shopify.put(stock_of(VARIANT, 3))
    shopify.things[VARIANT] = goods_of(VARIANT)
    store.check()
    assert store.offered() == people[:3]
    assert store.one("SELECT source FROM stock_readings") == "admin"
    assert store.one("SELECT count(*) FROM stock_checks") == 0
    shopify.put(stock_of(VARIANT, 0))
    ask(store)
    store.check()
    assert store.sql("SELECT close_reason FROM restock_events") == [("sold_out",)]


def test_a_webhook_that_claims_stock_opens_nothing_where_shopify_says_no(store: Store, shopify: PretendShopify) -> None:
    store.join(1)
    shopify.put(stock_of(VARIANT, 3, has_online_page=False))
    store.restock(3)
    assert store.one("SELECT count(*) FROM restock_events") == 0


@pytest.mark.parametrize(
    ("more", "units"),
    [
        ({"continues_selling": True, "available_for_sale": True, "sellable_online_quantity": -3}, None),
        ({"tracked": False, "available_for_sale": True}, None),
        ({"status": "unlisted", "available_for_sale": True, "sellable_online_quantity": 2}, 2),
    ],
)
def test_goods_without_limit_and_unlisted_ones_open_a_restock(
    store: Store, shopify: PretendShopify, more: dict[str, object], units: int | None
) -> None:
    people = store.join(2)
    shopify.put(stock_of(VARIANT, 0, **more))
    ask(store)
    store.check()
    assert store.offered() == people
    assert store.one("SELECT units_at_open FROM restock_events") == units


def test_goods_deleted_during_a_restock_end_it(store: Store, shopify: PretendShopify) -> None:
    store.join(2)
    shopify.put(stock_of(VARIANT, 1))
    ask(store)
    store.check()
    shopify.shelf.clear()
    ask(store)
    store.check()
    assert store.sql("SELECT close_reason FROM restock_events") == [("sold_out",)]


def test_one_item_of_many_variants_concerns_them_all(store: Store, shopify: PretendShopify) -> None:
    """A level of an item wakes every variant that has it; what Shopify says of each decides."""
    first, second = store.join(1), store.join(1, variant=VARIANT + 2)
    shopify.things = {one: goods_of(one, inventory_item_id=77) for one in (VARIANT, VARIANT + 2)}
    shopify.put(stock_of(VARIANT, 0), stock_of(VARIANT + 2, 0))
    store.restocks.reconcile()
    store.check()
    settle(store)
    shopify.put(stock_of(VARIANT, 4), stock_of(VARIANT + 2, 2))
    inbox = InboxService(store.database, 0)
    inbox.receive(level_news(77, 4))
    inbox.apply_due()
    store.check()
    assert store.offered() == first + second


def test_stock_that_shopify_does_not_sell_yet_is_asked_about_again_and_not_dropped(
    store: Store, shopify: PretendShopify
) -> None:
    people = store.join(1)
    shopify.put(stock_of(VARIANT, 5, sellable_online_quantity=0))
    ask(store)
    store.check()
    wait = store.one("SELECT extract(epoch FROM due_at - now()) FROM stock_checks")
    assert 55 < float(str(wait)) < 61
    shopify.put(stock_of(VARIANT, 5))
    store.pass_time("stock_checks", "due_at", 60)
    store.check()
    assert store.offered() == people
    assert store.one("SELECT count(*) FROM stock_checks") == 0


def test_a_cause_during_the_question_is_not_lost(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    shopify.put(stock_of(VARIANT, 0))
    ask(store)

    def news() -> None:
        """Stock comes, and is told of, when the answer of none is on its way."""
        shopify.meanwhile = lambda: None
        shopify.put(stock_of(VARIANT, 1))
        ask(store)

    shopify.meanwhile = news
    store.check()
    assert store.offered() == people
    assert shopify.asked["stock"] == 2


def test_200_webhooks_in_5_seconds_are_one_question(store: Store, shopify: PretendShopify) -> None:
    """Through the real inbox: every copy is stored and applied, the debounce makes one check of them."""
    people = store.join(1)
    store.stock(0)
    store.sql("DELETE FROM stock_checks")
    shopify.put(stock_of(VARIANT, 1))
    shopify.things[VARIANT] = goods_of(VARIANT)
    inbox = InboxService(store.database, settle_seconds=600)  # however slow the machine, nothing is due meanwhile
    for number in range(200):
        inbox.receive(level_news(VARIANT, number % 2))
        if number % 10 == 9:
            inbox.apply_due()
            store.check()
    assert shopify.asked["stock"] == 0
    store.pass_time("stock_checks", "due_at", 600)
    store.check()
    assert store.offered() == people
    assert sum(shopify.asked.values()) <= 2
    assert store.one("SELECT count(*) FROM inbox_messages WHERE state = 'applied'") == 200


def test_an_event_knows_when_the_first_webhook_behind_it_came(store: Store, shopify: PretendShopify) -> None:
    store.join(1)
    store.stock(0)
    shopify.put(stock_of(VARIANT, 1))
    inbox = InboxService(store.database, 0)
    inbox.receive(level_news(VARIANT, 1, datetime(2099, 3, 30, 14, 30, tzinfo=UTC)))
    inbox.apply_due()
    store.check()
    assert str(store.one("SELECT stock_changed_at FROM restock_events")) == "2099-03-30 14:30:00+00:00"


def test_points_that_are_used_up_put_a_shops_checks_off_and_lose_none(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    shopify.put(stock_of(VARIANT, 1))
    ask(store, *range(VARIANT, VARIANT + 300))
    shopify.always_wrong = {"stock": AdminThrottledError(20)}
    store.check()
    assert shopify.asked["stock"] == 1
    assert store.one("SELECT count(*) FROM stock_checks WHERE due_at > now() + interval '19 seconds'") == 300
    shopify.always_wrong = {}
    store.pass_time("stock_checks", "due_at", 21)
    store.check()
    assert store.offered() == people


def test_after_many_refusals_for_points_what_webhooks_told_must_do(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    shopify.always_wrong = {"stock": AdminThrottledError(20)}
    store.stock(2)
    for _ in range(checking.THROTTLED_PATIENCE + 1):
        assert store.offered() == []
        store.check()
        store.pass_time("stock_checks", "due_at", 21)
    assert store.offered() == people


def test_an_outage_is_bridged_by_what_webhooks_tell_and_ends_with_shopifys_word(
    store: Store, shopify: PretendShopify
) -> None:
    people = store.join(1)
    shopify.always_wrong = {"stock": AdminUnavailableError("no answer")}
    store.restock(2)
    assert store.offered() == people
    assert store.one("SELECT source FROM stock_readings") == "webhook"
    assert 10 < float(str(store.one("SELECT extract(epoch FROM due_at - now()) FROM stock_checks"))) < 16
    shopify.always_wrong = {}
    store.pass_time("stock_checks", "due_at", 30)
    store.check()
    assert store.sql("SELECT source, sellable FROM stock_readings") == [("admin", False)]
    assert store.sql("SELECT close_reason FROM restock_events") == [("sold_out",)]


def test_in_an_outage_old_news_does_not_overrule_shopifys_last_word(store: Store, shopify: PretendShopify) -> None:
    """The levels told of before Shopify said no are no news."""
    store.join(1)
    store.stock(5)
    shopify.put(stock_of(VARIANT, 5, has_online_page=False))
    store.check()
    shopify.always_wrong = {"stock": AdminUnavailableError("no answer")}
    ask(store)
    store.check()
    assert store.one("SELECT count(*) FROM restock_events") == 0
    assert store.one("SELECT source FROM stock_readings") == "admin"
    assert store.one("SELECT count(*) FROM stock_checks") == 1


@pytest.mark.parametrize("error", [NoAccessError("none"), AdminForbiddenError("closed")])
def test_a_shop_that_does_not_let_us_ask_is_read_by_its_webhooks(
    store: Store, shopify: PretendShopify, error: Exception
) -> None:
    people = store.join(1)
    shopify.always_wrong = {"stock": error}
    store.restock(2)
    assert store.offered() == people
    assert store.one("SELECT count(*) FROM stock_checks") == 0


def test_a_shop_that_hangs_holds_up_no_other(store: Store, shopify: PretendShopify) -> None:
    hanging, people = store.join(1), []
    answer = shopify.hang["demo.myshopify.com"] = threading.Event()
    shopify.put(stock_of(VARIANT, 1))
    ask(store)
    for name in ("one", "two", "three"):
        shop = store.shops.add(name)
        people += store.join(1, shop=shop)
        ask(store, shop=shop)
    until = time.monotonic() + 60
    while sorted(store.offered()) != people and time.monotonic() < until:
        store.check(patient=False)
    assert sorted(store.offered()) == people
    ask(store)
    before = shopify.asked["stock"]
    assert store.restocks.check_due() == 0, "a shop under way is left alone"
    assert store.restocks.threads.busy() == [store.shop.id], "and not waited for"
    assert shopify.asked["stock"] == before
    answer.set()
    settle(store)
    store.plan()
    assert sorted(store.offered()) == sorted(people + hanging)


def test_a_large_batch_is_few_questions_and_only_what_matters_is_followed_one_by_one(
    store: Store, shopify: PretendShopify
) -> None:
    people = store.join(1, variant=VARIANT + 7)
    shopify.put(*(stock_of(one, 3) for one in range(VARIANT, VARIANT + 600)))
    ask(store, *range(VARIANT, VARIANT + 600))
    assert store.restocks.check_due(patience_seconds=60) == 600
    store.plan()
    assert store.offered() == people
    assert shopify.portions == [250, 250, 100]
    assert store.one("SELECT count(*) FROM stock_checks") == 0


def test_one_variant_that_cannot_be_followed_fails_alone(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    store.join(1, variant=5)
    shopify.put(stock_of(VARIANT, 1), stock_of(5, 1))
    ask(store, VARIANT, 5)
    store.sql("ALTER TABLE restock_events ADD CONSTRAINT broken CHECK (variant_id <> 5)")
    try:
        store.check()
    finally:
        store.sql("ALTER TABLE restock_events DROP CONSTRAINT broken")
    assert store.offered() == people
    assert store.sql("SELECT variant_id, due_at > now() FROM stock_checks") == [(5, True)]


def test_a_message_waits_for_a_new_look_when_the_last_one_is_old(store: Store, shopify: PretendShopify) -> None:
    """And is never sent when that look finds the goods gone."""
    store.join(1)
    shopify.put(stock_of(VARIANT, 1))
    ask(store)
    store.check()
    for units, states in ((1, {"queued": 1}), (0, {"skipped": 1})):
        store.pass_time("stock_readings", "read_at", 300)
        store.send()
        assert store.states("deliveries") == {"queued": 1}
        shopify.put(stock_of(VARIANT, units))
        store.check()
        store.pass_time("deliveries", "next_at", 60)
        store.pass_time("delivery_lanes", "next_at", 60)
        if not units:
            store.send()
        assert store.states("deliveries") == states
    assert store.channel.sent == []


def test_who_signed_up_in_a_market_without_the_goods_is_passed_over_and_keeps_the_place(
    store: Store, shopify: PretendShopify
) -> None:
    german, french, elsewhere = store.join(3)
    store.set(markets="5=DE,6=FR@https://shop.fr")
    for person, market in ((german, 5), (french, 6)):
        store.sql("UPDATE subscriptions SET market_id = :market WHERE id = :id", market=market, id=person)
    shopify.put(stock_of(VARIANT, 10))
    shopify.things[VARIANT] = goods_of(VARIANT)
    shopify.unsold = {(VARIANT, "DE")}
    ask(store)
    store.check()
    assert store.offered() == [french, elsewhere]
    assert store.one("SELECT passed_over_count FROM waves") == 1
    shopify.unsold.clear()
    store.pass_time("market_views", "read_at", 3600)
    ask(store)
    store.check()
    assert store.offered() == [french, elsewhere, german]
    delivery = store.one("SELECT d.id FROM deliveries d WHERE subscription_id = :id", id=french)
    assert store.deliveries.follow(int(str(delivery))) == f"https://shop.fr/products/mug?variant={VARIANT}"


def test_a_market_nobody_can_ask_about_keeps_nobody_waiting(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    store.set(markets="5=DE")
    store.sql("UPDATE subscriptions SET market_id = 5")
    shopify.put(stock_of(VARIANT, 10))
    shopify.always_wrong = {"market": AdminForbiddenError("no scope")}
    ask(store)
    store.check()
    assert store.offered() == people


def test_a_thread_is_for_one_shop_at_a_time() -> None:
    threads, end = ShopThreads(2), threading.Event()
    assert threads.start(1, lambda: (bool(end.wait(5)) and None) or None)
    assert not threads.start(1, lambda: None)
    assert (threads.busy(), threads.free()) == ([1], 1)
    assert not threads.wait(0.01)
    end.set()
    assert threads.wait(5)
    assert not threads.wait(0.01)
    assert threads.free() == 2


def test_changed_settings_open_nothing_until_they_are_confirmed(store: Store, shopify: PretendShopify) -> None:
    people = store.join(2)
    shopify.put(stock_of(VARIANT, 5, has_online_page=False))
    ask(store)
    store.check()
    store.set(publication_check="any")
    ask(store)
    store.check()
    assert store.offered() == []
    waiting = store.restocks.what_would_open(store.shop.id)
    assert (waiting.variant_count, waiting.people_count) == (1, 2)
    assert store.restocks.confirm_settings_change(store.shop.id) == 1
    store.check()
    assert store.offered() == people
    assert store.restocks.what_would_open(store.shop.id).variant_count == 0
    assert store.restocks.confirm_settings_change(store.shop.id) == 0


@pytest.mark.parametrize("shortage", [0, 2])
def test_what_settings_held_back_opens_when_stock_falls_short_and_comes_back(
    store: Store, shopify: PretendShopify, shortage: int
) -> None:
    """A smaller `minimum_units` opens nothing by itself; selling out and new stock does."""
    people = store.join(1)
    store.set(policy__minimum_units="10")
    shopify.put(stock_of(VARIANT, 5))
    ask(store)
    store.check()
    store.set(policy__minimum_units="3")
    for units, offered in ((5, []), (shortage, []), (6, people)):
        shopify.put(stock_of(VARIANT, units))
        ask(store)
        store.check()
        assert store.offered() == offered


def test_settings_are_held_back_for_shops_read_by_webhooks_too(store: Store, shopify: PretendShopify) -> None:
    people = store.join(1)
    shopify.let_in = set()
    store.set(locations="2")
    store.restock(5)
    store.set(locations="1")
    ask(store)
    store.check()
    assert store.offered() == []
    assert store.restocks.what_would_open(store.shop.id).people_count == 1
    store.restocks.confirm_settings_change(store.shop.id)
    store.check()
    assert store.offered() == people


def test_a_change_that_makes_no_difference_holds_nothing_back(store: Store, shopify: PretendShopify) -> None:
    """New stock that would have counted before the change, too, is a restock."""
    people = store.join(1)
    shopify.put(stock_of(VARIANT, 0))
    ask(store)
    store.check()
    store.set(publication_check="any")
    shopify.put(stock_of(VARIANT, 2))
    ask(store)
    store.check()
    assert store.offered() == people


def level_news(item_id: int, available: int, sent_at: datetime | None = None) -> InboxMessage:
    at = sent_at or datetime.now(UTC)
    body = {"inventory_item_id": item_id, "location_id": 1, "available": available, "updated_at": at.isoformat()}
    topic = "inventory_levels/update"
    return InboxMessage("demo.myshopify.com", str(uuid.uuid4()), topic, json.dumps(body).encode(), sent_at)
