"""Yeses on their way into a shop's customer list, on a real database, with a Shopify that remembers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from restock.database import Database
from restock.ids import address_hash
from restock.inbox.service import InboxService
from restock.inbox.service.consent_news import consent_effects
from restock.inbox.values import InboxMessage
from restock.shopify.errors import (
    AdminForbiddenError,
    AdminRefusedError,
    AdminThrottledError,
    AdminUnavailableError,
    NoAccessError,
)
from restock.shopify.values import Access, MarketingState, ShopCustomer
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.service.marketing import MarketingWriteBack
from restock.subscriptions.values import SuppressionReason
from tests.restocks.store import together
from tests.subscriptions.conftest import Register, Rows

T = TypeVar("T")
Said = tuple[int, str, bool]


@dataclass
class FakeShopify:
    """A shop's customers by address, and what was written; `failures` are raised one by one before any answer."""

    customers: dict[str, ShopCustomer] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        with self.lock:
            self.asked.append(shop_id)
            if self.failures:
                raise self.failures.pop(0)
        return question(Access("demo.myshopify.com", "a-token"))

    def customer(self, _: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer | None:
        return self.customers.get(email or phone or "")

    def add_customer(self, _: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer:
        address = email or phone or ""
        return self.customers.setdefault(address, ShopCustomer(len(self.customers) + 100, None, None))

    def consent_to_email(self, _: Access, customer_id: int, said_at: str, *, confirmed: bool) -> None:
        self.said.append((customer_id, said_at, confirmed))

    def knows(self, address: str, state: MarketingState | None) -> None:
        self.customers[address] = ShopCustomer(7, state, MarketingState.unsubscribed)


@pytest.fixture
def shopify() -> FakeShopify:
    return FakeShopify()


@pytest.fixture
def marketing(database: Database, shopify: FakeShopify) -> MarketingWriteBack:
    return MarketingWriteBack(database, shopify, shopify)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _granted(shop: Shop, rows: Rows) -> None:
    """The shop lets customers be written."""
    rows("UPDATE shops SET access = 'granted', scopes = '{read_products,write_customers}' WHERE id = %s", shop.id)


@pytest.fixture
def writes(rows: Rows) -> Callable[[], list[tuple[Any, ...]]]:
    return lambda: rows("SELECT state, reason, attempts FROM marketing_writes ORDER BY id")


Writes = Callable[[], list[tuple[Any, ...]]]


def run(marketing: MarketingWriteBack) -> int:
    marketing.take_new()
    return marketing.run()


def test_a_ticked_box_makes_a_customer_with_a_yes(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, writes: Writes, rows: Rows
) -> None:
    register(accepts_marketing=True)
    assert run(marketing) == 1
    ((customer_id, said_at, confirmed),) = shopify.said
    assert (customer_id, confirmed) == (100, False)
    when = rows("SELECT to_char(said_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM consents WHERE purpose = 'marketing'")
    assert said_at == when[0][0]
    assert writes() == [("written", None, 0)]
    assert run(marketing) == 0
    assert len(shopify.said) == 1


@pytest.mark.parametrize("said", [None, False])
def test_without_a_tick_nobody_is_asked(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, said: bool | None
) -> None:
    register(accepts_marketing=said)
    assert run(marketing) == 0
    assert shopify.asked == []


def test_a_confirmed_address_is_a_confirmed_yes(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, rows: Rows
) -> None:
    register(accepts_marketing=True)
    rows("UPDATE contacts SET confirmed_at = now()")
    run(marketing)
    assert [confirmed for _, _, confirmed in shopify.said] == [True]


@pytest.mark.parametrize(
    ("state", "count", "outcome"),
    [
        (MarketingState.not_subscribed, 1, ("written", None, 0)),
        (MarketingState.pending, 1, ("written", None, 0)),
        (MarketingState.subscribed, 0, ("written", "subscribed_already", 0)),
        (MarketingState.unsubscribed, 0, ("skipped", "shopify_unsubscribed", 0)),
        (MarketingState.redacted, 0, ("skipped", "shopify_redacted", 0)),
    ],
)
def test_what_shopify_knows_decides(
    *,
    register: Register,
    marketing: MarketingWriteBack,
    shopify: FakeShopify,
    writes: Writes,
    state: MarketingState,
    count: int,
    outcome: tuple[Any, ...],
) -> None:
    shopify.knows("ada@example.com", state)
    register(accepts_marketing=True)
    run(marketing)
    assert len(shopify.said) == count
    assert writes() == [outcome]


def test_an_earlier_no_of_ours_is_never_overwritten(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify
) -> None:
    register(accepts_marketing=False)
    register(variant_id=112, accepts_marketing=True)
    assert run(marketing) == 0
    assert shopify.asked == []


def test_a_no_between_the_tick_and_the_writing_is_heard(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, writes: Writes
) -> None:
    register(accepts_marketing=True)
    marketing.take_new()
    register(variant_id=112, accepts_marketing=False)
    marketing.run()
    assert shopify.said == []
    assert writes() == [("skipped", "refused", 0)]


@pytest.mark.parametrize(
    ("meanwhile", "outcome"),
    [
        ("UPDATE contacts SET marketing = 'refused'", [("skipped", "refused", 0)]),
        ("DELETE FROM contacts", []),
    ],
    ids=["refused", "erased"],
)
def test_a_word_that_changes_while_shopify_is_asked_is_heard(
    *,
    register: Register,
    marketing: MarketingWriteBack,
    shopify: FakeShopify,
    writes: Writes,
    rows: Rows,
    meanwhile: str,
    outcome: list[tuple[Any, ...]],
) -> None:
    register(accepts_marketing=True)
    real = shopify.customer

    def slow(access: Access, **address: Any) -> ShopCustomer | None:
        rows(meanwhile)
        return real(access, **address)

    shopify.customer = slow  # type: ignore[method-assign]
    run(marketing)
    assert (shopify.customers, shopify.said) == ({}, [])
    assert writes() == outcome


def test_an_address_that_must_not_be_written_to_is_not_recommended(
    *,
    register: Register,
    marketing: MarketingWriteBack,
    shopify: FakeShopify,
    writes: Writes,
    suppress: Callable[[SuppressionReason], None],
) -> None:
    register(accepts_marketing=True)
    suppress(SuppressionReason.complained)
    run(marketing)
    assert (shopify.asked, writes()) == ([], [("skipped", "suppressed", 0)])


def test_a_shop_that_does_not_let_us_waits_at_no_cost_and_is_served_once_it_does(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, rows: Rows
) -> None:
    rows("UPDATE shops SET scopes = '{read_customers}'")
    register(accepts_marketing=True)
    assert run(marketing) == 0
    rows("UPDATE shops SET scopes = '{write_customers}', access = 'needs_reauth'")
    assert run(marketing) == 0
    assert shopify.asked == []
    rows("UPDATE shops SET access = 'granted'")
    assert run(marketing) == 1
    assert len(shopify.said) == 1


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (AdminUnavailableError(), ("due", "AdminUnavailableError", 1)),
        (AdminThrottledError(30), ("due", "throttled", 0)),
        (AdminForbiddenError(), ("due", "no_access", 0)),
        (NoAccessError(), ("due", "no_access", 0)),
        (AdminRefusedError(), ("failed", "refused_by_shopify", 0)),
    ],
)
def test_a_failure_leaves_it_for_later_or_says_why_not(
    *,
    register: Register,
    marketing: MarketingWriteBack,
    shopify: FakeShopify,
    writes: Writes,
    failure: Exception,
    outcome: tuple[Any, ...],
    rows: Rows,
) -> None:
    shopify.failures = [failure]
    register(accepts_marketing=True)
    run(marketing)
    assert writes() == [outcome]
    assert run(marketing) == 0  # its time has not come
    rows("UPDATE marketing_writes SET next_at = now()")
    run(marketing)
    assert len(shopify.said) == (outcome[0] == "due")


