"""What Shopify's word amounts to, when to ask again, and what changed settings hold back."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.catalog.rules.admin import LAG_LADDER_SECONDS, chosen_units, next_look, read_admin_stock
from restock.catalog.rules.basis import hold_back, opens, read_basis, write_basis
from restock.catalog.values import AdminVerdict, KeptReading, ReadingBasis, StockVerdict
from restock.shopify.port import AdminApi
from restock.shopify.values import LocationStock, VariantStock
from restock.shops.values import PublicationCheck
from tests.catalog.pretend_shopify import PretendShopify, stock_of

ONLINE, ANY = ReadingBasis(PublicationCheck.online_store), ReadingBasis(PublicationCheck.any)
NOTHING = (False, 0, False)

READINGS = [
    ("deleted", None, ANY, NOTHING),
    ("five units", stock_of(1, 5), ONLINE, (True, 5, False)),
    ("sold out", stock_of(1, 0), ONLINE, NOTHING),
    ("oversold", stock_of(1, -4), ONLINE, NOTHING),
    ("a count Shopify does not say", stock_of(1, 0, inventory_quantity=None), ONLINE, NOTHING),
    (
        "sold beyond stock",
        stock_of(1, -4, continues_selling=True, available_for_sale=True),
        ONLINE,
        (True, None, False),
    ),
    ("not counted", stock_of(1, 0, tracked=False, available_for_sale=True), ONLINE, (True, None, False)),
    ("not counted, and yet not for sale", stock_of(1, 0, tracked=False), ONLINE, NOTHING),
    ("a draft", stock_of(1, 5, status="draft"), ONLINE, NOTHING),
    ("archived", stock_of(1, 5, status="archived"), ANY, NOTHING),
    ("a status of tomorrow", stock_of(1, 5, status="paused"), ANY, NOTHING),
    ("by direct link only", stock_of(1, 5, status="unlisted"), ONLINE, (True, 5, False)),
    ("not on the online store", stock_of(1, 5, has_online_page=False), ONLINE, NOTHING),
    ("not on the online store of a headless shop", stock_of(1, 5, has_online_page=False), ANY, (True, 5, False)),
    ("units, but not for sale", stock_of(1, 5, available_for_sale=False), ONLINE, NOTHING),
    ("Shopify's count lags", stock_of(1, 5, sellable_online_quantity=0), ONLINE, (False, 0, True)),
    ("it lags below nothing", stock_of(1, 5, sellable_online_quantity=-1), ONLINE, (False, 0, True)),
    ("a draft does not lag", stock_of(1, 5, sellable_online_quantity=0, status="draft"), ONLINE, NOTHING),
]


@pytest.mark.parametrize(("stock", "basis", "verdict"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_shopifys_word_is_read(
    stock: VariantStock | None, basis: ReadingBasis, verdict: tuple[bool, int | None, bool]
) -> None:
    assert read_admin_stock(stock, basis) == AdminVerdict(*verdict)


STOCKS = st.builds(
    VariantStock,
    variant_id=st.just(1),
    product_id=st.just(1),
    inventory_item_id=st.just(1),
    status=st.sampled_from(["active", "draft", "archived", "unlisted"]),
    has_online_page=st.booleans(),
    available_for_sale=st.booleans(),
    continues_selling=st.booleans(),
    tracked=st.booleans(),
    inventory_quantity=st.none() | st.integers(-(2**31), 2**31),
    sellable_online_quantity=st.integers(-(2**31), 2**31),
)
BASES = st.builds(
    ReadingBasis,
    st.sampled_from(PublicationCheck),
    st.frozensets(st.integers(1, 2**63 - 1), max_size=4),
    st.integers(1, 10),
)


@given(STOCKS, BASES, st.none() | st.integers(-100, 100))
def test_a_variant_is_sellable_exactly_when_it_is_for_sale_and_has_units(
    stock: VariantStock, basis: ReadingBasis, chosen: int | None
) -> None:
    verdict = read_admin_stock(stock, basis, chosen)
    assert verdict.sellable == (verdict.units is None or verdict.units > 0)
    assert not verdict.sellable or (stock.available_for_sale and stock.status in ("active", "unlisted"))
    assert verdict.units is None or verdict.units <= max(0, stock.sellable_online_quantity)
    assert not verdict.sellable or stock.has_online_page or basis.publication_check is PublicationCheck.any
    assert (verdict.units is None) == (verdict.sellable and (stock.continues_selling or not stock.tracked))
    assert not (verdict.lagging and verdict.sellable)


@given(STOCKS)
def test_asking_less_of_publication_never_hides_a_variant(stock: VariantStock) -> None:
    online = read_admin_stock(stock, ONLINE)
    assert not online.sellable or read_admin_stock(stock, ANY) == online


def test_units_are_those_of_the_chosen_locations_that_sell_online() -> None:
    levels = [LocationStock(1, 10, 5), LocationStock(1, 11, -2), LocationStock(1, 12, 50), LocationStock(9, 10, 70)]
    basis = ReadingBasis(PublicationCheck.online_store, frozenset({10, 11, 13}))
    assert chosen_units(stock_of(1), levels, basis, {10, 11, 12}) == 3
    assert chosen_units(stock_of(1), levels, basis, {11, 12}) == -2
    assert chosen_units(stock_of(1), [*levels, LocationStock(1, 13, None)], basis, {13}) == 0
    assert chosen_units(stock_of(1), levels, ONLINE, {10}) is None


@pytest.mark.parametrize(("share", "units"), [(0, 0), (3, 3), (-1, 0)])
def test_the_chosen_locations_count_but_never_against_shopifys_no(share: int, units: int) -> None:
    assert read_admin_stock(stock_of(1, 9), ONLINE, share).stock == (units > 0, units)
    assert not read_admin_stock(stock_of(1, 9, available_for_sale=False), ONLINE, share).sellable


def test_the_chosen_locations_never_count_for_more_than_shopify_sells_and_wait_out_its_lag() -> None:
    assert read_admin_stock(stock_of(1, 2), ONLINE, 5).stock == (True, 2)
    assert read_admin_stock(stock_of(1, 5, sellable_online_quantity=0), ONLINE, 5) == AdminVerdict(False, 0, True)


def test_a_lag_is_looked_at_again_up_a_ladder_and_then_left_to_the_reconciler() -> None:
    """1, 5, 30 minutes, 6 and 24 hours after it was first seen."""
    assert next_look(0) == 60
    assert next_look(60.2) == pytest.approx(239.8)
    assert next_look(7 * 3600) == 17 * 3600
    assert next_look(LAG_LADDER_SECONDS[-1]) is None


@given(BASES)
def test_choices_are_read_as_they_were_written(basis: ReadingBasis) -> None:
    assert read_basis(write_basis(basis)) == basis


@pytest.mark.parametrize("text", [None, "", "online_store", "online_store/1", "nowhere/1/", "any/x/", "any/1/a"])
def test_choices_nobody_wrote_are_unknown(text: str | None) -> None:
    assert read_basis(text) is None


FIVE, NONE_LEFT = StockVerdict(True, 5), StockVerdict(False, 0)
MORE = ReadingBasis(PublicationCheck.any, minimum_units=3)
HELD = [
    ("never read before", None, FIVE, FIVE, None),
    ("read by the same choices", KeptReading(NONE_LEFT, MORE), FIVE, NONE_LEFT, None),
    ("by unknown choices", KeptReading(NONE_LEFT), FIVE, NONE_LEFT, None),
    ("nothing to buy now either", KeptReading(NONE_LEFT, ONLINE), NONE_LEFT, NONE_LEFT, None),
    ("less than the smallest number", KeptReading(NONE_LEFT, ONLINE), StockVerdict(True, 2), NONE_LEFT, None),
    ("it was on before", KeptReading(FIVE, ONLINE), FIVE, NONE_LEFT, None),
    ("new stock by the choices before, too", KeptReading(NONE_LEFT, ONLINE), FIVE, FIVE, None),
    ("only the choices have changed", KeptReading(NONE_LEFT, ONLINE), FIVE, NONE_LEFT, ONLINE),
    ("held before, and still", KeptReading(FIVE, MORE, ONLINE), FIVE, NONE_LEFT, ONLINE),
    ("held before, and stock has come", KeptReading(FIVE, MORE, ONLINE), FIVE, FIVE, None),
    ("held before, and sold out now", KeptReading(FIVE, MORE, ONLINE), NONE_LEFT, NONE_LEFT, None),
]


@pytest.mark.parametrize(("kept", "now", "before", "held"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_changed_settings_alone_are_held_back(
    kept: KeptReading | None, now: StockVerdict, before: StockVerdict, held: ReadingBasis | None
) -> None:
    assert hold_back(kept, now, MORE, lambda _: before) == held


@given(STOCKS, STOCKS, BASES, BASES)
def test_a_change_of_settings_with_nothing_else_never_opens_anything(
    stock: VariantStock, other: VariantStock, before: ReadingBasis, after: ReadingBasis
) -> None:
    """And where the stock has changed, too, whatever would have opened by the old settings opens."""
    first = KeptReading(read_admin_stock(stock, before).stock, before)
    now = read_admin_stock(stock, after).stock
    held = hold_back(first, now, after, lambda basis: read_admin_stock(stock, basis).stock)
    assert not opens(now, after) or opens(first.verdict, before) or held is not None or before == after
    later = read_admin_stock(other, after).stock
    held = hold_back(first, later, after, lambda basis: read_admin_stock(other, basis).stock)
    assert held is None or not opens(read_admin_stock(other, before).stock, before)


def test_the_pretend_shopify_is_asked_as_the_real_one() -> None:
    for name in ("stock", "goods", "levels", "market", "locations"):
        assert inspect.signature(getattr(PretendShopify, name)) == inspect.signature(getattr(AdminApi, name))
