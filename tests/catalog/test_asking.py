"""Asking Shopify and keeping its answers, on a real database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from sqlalchemy import text

import restock.catalog.repository as catalog
from restock.catalog.service import CatalogService
from restock.catalog.values import Answer, Asked, Away, Later, NoWord, ReadingSource, StockReading
from restock.database import Database
from restock.shopify.errors import (
    AdminForbiddenError,
    AdminRefusedError,
    AdminSurpriseError,
    AdminThrottledError,
    AdminUnauthorizedError,
    AdminUnavailableError,
    NoAccessError,
)
from restock.shopify.port import MOST_LEVEL_IDS
from restock.shopify.values import Access, Location, LocationStock
from restock.shops.service import ShopService
from restock.shops.values import Shop
from tests.catalog.pretend_shopify import PretendShopify, goods_of, stock_of

VARIANT = 9_007_199_254_740_993


@pytest.fixture
def shopify() -> PretendShopify:
    return PretendShopify()


@pytest.fixture
def service(database: Database, shopify: PretendShopify) -> CatalogService:
    return CatalogService(database, shopify, shopify)


def _reading(database: Database, shop: Shop, variant_id: int = VARIANT) -> StockReading | None:
    with database.transaction() as session:
        return catalog.current_reading(session, shop.id, variant_id)


def _sql(database: Database, statement: str) -> Sequence[tuple[object, ...]]:
    with database.transaction() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def test_an_answer_is_kept_as_readings(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop, other_shop: Shop
) -> None:
    shopify.put(stock_of(VARIANT, 7), stock_of(2, 0))
    assert service.read(shop, [VARIANT, 2, 3]) == Asked(unknown=frozenset({3}))
    first, second, gone = (_reading(database, shop, one) for one in (VARIANT, 2, 3))
    assert first is not None
    assert (first.sellable, first.units, first.source, first.held) == (True, 7, ReadingSource.admin, False)
    assert second is not None
    assert gone is not None
    assert (second.sellable, second.units, gone.sellable, gone.units) == (False, 0, False, 0)
    assert _reading(database, other_shop) is None


def test_a_reading_is_as_old_as_its_question_so_that_an_older_answer_never_wins(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop
) -> None:
    """While the first question is under way, a second is put and answered."""
    shopify.put(stock_of(VARIANT, 7))

    def overtake() -> None:
        shopify.meanwhile = lambda: None
        shopify.put(stock_of(VARIANT, 0))
        service.read(shop, [VARIANT])

    shopify.meanwhile = overtake
    service.read(shop, [VARIANT])
    found = _reading(database, shop)
    assert found is not None
    assert not found.sellable


def test_an_unchanged_reading_becomes_newer(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop
) -> None:
    shopify.put(stock_of(VARIANT, 0))
    service.read(shop, [VARIANT])
    before = _reading(database, shop)
    service.read(shop, [VARIANT])
    after = _reading(database, shop)
    assert before is not None
    assert after is not None
    assert after.read_at > before.read_at


def test_many_variants_are_few_questions(service: CatalogService, shopify: PretendShopify, shop: Shop) -> None:
    service.read(shop, range(1, 601))
    assert shopify.portions == [250, 250, 100]


def test_stock_that_shopify_does_not_sell_yet_is_looked_at_again_up_a_ladder(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop
) -> None:
    shopify.put(stock_of(VARIANT, 5, sellable_online_quantity=0))
    assert service.read(shop, [VARIANT]) == Asked({VARIANT: 60.0})
    _sql_do(database, "UPDATE stock_readings SET lagging_since = now() - interval '10 minutes'")
    answer = service.read(shop, [VARIANT])
    assert isinstance(answer, Asked)
    assert 1190 < answer.look_again[VARIANT] < 1201
    _sql_do(database, "UPDATE stock_readings SET lagging_since = now() - interval '2 days'")
    assert service.read(shop, [VARIANT]) == Asked({})
    shopify.put(stock_of(VARIANT, 5))
    service.read(shop, [VARIANT])
    assert _sql(database, "SELECT sellable, lagging_since FROM stock_readings") == [(True, None)]


ANSWERS = [
    (AdminThrottledError(7.5), Later(7.5)),
    (AdminThrottledError(9999), Later(60)),
    (AdminThrottledError(0), Later(0.5)),
    (AdminUnavailableError("no answer"), Away()),
    (AdminSurpriseError("no such field"), Away()),
    (AdminRefusedError("no"), Away()),
    (AdminForbiddenError("closed"), NoWord()),
    (AdminUnauthorizedError("token"), NoWord()),
    (NoAccessError("none"), NoWord()),
]


@pytest.mark.parametrize(("error", "answer"), ANSWERS, ids=[type(row[0]).__name__ for row in ANSWERS])
def test_what_goes_wrong_is_an_answer_too(
    service: CatalogService, shopify: PretendShopify, shop: Shop, error: Exception, answer: Answer
) -> None:
    shopify.wrong = [error]
    assert service.read(shop, [VARIANT]) == answer
    assert _reading(service.database, shop) is None
    shopify.wrong = [error]
    assert service.refresh_goods(shop, [VARIANT]) == 0


def _choose_locations(shops: ShopService, shopify: PretendShopify) -> Shop:
    shopify.places = [
        Location(10, "Shelf", is_active=True, fulfills_online_orders=True),
        Location(11, "Closed", is_active=False, fulfills_online_orders=True),
        Location(12, "Shop window", is_active=True, fulfills_online_orders=False),
    ]
    return shops.change_settings("demo", {"locations": "10,11,12"})


def test_only_chosen_locations_count_that_sell_online(
    service: CatalogService, shopify: PretendShopify, shops: ShopService, database: Database, shop: Shop
) -> None:
    choosy = _choose_locations(shops, shopify)
    shopify.put(stock_of(VARIANT, 90), stock_of(2, 0), stock_of(3, 0, tracked=False, available_for_sale=True))
    shopify.kept[VARIANT] = [LocationStock(VARIANT, place, 4) for place in (10, 11, 12, 13)]
    service.read(choosy, [VARIANT, 2, 3])
    service.read(choosy, [VARIANT, 2, 3])
    found = _sql(database, "SELECT sellable, units FROM stock_readings ORDER BY variant_id")
    assert found == [(False, 0), (True, None), (True, 4)]
    assert shopify.asked == {"stock": 2, "levels": 2, "locations": 1}


def test_locations_that_points_do_not_suffice_for_are_asked_about_later(
    service: CatalogService, shopify: PretendShopify, shops: ShopService, database: Database, shop: Shop
) -> None:
    choosy = _choose_locations(shops, shopify)
    many = list(range(1, 2 * MOST_LEVEL_IDS + 1))
    shopify.put(*(stock_of(one, 1) for one in many))
    real, calls = shopify.levels, 0

    def short_of_points(access: Access, variant_ids: Collection[int]) -> Mapping[int, Sequence[LocationStock]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise AdminThrottledError(8)
        return real(access, variant_ids)

    shopify.levels = short_of_points  # type: ignore[method-assign]
    assert service.read(choosy, many) == Asked(dict.fromkeys(many[MOST_LEVEL_IDS:], 8))
    assert _sql(database, "SELECT count(*) FROM stock_readings") == [(MOST_LEVEL_IDS,)]


def test_goods_are_asked_about_once_a_day(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop
) -> None:
    shopify.things = {VARIANT: goods_of(VARIANT)}
    assert service.refresh_goods(shop, [VARIANT]) == 1
    assert service.refresh_goods(shop, [VARIANT]) == 0
    with database.transaction() as session:
        goods = catalog.product_facts(session, shop, [VARIANT])[VARIANT]
    assert (goods.title, goods.variant_title, goods.price_cents, goods.handle) == ("Mug", "Green", 1250, "mug")
    _pass_a_day(database)
    shopify.things = {VARIANT: goods_of(VARIANT, price_cents=1100)}
    assert service.refresh_goods(shop, [VARIANT]) == 1
    assert _sql(database, "SELECT price_cents, inventory_item_id FROM variants") == [(1100, VARIANT)]


def test_goods_of_an_older_state_never_replace_what_a_webhook_told(
    service: CatalogService, shopify: PretendShopify, database: Database, shop: Shop
) -> None:
    shopify.things = {VARIANT: goods_of(VARIANT)}
    service.refresh_goods(shop, [VARIANT])
    _pass_a_day(database)
    _sql_do(database, "UPDATE products SET title = 'Cup', source_updated_at = now()")
    assert service.refresh_goods(shop, [VARIANT]) == 1
    assert _sql(database, "SELECT title FROM products") == [("Cup",)]


def _pass_a_day(database: Database) -> None:
    for column in ("variants SET goods_asked_at", "variants SET updated_at", "products SET updated_at"):
        _sql_do(database, f"UPDATE {column} = now() - interval '25 hours'")


def _sql_do(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.execute(text(statement))
