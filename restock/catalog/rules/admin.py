"""What Shopify's own word about a variant amounts to, and when to ask again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from restock.catalog.values import AdminVerdict, ReadingBasis
from restock.shopify.values import LocationStock, VariantStock
from restock.shops.values import PublicationCheck

# Shopify's count of what can be bought online may lag behind the stock itself by minutes, at worst by a day.
LAG_LADDER_SECONDS = (60, 300, 1800, 6 * 3600, 24 * 3600)  # after the lag was first seen
_FOR_SALE = frozenset({"active", "unlisted"})
_GONE = AdminVerdict(sellable=False, units=0)


def read_admin_stock(stock: VariantStock | None, basis: ReadingBasis, chosen_units: int | None = None) -> AdminVerdict:
    """Say whether a variant can be bought online and how many units of it; `stock` None: Shopify does not know it.

    `chosen_units` are those of the locations the merchant chose, None where Shopify's own count is meant. A choice
    narrows that count and never goes beyond it: what Shopify does not sell, nobody can buy. How few units are worth an
    alert is the notification policy's business, not this rule's.
    """
    if stock is None or not is_for_sale(stock, basis.publication_check):
        return _GONE
    if not is_counted(stock):
        return AdminVerdict(sellable=True, units=None) if stock.available_for_sale else _GONE
    online = stock.sellable_online_quantity
    units = max(0, online if chosen_units is None else min(online, chosen_units))
    if stock.available_for_sale and units > 0:
        return AdminVerdict(sellable=True, units=units)
    return AdminVerdict(sellable=False, units=0, lagging=_lags(stock))


def is_for_sale(stock: VariantStock, publication_check: PublicationCheck) -> bool:
    """Say whether the product is meant to be bought online at all, whatever its stock."""
    published = publication_check is PublicationCheck.any or stock.has_online_page
    return stock.status in _FOR_SALE and published


def is_counted(stock: VariantStock) -> bool:
    """Say whether the variant ever sells out."""
    return stock.tracked and not stock.continues_selling


def chosen_units(
    stock: VariantStock, levels: Sequence[LocationStock], basis: ReadingBasis, usable: Collection[int]
) -> int | None:
    """Sum what the chosen locations have of a variant; None where the merchant chose none.

    `usable` are the locations that are active and fulfil online orders. One that owes units lowers the sum.
    """
    if not basis.locations:
        return None
    counted = basis.locations & frozenset(usable)
    return sum(
        level.available or 0
        for level in levels
        if level.inventory_item_id == stock.inventory_item_id and level.location_id in counted
    )


def next_look(lag_seconds: float) -> float | None:
    """Say in how many seconds to ask again about a variant that has lagged for so long; None: not on its account."""
    return next((rung - lag_seconds for rung in LAG_LADDER_SECONDS if rung > lag_seconds + 1), None)


def _lags(stock: VariantStock) -> bool:
    return (stock.inventory_quantity or 0) > 0 and stock.sellable_online_quantity <= 0
