"""Restocks that no webhook tells of are found, within the interval, shop beside shop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event

from restock.catalog.service import CatalogService
from restock.deliveries.service import DeliveryNotices
from restock.restocks import rules
from restock.restocks.service import RestockService
from restock.restocks.service.reconciling import THROTTLED_EXTRA_SECONDS
from restock.shopify.admin_api.asking import Paces
from restock.shopify.admin_api.pacing import Bucket
from restock.shopify.documents import GOODS, STOCK, Document
from restock.shopify.errors import AdminThrottledError, AdminUnavailableError, NoAccessError
from restock.shopify.port import MOST_GOODS_IDS, MOST_STOCK_IDS
from restock.shops.values import Shop
from tests.catalog.pretend_shopify import PretendShopify, goods_of, stock_of
from tests.restocks.store import VARIANT, Store

MANY = 5_000
_CROWD = """
    WITH contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash)
        SELECT :shop, 'email', 'ada' || n || '@example.com', sha256((:shop || '-crowd-' || n)::bytea)
        FROM generate_series(1, :count) n RETURNING id
    )
    INSERT INTO subscriptions
        (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity, state, expires_at)
    SELECT :shop, id, gen_random_uuid(), 'email', :first + row_number() OVER (ORDER BY id) - 1, 1, 1, 'active',
        now() + interval '1 year'
    FROM contact
