"""What this room needs of others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sqlalchemy.orm import Session

from restock.catalog.values import Answer, NoWord
from restock.channels.values import ChannelName
from restock.restocks.values import OfferNotice, OfferRef
from restock.shops.values import Shop


class Notices(Protocol):
    """The messages of offers, in the caller's transaction: queued with their offers, taken back with them.

    `take_back` skips those that have not left yet and returns their offers; the others may be on their way. `reason` is
    `asleep` or `event_closed`. `offer_of` says what a message was about, None for any other message. `waiting` lists
    the messages that wait for an hour or a day the shop has chosen, and `wake` has them decided about again now.
    """

    def add(self, session: Session, notices: Sequence[OfferNotice]) -> None: ...

    def take_back(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> set[int]: ...

    def offer_of(self, session: Session, delivery_id: int) -> OfferRef | None: ...

    def waiting(self, session: Session, shop_id: int, channels: Sequence[ChannelName]) -> Sequence[int]: ...

    def wake(self, session: Session, shop_id: int, message_ids: Sequence[int]) -> None: ...


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
