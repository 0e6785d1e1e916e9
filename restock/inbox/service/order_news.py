"""What orders lead to: those who bought are taken off the list, and the sale is owed to the message it followed.

Of a buyer who is on no list, nothing is kept; an order names everything about its buyer, so its text goes once it is
read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy.orm import Session

from restock.inbox import repository
from restock.inbox.rules.orders import ORDER_TOPICS, read_order
from restock.inbox.service.effects import Body, Effect, Origin, Step
from restock.shops import repository as shop_rows
from restock.shops.service import to_shop
from restock.shops.values import Shop
from restock.subscriptions.values import Order


class Purchases(Protocol):
    """What is done with an order: written down in the caller's transaction, followed up after it."""

    def record(self, session: Session, shop: Shop, order: Order) -> int: ...

    def close_due(self, limit: int = ...) -> int: ...


def order_effects(purchases: Purchases) -> tuple[Effect, ...]:
    """Say what the news of orders leads to; `create` and `paid` tell of the same order, either may be lost or first."""

    def ordered(session: Session, origin: Origin, body: Body) -> Step | None:
        row = shop_rows.by_id(session, origin.shop_id) if origin.shop_id is not None else None
        if row is None:
            return None
        shop = to_shop(row)
        order = read_order(body, origin.triggered_at, shop.settings.country)
        new = purchases.record(session, shop, order) if order else 0
        repository.empty_body(session, origin.message_id)
        return _once(purchases.close_due) if new else None

    return (Effect(ORDER_TOPICS, ordered),)


def _once(close_due: Callable[[], int]) -> Step:
    def step() -> None:
        close_due()

    return step
