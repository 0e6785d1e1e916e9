"""What recorded facts amount to, and where a variant's page is."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.catalog.rules import market_template, product_url, read_stock
from restock.catalog.values import VariantFacts
from restock.shops.values import PublicationCheck

ONLINE, ANY = PublicationCheck.online_store, PublicationCheck.any


def _levels(*levels: int, **more: object) -> VariantFacts:
    return VariantFacts(levels=levels, levels_known=True, **more)  # type: ignore[arg-type]


READINGS = [
    ("nothing is known", VariantFacts(), ONLINE, (False, 0)),
    ("three locations add up", _levels(3, 0, 4), ONLINE, (True, 7)),
    ("a location that owes units lowers the sum", _levels(3, -1), ONLINE, (True, 2)),
    ("a sum below nothing is nothing", _levels(3, -5), ONLINE, (False, 0)),
    ("stocked nowhere", _levels(), ONLINE, (False, 0)),
    ("levels go before the product's own count", _levels(0, inventory_quantity=9), ONLINE, (False, 0)),
    ("the product's count where no level is known", VariantFacts(inventory_quantity=9), ONLINE, (True, 9)),
    ("a negative count", VariantFacts(inventory_quantity=-2), ONLINE, (False, 0)),
    ("stock is not counted", VariantFacts(tracked=False), ONLINE, (True, None)),
    ("sold beyond stock", _levels(0, continues_selling=True), ONLINE, (True, None)),
    ("a draft", _levels(5, status="draft"), ONLINE, (False, 0)),
    ("an archived one without limit", VariantFacts(tracked=False, status="archived"), ONLINE, (False, 0)),
    ("an active one", _levels(5, status="active"), ONLINE, (True, 5)),
    ("by direct link only", _levels(5, status="unlisted"), ONLINE, (True, 5)),
    ("a status of tomorrow", _levels(5, status="paused"), ONLINE, (True, 5)),
    ("not on the online store", _levels(5, published=False), ONLINE, (False, 0)),
    ("not on the online store of a headless shop", _levels(5, published=False), ANY, (True, 5)),
    ("publication never told", _levels(5, published=None), ONLINE, (True, 5)),
    ("deleted", VariantFacts(tracked=False, deleted=True), ANY, (False, 0)),
]


@pytest.mark.parametrize(("facts", "check", "verdict"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_stock_is_read(facts: VariantFacts, check: PublicationCheck, verdict: tuple[bool, int | None]) -> None:
    assert read_stock(facts, check) == verdict


FACTS = st.builds(
    VariantFacts,
    levels=st.lists(st.integers(-(2**31), 2**31), max_size=5).map(tuple),
    levels_known=st.booleans(),
    inventory_quantity=st.none() | st.integers(-100, 100),
    tracked=st.booleans(),
    continues_selling=st.booleans(),
    status=st.sampled_from([None, "active", "draft", "archived", "unlisted"]),
    published=st.none() | st.booleans(),
    deleted=st.booleans(),
)


@given(FACTS, st.sampled_from(PublicationCheck))
def test_a_variant_is_sellable_exactly_when_there_are_units(facts: VariantFacts, check: PublicationCheck) -> None:
    verdict = read_stock(facts, check)
    assert verdict.sellable == (verdict.units is None or verdict.units > 0)
    assert verdict.units is None or verdict.units >= 0


@given(FACTS)
def test_asking_less_of_publication_never_hides_a_variant(facts: VariantFacts) -> None:
    assert not read_stock(facts, ONLINE).sellable or read_stock(facts, ANY) == read_stock(facts, ONLINE)


TEMPLATE = "https://{shop}/products/{handle}?variant={variant_id}"


def test_a_variants_page_is_the_template_filled() -> None:
    url = product_url(TEMPLATE, "demo.myshopify.com", "t-shirt", 2**60 + 1, 9)
    assert url == "https://demo.myshopify.com/products/t-shirt?variant=1152921504606846977"


@pytest.mark.parametrize(
    ("template", "base_url", "filled"),
    [
        (TEMPLATE, "https://shop.fr", "https://shop.fr/products/{handle}?variant={variant_id}"),
        (TEMPLATE, None, TEMPLATE),
        ("https://front.example/{handle}", "https://shop.fr", "https://front.example/{handle}"),
    ],
)
def test_a_markets_own_storefront_takes_the_shops_place(template: str, base_url: str | None, filled: str) -> None:
    assert market_template(template, base_url) == filled


@pytest.mark.parametrize("template", [TEMPLATE, "https://shop.example/p/{product_id}"])
def test_where_the_page_is_not_known_the_link_is_the_cart(template: str) -> None:
    assert product_url(template, "demo.myshopify.com", None, 42, None) == "https://demo.myshopify.com/cart/42:1"


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_no_handle_leaves_its_place_in_the_address(handle: str) -> None:
    parts = urlsplit(product_url(TEMPLATE, "demo.myshopify.com", handle, 42))
    assert parts.netloc == "demo.myshopify.com"
    assert parts.query == "variant=42"
    assert parts.path.count("/") == 2