def test_a_shop_that_is_throttled_is_left_alone_with_the_rest_of_its_yeses(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify
) -> None:
    shopify.failures = [AdminThrottledError(30)]
    for number in range(3):
        register(f"ada{number}@example.com", accepts_marketing=True)
    assert run(marketing) == 1
    assert len(shopify.asked) == 1


def test_what_fails_for_days_is_given_up_and_says_so(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, writes: Writes, rows: Rows
) -> None:
    register(accepts_marketing=True)
    shopify.failures = [AdminUnavailableError() for _ in range(9)]
    for _ in range(9):
        run(marketing)
        rows("UPDATE marketing_writes SET next_at = now()")
    assert writes() == [("failed", "AdminUnavailableError", 5)]
    assert len(shopify.asked) == 6


def test_a_later_yes_is_looked_at_again(
    register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, writes: Writes
) -> None:
    shopify.knows("ada@example.com", MarketingState.invalid)
    register(accepts_marketing=True)
    run(marketing)
    shopify.knows("ada@example.com", MarketingState.not_subscribed)
    register(variant_id=112, accepts_marketing=True)
    run(marketing)
    assert writes() == [("written", None, 0)]
    assert len(shopify.said) == 1


def test_several_processes_at_once_write_each_yes_once(
    database: Database, register: Register, shopify: FakeShopify
) -> None:
    for number in range(30):
        register(f"ada{number}@example.com", accepts_marketing=True)
    services = [MarketingWriteBack(database, shopify, shopify) for _ in range(4)]  # type: ignore[arg-type]
    assert together(*[lambda service=service: run(service) for service in services]) == []
    assert len(shopify.said) == 30
    assert len({customer for customer, _, _ in shopify.said}) == 30


