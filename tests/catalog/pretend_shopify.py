"""A Shopify that answers what a test has put in, counts what it is asked, and can refuse or hang."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from restock.shopify.values import Access, Location, LocationStock, MarketView, VariantGoods, VariantStock
from restock.shops.values import Shop

T = TypeVar("T")
LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)


def stock_of(variant_id: int, units: int = 0, **more: object) -> VariantStock:
    """An active, published, counted variant with so many units."""
    plain = VariantStock(
        variant_id=variant_id,
        product_id=variant_id,
        inventory_item_id=variant_id,
        status="active",
        has_online_page=True,
        available_for_sale=units > 0,
        continues_selling=False,
        tracked=True,
        inventory_quantity=units,
        sellable_online_quantity=units,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def goods_of(variant_id: int, **more: object) -> VariantGoods:
    """A mug that was changed long ago."""
    plain = VariantGoods(
        variant_id=variant_id,
        product_id=variant_id,
        inventory_item_id=variant_id,
        title="Green",
        sku="MUG-G",
        price_cents=1250,
        image_url=None,
        inventory_policy="deny",
        tracked=True,
        product_title="Mug",
        handle="mug",
        vendor="Potters",
        status="active",
        online_store_url="https://shop.example/products/mug",
        product_image_url=None,
        variant_count=2,
        product_updated_at=LONG_AGO,
        variant_updated_at=LONG_AGO,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


@dataclass
class PretendShopify:
    """Both ports of the catalog: access for the shops that are `let_in` (None: all), and the answers."""

    let_in: set[int] | None = None
    shelf: dict[int, VariantStock] = field(default_factory=dict)
    things: dict[int, VariantGoods] = field(default_factory=dict)
    places: list[Location] = field(default_factory=list)
    kept: dict[int, list[LocationStock]] = field(default_factory=dict)
    unsold: set[tuple[int, str]] = field(default_factory=set)  # (variant, country)
    wrong: list[Exception] = field(default_factory=list)  # raised by the next questions, one each
    always_wrong: dict[str, Exception] = field(default_factory=dict)  # by question
    hang: dict[str, threading.Event] = field(default_factory=dict)  # by domain: no answer until it is set
    meanwhile: Callable[[], None] = lambda: None  # happens while an answer about stock is on its way
    asked: Counter[str] = field(default_factory=Counter)
    portions: list[int] = field(default_factory=list)
    domains: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, *stocks: VariantStock) -> None:
        self.shelf |= {one.variant_id: one for one in stocks}

    def has_access(self, shop: Shop) -> bool:
        self.domains[shop.id] = shop.domain
        return self.let_in is None or shop.id in self.let_in

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        return question(Access(self.domains.get(shop_id, "demo.myshopify.com"), "token"))

    def stock(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantStock]:
        self._note("stock", access, variant_ids)
        found = {one: self.shelf[one] for one in variant_ids if one in self.shelf}
        self.meanwhile()
        return found

    def goods(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantGoods]:
        self._note("goods", access, variant_ids)
        return {one: self.things[one] for one in variant_ids if one in self.things}

    def levels(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, Sequence[LocationStock]]:
        self._note("levels", access, variant_ids)
        return {one: self.kept.get(one, []) for one in variant_ids}

    def market(self, access: Access, variant_ids: Collection[int], country: str) -> Mapping[int, MarketView]:
        self._note("market", access, variant_ids)
        return {one: MarketView(one, (one, country) not in self.unsold, 999, "EUR") for one in variant_ids}

    def locations(self, access: Access) -> Sequence[Location]:
        self._note("locations", access, ())
        return self.places

    def _note(self, question: str, access: Access, ids: Collection[int]) -> None:
        with self.lock:
            self.asked[question] += 1
            if question == "stock":
                self.portions.append(len(ids))
            error = self.always_wrong.get(question) or (self.wrong.pop(0) if self.wrong else None)
        if waiting := self.hang.get(access.domain):
            waiting.wait(120)
        if error is not None:
            raise error
