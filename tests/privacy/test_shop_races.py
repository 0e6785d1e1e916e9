"""A shop is erased while everything else happens to it, by real threads on committed data.

Whoever is first: nothing waits in a ring, nothing fails, and nothing of the shop is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.catalog.service import CatalogService
from restock.catalog.values import Answer, Asked, Check, ReadingSource, StockReading
from restock.channels.values import ChannelName
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.links import Vault
from restock.privacy.rules.registry import REGISTRY, Paging
from restock.privacy.service import PrivacyService
from restock.privacy.values import NewRequest, RequestKind
from restock.restocks.service import RestockService
from restock.restocks.service.following import Following
from restock.restocks.service.purchases import PurchaseService
from restock.shops.values import Shop
from restock.subscriptions.values import ContactFacts, Order, OrderLine, Provenance, Signup
from tests.catalog.pretend_shopify import PretendShopify, goods_of, stock_of
from tests.log_lines import log_lines
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import KEY, VARIANT, Store

VARIANTS = range(VARIANT, VARIANT + 6)
PEOPLE = 8


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    with no_deadlock(store.database):
        yield store
    store.close()


def busy_shop(store: Store, number: int) -> None:
    """A shop with restocks at every stage: told, sold out, bought, running, and just found out."""
    store.shop = store.shops.add(f"demo-{number}")
    store.set(policy="strict", send_hours__sms="any")
    for variant in VARIANTS:
        for person in range(PEOPLE):
            address = f"ada{person}@example.com"
            contact = ContactFacts(ChannelName.email, address, address_hash("email", address))
            wish = Signup(variant, VARIANT, 0, 1, "api", contact)
            store.subscriptions.register(store.shop, wish, Provenance())
    for variant in VARIANTS[:4]:
        store.stock(3, variant=variant)
    store.check()
    store.send()
    for variant in VARIANTS[:2]:
        store.stock(0, variant=variant)
    for variant in VARIANTS[4:]:
        store.stock(3, variant=variant)
    line = OrderLine(number * 10 + 1, VARIANTS[2], 1, 500)
    hashes = frozenset({address_hash("email", "ada0@example.com")})
    with store.database.transaction() as session:
        order = Order(number + 1, datetime.now(UTC), "EUR", (line,), None, hashes)
        PurchaseService(store.database, DeliveryNotices(), 0).record(session, store.shop, order)
    store.pass_time("offers", "ends_at", 9999)


def again(store: Store, service: RestockService, purchases: PurchaseService) -> None:
    """Do all that the stock worker and the sweeper do, a few times."""
    for _ in range(4):
        with store.database.transaction() as session:
            catalog.request_checks(session, store.shop.id, VARIANTS, 0)
        service.check_due()
        service.plan_due()
        service.end_turns(3)
        service.reconcile()
        service.reconcile_due()
        purchases.close_due(2)


def erase(store: Store, privacy: PrivacyService, leave: Callable[[], object]) -> None:
    """Have the shop leave and everything of it erased, piece by piece."""
    leave()
    request = NewRequest(store.shop.domain, RequestKind.shop_redact)
    store.in_transaction(lambda session: privacy.receive(session, request))
    while privacy.work_due(0) == 0:
        pass


@pytest.mark.parametrize("is_away", [True, False], ids=["it has left before", "it leaves now"])
def test_erasing_a_shop_meets_all_that_is_done_about_its_stock(store: Store, is_away: bool) -> None:
    privacy = PrivacyService(store.database, Vault([KEY]), store.restocks, 365)
    purchases = PurchaseService(store.database, DeliveryNotices(), 0)
    for number in rounds(4):
        busy_shop(store, number)
        leave = partial(
            store.sql, "UPDATE shops SET state = 'uninstalled' WHERE id = :id RETURNING id", id=store.shop.id
        )
        if is_away:
            leave()
        service = RestockService(store.database, DeliveryNotices(), page_size=2)
        with log_lines() as lines:
            race(partial(erase, store, privacy, leave), *[partial(again, store, service, purchases)] * 3)
        assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
        for table, rule in REGISTRY.items():
            if rule.paging not in (Paging.domain, Paging.once):
                assert store.sql(f"SELECT * FROM {table} WHERE shop_id = :id", id=store.shop.id) == [], table
        assert store.sql("SELECT id FROM shops WHERE id = :id", id=store.shop.id) == []


@dataclass
class ErasedMeanwhile:
    """Shopify, answering for a shop that is erased before its answer is written down, or right after."""

    source: CatalogService
    erase: Callable[[], None]
    first: bool

    def can_ask(self, shop: Shop) -> bool:
        return self.source.can_ask(shop)

    def read(self, shop: Shop, variant_ids: Collection[int]) -> Answer:
        if self.first:
            self.erase()
        answer = self.source.read(shop, variant_ids)
        self.erase()
        again = dict.fromkeys(variant_ids, 60.0)
        return replace(answer, look_again=again) if isinstance(answer, Asked) else answer

    def refresh_goods(self, shop: Shop, variant_ids: Collection[int], most: int = 0) -> int:
        return self.source.refresh_goods(shop, variant_ids, most)

    def refresh_markets(self, shop: Shop, variant_ids: Collection[int], market_ids: Collection[int]) -> int:
        return self.source.refresh_markets(shop, variant_ids, market_ids)


@pytest.mark.parametrize("first", [True, False], ids=["before the answer", "behind the answer"])
@pytest.mark.parametrize("ask", ["check", "pass"])
def test_a_shop_that_is_erased_while_it_is_asked_is_left_alone(store: Store, ask: str, first: bool) -> None:
    """Nobody is called for what was written of nobody."""
    shopify = PretendShopify()
    shopify.put(stock_of(VARIANT, 3))
    shopify.things[VARIANT] = goods_of(VARIANT)
    erase = partial(store.sql, "DELETE FROM shops WHERE id = :id RETURNING id", id=store.shop.id)
    source = ErasedMeanwhile(CatalogService(store.database, shopify, shopify), erase, first)
    store.restocks = RestockService(store.database, DeliveryNotices(), stock=source)
    store.join(2)
    with log_lines() as lines:
        if ask == "check":
            store.stock(3)
            store.check()
        else:
            store.restocks.reconcile()
            store.pass_over()
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [line["event"] for line in lines if line["event"] == "shop_gone"] == ["shop_gone"]
    assert store.sql("SELECT id FROM shops") == []


def test_a_shop_that_is_erased_while_its_reading_is_followed_is_left_alone(store: Store) -> None:
    store.join(2)

    def take(session: Session, shop: Shop, variant_id: int) -> StockReading:
        store.sql("DELETE FROM shops WHERE id = :id RETURNING id", id=shop.id)
        return StockReading(shop.id, variant_id, True, 3, ReadingSource.webhook, datetime.now(UTC))

    def look_again(session: Session) -> None:
        catalog.request_checks(session, store.shop.id, [VARIANT], 60)

    with log_lines() as lines:
        Following(store.database).check(Check(store.shop.id, VARIANT, 0), take, look_again)
    assert [line["event"] for line in lines] == ["shop_gone"]
