"""Gathering what Shopify says of variants: their stock, and where it lies if the merchant chose locations.

Only questions and answers: no database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from restock.catalog.rules import admin as rules
from restock.catalog.service.ports import Admin, Tokens
from restock.catalog.values import AdminVerdict, ReadingBasis
from restock.shopify.errors import AdminThrottledError
from restock.shopify.port import MOST_LEVEL_IDS, MOST_STOCK_IDS
from restock.shopify.values import LocationStock, VariantStock

LOCATIONS_FOR_SECONDS = 600.0
_MOST_SHOPS = 1_000


@dataclass(frozen=True, slots=True)
class Word:
    """What Shopify said of some variants. `levels` are None where nobody asked for them.

    `left` are those there were no points for; there will be after `wait_seconds`.
    """

    stock: Mapping[int, VariantStock]
    levels: Mapping[int, Sequence[LocationStock]] | None = None
    usable: frozenset[int] = frozenset()
    answered: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset()
    wait_seconds: float = 0.0

    def joined(self, more: Word) -> Word:
        """Put what was said of more variants beside it."""
        levels = {**(self.levels or {}), **(more.levels or {})}
        return Word({**self.stock, **more.stock}, levels, self.usable | more.usable, self.answered | more.answered)

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
        """Ask about variants; raises NoAccessError or any AdminError when nothing was answered.

        Locations cost ten times as much, so they are asked about in small portions: what the shop's points do not
        cover is left.
        """
        if not by_location:
            return Word(self._stock(shop_id, variant_ids, MOST_STOCK_IDS))
        word = Word({}, {})
        for some in in_portions(variant_ids, MOST_LEVEL_IDS):
            try:
                word = word.joined(self._by_location(shop_id, some))
            except AdminThrottledError as error:
                if not word.answered:
                    raise
                left = frozenset(variant_ids) - word.answered
                return replace(word, left=left, wait_seconds=error.wait_seconds)
        return word

    def _by_location(self, shop_id: int, variant_ids: Sequence[int]) -> Word:
        stock = self._stock(shop_id, variant_ids, MOST_LEVEL_IDS)
        counted = [one.variant_id for one in stock.values() if one.available_for_sale and rules.is_counted(one)]
        if not counted:
            return Word(stock, {}, answered=frozenset(variant_ids))
        levels = self.tokens.ask(shop_id, partial(self.admin.levels, variant_ids=counted))
        return Word(stock, levels, self._usable(shop_id), answered=frozenset(variant_ids))

    def _stock(self, shop_id: int, variant_ids: Sequence[int], size: int) -> Mapping[int, VariantStock]:
        stock: dict[int, VariantStock] = {}
        for some in in_portions(variant_ids, size):
            stock |= self.tokens.ask(shop_id, partial(self.admin.stock, variant_ids=some))
        return stock

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