"""


@pytest.fixture
def shopify() -> PretendShopify:
    return PretendShopify()


@pytest.fixture
def store(store: Store, shopify: PretendShopify) -> Iterator[Store]:
    store.restocks = service(store, shopify)
    yield store
    while store.restocks.threads.busy():
        store.restocks.threads.wait(5)


def service(store: Store, shopify: PretendShopify, interval: float = 900) -> RestockService:
    source = CatalogService(store.database, shopify, shopify)
    return RestockService(store.database, DeliveryNotices(), interval, stock=source)


def crowd(store: Store, count: int, shop: Shop | None = None) -> None:
    """Have one person wait for each of so many variants, from 1 on."""
    store.sql(_CROWD, shop=(shop or store.shop).id, count=count, first=1)


def begin(store: Store) -> None:
    """Let the sweeper find what there is to pass over, and forget the first checks of what was never read."""
    store.restocks.reconcile()
    store.sql("DELETE FROM stock_checks")


def test_with_webhooks_switched_off_a_restock_is_found(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 600)
    shopify.put(*(stock_of(one) for one in range(1, 601)))
    store.restocks.reconcile()
    store.check()
    shopify.put(stock_of(577, 2))
    store.sql("UPDATE reconcile_state SET next_at = now()")
    for _ in range(3):
        store.pass_over()
        store.sql(
            "UPDATE reconcile_state SET next_at = least(next_at, now() - interval '1 s') WHERE started_at NOTNULL"
        )
    store.plan()
    assert store.sql("SELECT variant_id FROM restock_events") == [(577,)]
    assert store.one("SELECT count(*) FROM deliveries") == 1
    assert store.one("SELECT count(*) FROM stock_readings WHERE read_at > now() - interval '1 minute'") == 600


def test_a_newcomers_variant_is_looked_at_at_once(store: Store, shopify: PretendShopify) -> None:
    """And only once: what is known is left to the passes."""
    people = store.join(1)
    shopify.put(stock_of(VARIANT, 1))
    shopify.things[VARIANT] = goods_of(VARIANT)
    assert store.restocks.reconcile() == 1
    assert store.restocks.reconcile() == 0
    store.check()
    assert store.offered() == people
    assert store.one("SELECT title FROM products") == "Mug"


def test_of_a_whole_page_that_is_back_every_message_knows_its_goods(store: Store, shopify: PretendShopify) -> None:
    """Goods are asked about in smaller portions than stock, and those that are back come first."""
    crowd(store, 240)
    begin(store)
    shopify.put(*(stock_of(one, int(one > 100)) for one in range(1, 241)))
    shopify.things = {one: goods_of(one) for one in range(1, 241)}
    store.pass_over()
    assert store.one("SELECT count(*) FROM restock_events") == 140
    unnamed = (
        "SELECT count(*) FROM restock_events e LEFT JOIN variants v USING (shop_id, variant_id) WHERE v.title IS NULL"
    )
    assert store.one(unnamed) == 0


def test_what_shopify_does_not_have_any_more_is_not_asked_for_its_name(store: Store, shopify: PretendShopify) -> None:
    """However many they are, they keep no other from being learnt."""
    crowd(store, 200)
    begin(store)
    shopify.put(stock_of(199), stock_of(200))
    shopify.things = {one: goods_of(one) for one in (199, 200)}
    store.pass_over()
    assert store.sql("SELECT variant_id FROM variants ORDER BY 1") == [(199,), (200,)]
    store.sql("UPDATE reconcile_state SET next_at = now()")
    store.pass_over()
    assert shopify.asked["goods"] == 1


def test_a_pass_rests_after_each_page_so_that_a_shops_points_suffice(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 300)
    begin(store)
    assert store.pass_over() == 1
    rest = store.one("SELECT extract(epoch FROM next_at - now()) FROM reconcile_state")
    assert 8 < float(str(rest)) < 9.5
    assert shopify.portions == [250]
    assert store.pass_over() == 0


@pytest.mark.parametrize(
    ("variants", "interval", "seconds"), [(1, 900, 9.375), (20_000, 900, 9), (80_000, 900, 2.25), (20_000, 60, 0.6)]
)
def test_the_rest_is_shorter_where_the_interval_asks_for_it(variants: int, interval: float, seconds: float) -> None:
    assert rules.pass_pause(variants, interval) == pytest.approx(seconds)


@pytest.mark.parametrize("holds", [1000, 2000])
def test_20_000_variants_fit_into_the_interval_on_the_smallest_plan(holds: float) -> None:
    """Page by page by the real pace, with a question about goods wherever the points are there for it."""
    clock, points, asked_at = 0.0, holds, 0.0
    paces = Paces(lambda: clock)

    def ask(document: Document, ids: int) -> float:
        """Put a question that takes half a second; return the seconds to wait instead where points are short."""
        nonlocal clock, points, asked_at
        try:
            cost = paces.reserve("demo.myshopify.com", document, document.estimate(ids))
        except AdminThrottledError as error:
            return error.wait_seconds
        clock += 0.5
        points, asked_at = min(holds, points + (clock - asked_at) * 100) - cost, clock
        assert points >= 0, "Shopify itself never has to refuse"
        paces.answered("demo.myshopify.com", cost, Bucket(holds, points, 100))
        return 0.0

    for _ in range(20_000 // rules.PASS_PAGE):
        while wait := ask(STOCK, MOST_STOCK_IDS):
            clock += wait + THROTTLED_EXTRA_SECONDS
        ask(GOODS, MOST_GOODS_IDS)
        clock += rules.pass_pause(20_000, 900)
    assert clock < 900


def test_when_a_pass_is_over_its_figures_are_kept_and_the_next_waits_for_its_time(
    store: Store, shopify: PretendShopify
) -> None:
    crowd(store, 10)
    assert store.restocks.reconcile_state(store.shop.id) is None
    begin(store)
    fresh = store.restocks.reconcile_state(store.shop.id)
    assert fresh is not None
    assert fresh.interval_seconds is None
    store.pass_over()
    state = store.restocks.reconcile_state(store.shop.id)
    assert state is not None
    assert state.started_at is None
    assert (state.last_variant_count, state.interval_seconds) == (10, 900)
    assert not store.restocks.due().passes
    store.sql("UPDATE reconcile_state SET last_started_at = last_finished_at - interval '1 hour'")
    state = store.restocks.reconcile_state(store.shop.id)
    assert state is not None
    assert state.interval_seconds == 3600, "what is reached, not what is wanted"


def test_points_that_are_used_up_put_the_pass_off_where_it_is(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 300)
    begin(store)
    store.pass_over()
    shopify.wrong = [AdminThrottledError(30)]
    store.sql("UPDATE reconcile_state SET next_at = now()")
    store.pass_over()
    assert store.sql("SELECT cursor_variant_id, next_at > now() + interval '30 s' FROM reconcile_state") == [
        (250, True)
    ]
    store.sql("UPDATE reconcile_state SET next_at = now()")
    store.pass_over()
    assert store.sql("SELECT last_variant_count FROM reconcile_state") == [(300,)]


@pytest.mark.parametrize(("error", "seconds"), [(AdminUnavailableError("away"), 60), (NoAccessError("none"), 900)])
def test_a_shop_that_does_not_answer_is_tried_later(
    store: Store, shopify: PretendShopify, error: Exception, seconds: float
) -> None:
    crowd(store, 1)
    begin(store)
    shopify.wrong = [error]
    store.pass_over()
    wait = float(str(store.one("SELECT extract(epoch FROM next_at - now()) FROM reconcile_state")))
    assert seconds - 2 < wait <= seconds


def test_what_was_read_since_the_pass_began_is_not_asked_about_again(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 300)
    begin(store)
    store.pass_over()
    store.sql("UPDATE reconcile_state SET next_at = now(), cursor_variant_id = 0")
    shopify.portions.clear()
    store.pass_over()
    assert shopify.portions == [50]


def test_a_large_shop_and_one_that_hangs_hold_up_no_other(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 1500)
    small = [store.shops.add(f"small{number}") for number in range(12)]
    for shop in small:
        crowd(store, 3, shop)
    begin(store)
    answer = shopify.hang["small4.myshopify.com"] = threading.Event()
    finished = "SELECT count(*) FROM reconcile_state WHERE last_finished_at IS NOT NULL"
    until = time.monotonic() + 60
    while store.one(finished) != 11 and time.monotonic() < until:  # on a busy machine it ends early now and then
        store.restocks.reconcile_due(seconds=5)
    assert store.one(finished) == 11
    assert store.restocks.threads.busy() == [small[4].id], "that one hangs still"
    assert store.one("SELECT cursor_variant_id FROM reconcile_state WHERE shop_id = :id", id=store.shop.id) == 250
    answer.set()


def test_a_pass_gives_way_to_news(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 1)
    begin(store)
    assert store.restocks.reconcile_due(give_way=lambda: True) == 0
    assert shopify.portions == []


def test_a_shop_that_has_left_or_closed_its_door_is_forgotten(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 1)
    begin(store)
    shopify.let_in = set()
    store.pass_over()
    assert store.one("SELECT count(*) FROM reconcile_state") == 0
    store.sql("UPDATE shops SET state = 'uninstalled'")
    assert store.restocks.reconcile() == 0


def test_changed_settings_are_read_by_at_once_and_open_nothing(store: Store, shopify: PretendShopify) -> None:
    crowd(store, 3)
    shopify.put(*(stock_of(one, 4, has_online_page=False) for one in (1, 2, 3)))
    begin(store)
    store.pass_over()
    assert not store.restocks.due().passes
    store.set(publication_check="any")
    store.restocks.reconcile()
    store.pass_over()
    assert store.restocks.what_would_open(store.shop.id).people_count == 3
    assert store.one("SELECT count(*) FROM restock_events") == 0


def test_two_workers_share_passes_out(store: Store, shopify: PretendShopify) -> None:
    shops = [store.shop] + [store.shops.add(f"shop{number}") for number in range(5)]
    for shop in shops:
        crowd(store, 2, shop)
    begin(store)
    other = service(store, shopify)
    workers = [threading.Thread(target=one.reconcile_due) for one in (store.restocks, other)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(shopify.portions) == len(shops)


def test_5_000_variants_take_20_questions_and_few_statements(store: Store, shopify: PretendShopify) -> None:
    """With no throttle, everything sold out, for the second time: the cost of looking."""
    crowd(store, MANY)
    quick = store.restocks = service(store, shopify, interval=0.001)
    shopify.put(*(stock_of(one) for one in range(1, MANY + 1)))
    begin(store)
    _whole_pass(store, quick)
    shopify.portions.clear()
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    engine = store.database.engine
    event.listen(engine, "before_cursor_execute", count)
    started = time.process_time()
    _whole_pass(store, quick)
    seconds = time.process_time() - started
    event.remove(engine, "before_cursor_execute", count)
    pages = MANY // rules.PASS_PAGE
    print(f"{MANY} variants: {seconds:.1f} s of work, {statements} statements")
    assert shopify.portions[:pages] == [rules.PASS_PAGE] * pages  # the next pass may have begun meanwhile
    assert len(shopify.portions) <= pages + 2
    assert statements < 20 * (pages + 1)
    assert seconds < 30


def _whole_pass(store: Store, quick: RestockService) -> None:
    store.sql("UPDATE reconcile_state SET last_finished_at = NULL, next_at = now()")
    while store.one("SELECT last_finished_at IS NULL FROM reconcile_state"):
        quick.reconcile_due(30, lambda: store.one("SELECT last_finished_at IS NOT NULL FROM reconcile_state") is True)
        while quick.threads.busy():
            quick.threads.wait(1)
