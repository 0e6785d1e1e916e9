"""Checks: variants that something was told of are read again, shop by shop, and what follows from it happens.

Shops that can be asked are asked side by side, in bulk and outside every transaction. What Shopify does not answer
is postponed, never lost.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.values import Asked, Away, Check, Later, NoWord
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks.repository import watching
from restock.restocks.service.following import Following, TakeReading, kept_reading, load_shop
from restock.restocks.service.ports import StockSource
from restock.restocks.service.threads import ShopThreads
from restock.shops.values import Shop

CHECKS_PER_CLAIM = 250  # what one question takes
LEASE_SECONDS = 60.0  # longer than a question that is answered late, and everything that follows from it
PATIENCE_SECONDS = 2.0  # a shop that answers later than that is followed up in its thread, and nobody waits for it
THROTTLED_PATIENCE = 5  # claims in a row after which what webhooks told must do
SHORTEST_OUTAGE_SECONDS = 15.0
LONGEST_OUTAGE_SECONDS = 300.0


@dataclass(frozen=True)
class Checking:
    """Claim checks, ask, follow."""

    database: Database
    stock: StockSource
    threads: ShopThreads
    following: Following
    lease_seconds: float = LEASE_SECONDS

    def run(self, limit: int, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Look at up to about `limit` variants whose check is due; return how many were taken."""
        done, until = 0, time.monotonic() + patience_seconds
        served: set[int] = set()  # a shop with many checks lets the others go first
        while done < limit:
            checks, shops = self._claim(min(CHECKS_PER_CLAIM, limit - done), served)
            for shop_id, group in _by_shop(checks).items():
                self._start(shops.get(shop_id), group)
            done += len(checks)
            was_first, served = not served, served | {check.shop_id for check in checks} if checks else set()
            if not checks and was_first and not self.threads.wait(until - time.monotonic()):
                return done
        while self.threads.wait(until - time.monotonic()):
            pass
        return done

    def _claim(self, limit: int, served: Set[int]) -> tuple[Sequence[Check], dict[int, Shop]]:
        with self.database.transaction() as session:
            checks = catalog.claim_checks(session, limit, self.lease_seconds, {*served, *self.threads.busy()})
            shops = {shop_id: load_shop(session, shop_id) for shop_id in {check.shop_id for check in checks}}
        if checks:
            failpoint("check.claimed")
        return checks, {shop_id: shop for shop_id, shop in shops.items() if shop is not None}

    def _start(self, shop: Shop | None, checks: Sequence[Check]) -> None:
        if shop is not None and shop.is_installed and self.stock.can_ask(shop):
            self.threads.start(shop.id, partial(self._ask, shop, checks))
        else:
            self._follow_webhooks(checks)

    def _ask(self, shop: Shop, checks: Sequence[Check]) -> None:
        answer = self.stock.read(shop, [check.variant_id for check in checks])
        match answer:
            case Asked():
                self._follow_answer(shop, checks, answer)
            case Later(seconds):
                self._wait(shop, checks, seconds)
            case Away():
                self._bridge(checks)
            case NoWord():
                self._follow_webhooks(checks)
            case _:
                assert_never(answer)

    def _follow_answer(self, shop: Shop, checks: Sequence[Check], answer: Asked) -> None:
        """Follow those readings that may lead to something, each by itself; settle the other checks at once.

        Of the others it is asked last what they are: a level can only be told of a variant whose item is known.
        """
        with self.database.transaction() as session:
            undecided = watching.undecided(session, shop.id, [check.variant_id for check in checks])
            _settle(session, [check for check in checks if check.variant_id not in undecided], answer.look_again)
            markets = subscriptions.waiting_markets(session, shop.id, sorted(undecided))
        if undecided:
            self.stock.refresh_goods(shop, undecided, len(undecided))
            self.stock.refresh_markets(shop, undecided, markets)
        for check in checks:
            if check.variant_id in undecided:
                self._check(check, kept_reading, answer.look_again)
        if others := {check.variant_id for check in checks} - undecided - answer.unknown:
            self.stock.refresh_goods(shop, others)

    def _follow_webhooks(self, checks: Sequence[Check]) -> None:
        for check in checks:
            self._check(check, catalog.take_reading, {})

    def _check(self, check: Check, take: TakeReading, look_again: Mapping[int, float]) -> None:
        self.following.check(check, take, lambda session: _settle(session, [check], look_again))

    def _wait(self, shop: Shop, checks: Sequence[Check], seconds: float) -> None:
        """Come back when Shopify says so; what has been put off too often is bridged."""
        tired = [check for check in checks if check.attempts > THROTTLED_PATIENCE]
        with self.database.transaction() as session:
            catalog.postpone_checks(session, shop.id, checks, seconds)
        self._bridge(tired)

    def _bridge(self, checks: Sequence[Check]) -> None:
        """While Shopify does not answer, follow what webhooks have told since it last did; ask again soon."""
        for check in checks:
            wait = min(SHORTEST_OUTAGE_SECONDS * 2 ** (min(check.attempts, 10) - 1), LONGEST_OUTAGE_SECONDS)
            settle = partial(catalog.release_checks, shop_id=check.shop_id, checks=[check], seconds=wait)
            self.following.check(check, catalog.take_reading_if_told, settle)


def _settle(session: Session, checks: Sequence[Check], look_again: Mapping[int, float]) -> None:
    """End checks, and ask for those again that Shopify may yet have another word on."""
    for shop_id, group in _by_shop(checks).items():
        catalog.finish_checks(session, shop_id, group)
        again = {check.variant_id: look_again[check.variant_id] for check in group if check.variant_id in look_again}
        catalog.request_each(session, shop_id, again)


def _by_shop(checks: Sequence[Check]) -> dict[int, list[Check]]:
    groups: dict[int, list[Check]] = defaultdict(list)
    for check in checks:
        groups[check.shop_id].append(check)
    return groups
