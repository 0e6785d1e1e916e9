"""Gathering what Shopify says of variants: their stock, and where it lies if the merchant chose locations.

Only questions and answers: no database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from restock.catalog.rules import admin as rules
from restock.catalog.service.ports import Admin, Tokens
from restock.catalog.values import AdminVerdict, ReadingBasis
from restock.shopify.port import MOST_LEVEL_IDS, MOST_STOCK_IDS
from restock.shopify.values import LocationStock, VariantStock

LOCATIONS_FOR_SECONDS = 600.0
_MOST_SHOPS = 1_000


@dataclass(frozen=True, slots=True)
class Word:
    """What Shopify said of some variants. `levels` are None where nobody asked for them."""

    stock: Mapping[int, VariantStock]
    levels: Mapping[int, Sequence[LocationStock]] | None = None
    usable: frozenset[int] = frozenset()

    def verdict(self, variant_id: int, basis: ReadingBasis) -> AdminVerdict:
        """Say what it amounts to for one variant, by these choices of the merchant."""
        stock = self.stock.get(variant_id)
        if stock is None or self.levels is None:
            return rules.read_admin_stock(stock, basis)
        units = rules.chosen_units(stock, self.levels.get(variant_id, ()), basis, self.usable)
        return rules.read_admin_stock(stock, basis, units)


@dataclass(frozen=True)
class Asker:
    """Put the questions about stock to one shop at a time. Safe across threads."""

    tokens: Tokens
    admin: Admin
    ticks: Callable[[], float] = time.monotonic
    _locations: dict[int, tuple[float, frozenset[int]]] = field(default_factory=dict)

    def ask(self, shop_id: int, variant_ids: Sequence[int], *, by_location: bool) -> Word:
        """Ask about variants; raises NoAccessError or any AdminError."""
        stock: dict[int, VariantStock] = {}
        for some in in_portions(variant_ids, MOST_STOCK_IDS):
            stock |= self.tokens.ask(shop_id, partial(self.admin.stock, variant_ids=some))
        if not by_location:
            return Word(stock)
        counted = [one.variant_id for one in stock.values() if one.available_for_sale and rules.is_counted(one)]
        levels: dict[int, Sequence[LocationStock]] = {}
        for some in in_portions(counted, MOST_LEVEL_IDS):
            levels |= self.tokens.ask(shop_id, partial(self.admin.levels, variant_ids=some))
        return Word(stock, levels, self._usable(shop_id) if counted else frozenset())

    def _usable(self, shop_id: int) -> frozenset[int]:
        """Find the locations that are switched on and fulfil online orders; remembered for a while."""
        until, usable = self._locations.get(shop_id, (0.0, frozenset()))
        if self.ticks() < until:
            return usable
        found = self.tokens.ask(shop_id, self.admin.locations)
        usable = frozenset(one.location_id for one in found if one.is_active and one.fulfills_online_orders)
        if len(self._locations) >= _MOST_SHOPS:
            self._locations.clear()
        self._locations[shop_id] = (self.ticks() + LOCATIONS_FOR_SECONDS, usable)
        return usable


def in_portions(ids: Collection[int], size: int) -> Iterator[Sequence[int]]:
    """Cut ids into portions that one question takes."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
