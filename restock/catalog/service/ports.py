"""What this room needs of others: access to a shop, and somebody who asks Shopify."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from restock.shopify.values import Access, Location, LocationStock, MarketView, VariantGoods, VariantStock
from restock.shops.values import Shop

T = TypeVar("T")


class Tokens(Protocol):
    """Access to shops' Admin API."""

    def has_access(self, shop: Shop) -> bool:
        """Say whether there is a token to ask with."""
        ...

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        """Put a question with a good token; raises NoAccessError or any AdminError. Call it outside transactions."""
        ...


class Admin(Protocol):
    """The questions of `restock.shopify.port.AdminApi` that this room puts."""

    def stock(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantStock]: ...

    def goods(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantGoods]: ...

    def levels(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, Sequence[LocationStock]]: ...

    def market(self, access: Access, variant_ids: Collection[int], country: str) -> Mapping[int, MarketView]: ...

    def locations(self, access: Access) -> Sequence[Location]: ...
