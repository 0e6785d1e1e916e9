"""What an order does to those who waited for its goods: their waiting is over, their turn is free, the sale is counted.

Writing an order down and following it up are two steps. The first is one insert in the transaction of whoever heard of
the order; the second ends one subscription a transaction, so that it can never wait in a ring with senders and
planners. It must never keep anything of a buyer who is on no list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol, assert_never

import structlog
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks.repository import purchases
from restock.shops.values import Shop
from restock.subscriptions.repository.purchases import listed_buyers, mark_purchased, standing
from restock.subscriptions.rules.purchases import Bought, Stranger, match_purchase
from restock.subscriptions.values import Order

log = structlog.get_logger(__name__)

LEASE_SECONDS = 60.0
_TRIES = 5


class Messages(Protocol):
    """Skip the messages of offers whose people have bought the goods, where they have not left yet."""

    def withdraw(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was bought of one variant on one day (UTC) after a message had said that it is back."""

    day: date
    variant_id: int
    currency: str
    order_count: int
    unit_count: int
    revenue_cents: int


@dataclass(frozen=True)
class PurchaseService:
    """The use cases of orders. `settle_seconds`: how long stock may settle before freed units are given on."""

    database: Database
    messages: Messages
    settle_seconds: float = 10.0
    lease_seconds: float = LEASE_SECONDS

    def record(self, session: Session, shop: Shop, order: Order) -> int:
        """Write down what people on a list have bought, in the caller's transaction; return how many lines are new.

        The same order may be told any number of times, by any topic.
        """
        listed = listed_buyers(session, shop.id, order) if order.lines else ()
        if not listed:
            return 0
        told = purchases.last_told(session, shop.id, [one.subscription_id for one in listed])
        window = timedelta(days=shop.settings.attribution_days)
        new = 0
        for line in order.lines:
            mine = [one for one in listed if one.variant_id == line.variant_id]
            match match_purchase(order.ordered_at, mine, told, window):
                case Bought() as bought:
                    new += purchases.record(session, shop.id, order, line, bought)
                case Stranger():
                    pass
                case other:
                    assert_never(other)
        return new

    def close_due(self, limit: int = 100) -> int:
        """End the waiting and the turns of people whose purchase was written down; return how many purchases."""
        with self.database.transaction() as session:
            due = purchases.claim_closing(session, limit, self.lease_seconds)
        if due:
            failpoint("purchases.claimed")
        for one in due:
            self._close_safely(one)
        return len(due)

    def recovered(self, shop_id: int, since: datetime, until: datetime) -> Sequence[Recovered]:
        """Sum the sales that followed a message, by day, variant and currency, `until` excluded."""
        with self.database.transaction() as session:
            return [Recovered(*row) for row in purchases.recovered(session, shop_id, since, until)]  # type: ignore[arg-type]

    def _close_safely(self, closing: purchases.Closing) -> None:
        try:
            if all(self._close(closing, subscription_id) for subscription_id in closing.to_close):
                with self.database.transaction() as session:
                    purchases.finish_closing(session, closing.id)
        except Exception:  # the door of one small job: the others go on, and this one comes back after its lease
            log.exception("purchase_not_followed_up", shop_id=closing.shop_id, purchase_id=closing.id)

    def _close(self, closing: purchases.Closing, subscription_id: int) -> bool:
        """End one subscription as bought; False when others changed it at every try."""
        for _ in range(_TRIES):
            try:
                with self.database.transaction() as session:
                    self._close_once(session, closing, subscription_id)
                    failpoint("purchases.before_commit")
                failpoint("purchases.after_commit")
            except _ChangedMeanwhileError:
                continue
            return True
        return False

    def _close_once(self, session: Session, closing: purchases.Closing, subscription_id: int) -> None:
        """Message, turn, waiting, stock: in the order in which everybody locks them."""
        shop_id = closing.shop_id
        seen = standing(session, shop_id, subscription_id)
        if seen is None:
            return
        open_ids = purchases.open_offers(session, shop_id, subscription_id)
        self.messages.withdraw(session, shop_id, open_ids)
        purchases.buy_offers(session, shop_id, subscription_id, open_ids, closing.offer_id)
        if not mark_purchased(session, shop_id, subscription_id, seen):
            raise _ChangedMeanwhileError
        # Not planned again at once: by the last reading the bought units would still be there, and be promised twice.
        catalog.request_checks(session, shop_id, [seen.variant_id], self.settle_seconds)


class _ChangedMeanwhileError(Exception):
    """The subscription was offered, told or ended between reading and writing: take everything back, look again."""
