"""What a segment costs, as the operator says. Pure; nothing here is a bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from restock.channels.sms.countries import countries_of

_DEAREST = Decimal(100)


@dataclass(frozen=True, slots=True)
class SegmentPrices:
    """Prices of one segment in one currency. `price` is for countries without their own; None: not known."""

    currency: str
    price: Decimal | None = None
    by_country: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, country: str | None) -> Decimal | None:
        """Choose the price for a country; None for the country: not known which."""
        return self.by_country.get(country or "", self.price)

    def of_number(self, number: str) -> Decimal | None:
        """Choose the price for a number (E.164): of several countries it may belong to, the dearest."""
        found = [price for country in countries_of(number) if (price := self.of(country)) is not None]
        return max(found, default=self.price)


def read_prices(text: str, currency: str) -> SegmentPrices:
    """Read `0.05,US=0.0083,GB=0.04`: a price for everywhere, and for some countries their own.

    Raises ValueError, which ends a sentence that begins with the setting's name.
    """
    price: Decimal | None = None
    by_country: dict[str, Decimal] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        country, equals, amount = word.rpartition("=")
        if not equals:
            price = _amount(amount)
        elif len(country) == 2 and country.isascii() and country.isalpha():
            by_country[country.upper()] = _amount(amount)
        else:
            raise ValueError(_SHAPE)
    return SegmentPrices(currency, price, by_country)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(_SHAPE) from None
    if not (amount.is_finite() and 0 <= amount <= _DEAREST):
        raise ValueError(_SHAPE)
    return amount


_SHAPE = "must be the price of a segment such as 0.0083, or prices by country such as 0.05,US=0.0083,GB=0.04"