def test_whoever_lost_the_lease_settles_nothing(
    *, register: Register, marketing: MarketingWriteBack, shopify: FakeShopify, writes: Writes, rows: Rows, shop: Shop
) -> None:
    """A call that took longer than its lease does not overwrite what came of the next try."""
    register(accepts_marketing=True)
    marketing.take_new()
    real = shopify.customer

    def slow(access: Access, **address: Any) -> ShopCustomer | None:
        rows("UPDATE marketing_writes SET next_at = now() + interval '1 hour'")
        return real(access, **address)

    shopify.customer = slow  # type: ignore[method-assign]
    marketing.write_shop(shop.id)
    assert writes() == [("due", None, 0)]


def test_more_yeses_than_one_taking_holds_are_all_taken(register: Register, marketing: MarketingWriteBack) -> None:
    for number in range(7):
        register(f"ada{number}@example.com", accepts_marketing=True)
    assert [marketing.take_new(limit=3) for _ in range(4)] == [3, 3, 1, 0]


def test_an_erased_contact_takes_its_yes_along(
    register: Register, marketing: MarketingWriteBack, rows: Rows, writes: Writes
) -> None:
    register(accepts_marketing=True)
    marketing.take_new()
    rows("DELETE FROM contacts")
    assert marketing.run() == 0
    assert writes() == []


@pytest.fixture
def inbox(database: Database, marketing: MarketingWriteBack) -> InboxService:
    return InboxService(database, 0, consent_effects(marketing))


@pytest.fixture
def said_no(inbox: InboxService, shop: Shop) -> Iterator[Callable[[str], None]]:
    def tell(address: str) -> None:
        body = {
            "customer_id": 7,
            "email_address": address,
            "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2026-11-02T12:00:00Z"},
        }
        topic = "customers_email_marketing_consent/update"
        inbox.receive(InboxMessage(shop.domain, uuid4().hex, topic, json.dumps(body).encode()))
        assert inbox.apply_due() == 1

    return tell


def test_a_no_at_shopify_is_ours_and_leaves_the_alerts_alone(
    register: Register, said_no: Callable[[str], None], rows: Rows, marketing: MarketingWriteBack, shopify: FakeShopify
) -> None:
    register(accepts_marketing=True)
    said_no("Ada@Example.com")
    said_no("ada@example.com")
    assert rows("SELECT marketing, suppression FROM contacts") == [("refused", None)]
    assert rows("SELECT state FROM subscriptions") == [("active",)]
    ledger = (
        "SELECT action, source, said_at = '2026-11-02T12:00:00Z' FROM consents WHERE purpose = 'marketing' ORDER BY id"
    )
    assert rows(ledger) == [("granted", "api", False), ("refused", "shopify", True)]
    register(variant_id=112, accepts_marketing=True)
    assert run(marketing) == 0
    assert shopify.asked == []


def test_the_no_of_somebody_unknown_leaves_nothing_behind(said_no: Callable[[str], None], rows: Rows) -> None:
    said_no("grace@example.com")
    assert rows("SELECT (SELECT count(*) FROM contacts) + (SELECT count(*) FROM consents)") == [(0,)]
    assert rows("SELECT octet_length(body) FROM inbox_messages") == [(0,)]


def test_a_no_in_one_shop_is_none_in_another(
    register: Register, said_no: Callable[[str], None], other_shop: Shop, rows: Rows
) -> None:
    register(shop=other_shop, accepts_marketing=True)
    said_no("ada@example.com")
    assert rows("SELECT marketing FROM contacts") == [("granted",)]


def test_the_address_never_shows(database: Database, register: Register, service: SubscriptionService) -> None:
    from restock.subscriptions.repository import marketing

    register(accepts_marketing=True)
    with database.transaction() as session:
        marketing.take_new(session, 10)
        (shop_id,) = marketing.shops_due(session)
        due = marketing.claim(session, shop_id, 60)
    assert due is not None
    assert "example" not in repr(due)
    assert due.address == "ada@example.com"
    assert address_hash("email", due.address)
