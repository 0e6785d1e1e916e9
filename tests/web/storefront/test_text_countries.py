"""At sign-up a number is refused where the shop sends no text messages, and the answer says which field it is."""

from __future__ import annotations

import pytest

from restock.channels.sms.countries import allowed_countries, countries_of, is_allowed
from restock.channels.sms.prices import read_prices
from tests.web.storefront.conftest import Storefront
from tests.web.storefront.test_storefront_intents import post_body

INDIAN, GERMAN, JAMAICAN, CANADIAN, US = (
    "+918123676393",
    "+4915112345678",
    "+18765551234",
    "+16045551234",
    "+14155552671",
)
JERSEY, BRITISH = "+447797712345", "+447400123456"


@pytest.mark.parametrize(
    ("settings", "number", "status"),
    [
        ({}, INDIAN, 201),  # a shop that never said where it is
        ({"country": "DE"}, GERMAN, 201),
        ({"country": "DE"}, INDIAN, 400),
        ({"country": "US"}, CANADIAN, 201),
        ({"country": "US"}, JAMAICAN, 400),
        ({"country": "DE", "sms.countries": "any"}, INDIAN, 201),
        ({"country": "DE", "sms.countries": "IN"}, GERMAN, 400),
        ({"country": "DE", "markets": "5=IN"}, INDIAN, 201),
    ],
)
def test_a_number_is_taken_where_the_shop_writes_to(
    storefront: Storefront, settings: dict[str, str], number: str, status: int
) -> None:
    storefront.services.shops.change_settings(storefront.shop.domain, settings)
    answer = storefront.post(post_body(intent__channel="sms", customer__phone=number))
    assert answer.status_code == status
    if status == 400:
        (fault,) = answer.json["error"]["details"]
        assert (fault["field"], fault["code"]) == ("customer.phone", "COUNTRY_NOT_ALLOWED")
        assert number not in answer.get_data(as_text=True)
        assert storefront.rows("SELECT count(*) FROM contacts") == [(0,)]


def test_the_country_of_a_number_is_no_matter_for_another_channel(storefront: Storefront) -> None:
    storefront.services.shops.change_settings(storefront.shop.domain, {"country": "DE"})
    assert storefront.post(post_body(customer__phone=INDIAN)).status_code == 201


@pytest.mark.parametrize(
    ("chosen", "country", "markets", "ceiling", "expected"),
    [
        ((), None, (), (), None),
        ((), "DE", (), (), {"DE"}),
        ((), "GB", (), (), {"GB", "GG", "JE", "IM"}),
        ((), "CA", (), (), {"US", "CA", "PR", "VI", "GU", "AS", "MP"}),
        ((), "DE", ("AT", "FR"), (), {"DE", "AT", "FR"}),
        ((), None, ("AT",), (), {"AT"}),
        (("FR",), "DE", ("AT",), (), {"FR"}),
        (("any",), "DE", (), (), None),
        (("any",), "DE", (), ("DE", "AT"), {"DE", "AT"}),
        (("FR", "AT"), "DE", (), ("DE", "AT"), {"AT"}),
        (("FR",), "DE", (), ("DE",), set()),
        ((), None, (), ("DE",), {"DE"}),
    ],
)
def test_where_messages_may_go(
    chosen: tuple[str, ...],
    country: str | None,
    markets: tuple[str, ...],
    ceiling: tuple[str, ...],
    expected: set[str] | None,
) -> None:
    assert allowed_countries(chosen, country, markets, ceiling) == expected


@pytest.mark.parametrize(
    ("number", "allowed", "expected"),
    [
        (US, {"US"}, True),
        (CANADIAN, {"US"}, False),
        (JAMAICAN, {"US", "CA"}, False),
        (JERSEY, {"GB"}, False),
        (BRITISH, {"GB"}, True),
        (INDIAN, None, True),
        (INDIAN, set(), False),
        ("+882161234567", {"US"}, False),  # of no country
        ("nonsense", {"US"}, False),
        ("+10005551234", {"US"}, True),  # of no known place, but of this calling code
    ],
)
def test_a_number_belongs_to_its_country_not_to_its_calling_code(
    number: str, allowed: set[str] | None, expected: bool
) -> None:
    assert is_allowed(number, allowed) is expected


def test_prices_are_read_by_country_and_the_dearest_counts_where_a_number_may_be_in_several() -> None:
    prices = read_prices("0.05, US=0.0083,ca=0.01", "USD")
    assert [str(prices.of(country)) for country in ("US", "CA", "FR", None)] == ["0.0083", "0.01", "0.05", "0.05"]
    assert str(prices.of_number(US)) == "0.0083"
    assert str(prices.of_number("+10005551234")) == "0.05"
    assert countries_of("+10005551234") > {"US", "CA"}
    assert read_prices("", "USD").of("US") is None


@pytest.mark.parametrize("text", ["x", "US=", "USA=1", "=1", "1000", "-1", "US=nan", "inf", "U1=3"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be the price of a segment"):
        read_prices(text, "USD")
