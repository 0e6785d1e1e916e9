"""What this room needs of others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sqlalchemy.orm import Session

from restock.catalog.values import Answer, NoWord
from restock.restocks.values import OfferNotice
from restock.shops.values import Shop


class Notices(Protocol):
    """Queue the messages of new offers, in the transaction that makes the offers."""

    def add(self, session: Session, notices: Sequence[OfferNotice]) -> None: ...


class StockSource(Protocol):
    """Somebody who asks Shopify and keeps the readings. Called outside transactions, by several threads at once."""

    def can_ask(self, shop: Shop) -> bool: ...

    def read(self, shop: Shop, variant_ids: Collection[int]) -> Answer: ...

    def refresh_goods(self, shop: Shop, variant_ids: Collection[int], most: int = ...) -> int: ...

    def refresh_markets(self, shop: Shop, variant_ids: Collection[int], market_ids: Collection[int]) -> int: ...


class WebhooksOnly:
    """Nobody can be asked: what webhooks tell is all there is."""

    def can_ask(self, shop: Shop) -> bool:  # noqa: ARG002 (the port's)
        return False

    def read(self, shop: Shop, variant_ids: Collection[int]) -> Answer:  # noqa: ARG002 (the port's)
        return NoWord()

    def refresh_goods(self, shop: Shop, variant_ids: Collection[int], most: int = 0) -> int:  # noqa: ARG002 (the port's)
        return 0

    def refresh_markets(self, shop: Shop, variant_ids: Collection[int], market_ids: Collection[int]) -> int:  # noqa: ARG002 (the port's)
        return 0
