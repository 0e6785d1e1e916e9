"""Who stands first by a tag in Shopify: on a real database, with a Shopify that remembers."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from restock.commands.shop_state import say_priority
from restock.database import Database
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminThrottledError,
    AdminUnavailableError,
    NoAccessError,
)
from restock.shopify.values import Access
from restock.shops.service import ShopService
from restock.shops.values import PriorityList, Shop
from restock.subscriptions import repository
from restock.subscriptions.service.priorities import Priorities
from tests.subscriptions.conftest import VARIANT, Register, Rows

T = TypeVar("T")
FIRST = "SELECT c.address FROM subscriptions s JOIN contacts c ON c.id = s.contact_id WHERE s.priority = 1 ORDER BY 1"


@dataclass
class FakeShopify:
    """Customers by tag; `failure` is raised before any answer."""

    tagged: dict[str, Set[int]] = field(default_factory=dict)
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        if self.failure is not None:
            raise self.failure
        return question(Access("kettle.myshopify.com", "a-token"))

    def tagged_customers(self, _: Access, tag: str) -> Set[int]:
        self.asked.append(tag)
        self.meanwhile()
        return self.tagged.get(tag, frozenset())


@pytest.fixture
def shopify() -> FakeShopify:
    return FakeShopify({"VIP": {7, 8}, "gold": {9}})


@pytest.fixture
def priorities(database: Database, shopify: FakeShopify) -> Priorities:
    return Priorities(database, shopify, shopify)


@pytest.fixture
def has_tag(shops: ShopService, shop: Shop, priorities: Priorities) -> None:
    """The shop has said that customers tagged VIP stand first, and the list was read."""
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    priorities.run()


@pytest.fixture
def crowd(register: Register, rows: Rows, shop: Shop) -> None:
    """Three people: 7 and 9 are who they say, by Shopify's word; the third only says to be 8."""
    rows("UPDATE shops SET access = 'granted', scopes = ARRAY['read_customers'] WHERE id = %s", shop.id)
    for address in ("ada7@example.com", "ada8@example.com", "ada9@example.com"):
        register(address)
    for number, column in ((7, "verified_customer_id"), (8, "shopify_customer_id"), (9, "verified_customer_id")):
        rows(
            f"UPDATE customers SET {column} = %s WHERE id = (SELECT i.customer_id FROM intents i"
            " JOIN contacts c ON c.id = i.contact_id WHERE c.address = %s)",
            number,
            f"ada{number}@example.com",
        )


def first(rows: Rows) -> list[str]:
    return [str(address) for (address,) in rows(FIRST)]


def later(rows: Rows) -> None:
    rows("UPDATE priority_lists SET next_at = now() - interval '1 s'")


@pytest.mark.usefixtures("crowd")
def test_only_tagged_customers_whom_shopify_vouched_for_stand_first(
    priorities: Priorities, shops: ShopService, shop: Shop, rows: Rows, database: Database
) -> None:
    assert priorities.run() == 0, "no shop has a tag"
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    assert priorities.run() == 1
    assert first(rows) == ["ada7@example.com"]
    with database.transaction() as session:
        queue = repository.queue_page(session, shop.id, VARIANT, None, 9)
    assert [place.priority for place in queue] == [1, 0, 0]
    known = priorities.state(shop.id)
    assert known is not None
    assert (known.tag, known.customer_count, known.reason) == ("VIP", 2, None)


@pytest.mark.usefixtures("crowd")
def test_a_list_is_read_every_quarter_of_an_hour_and_at_once_when_the_tag_changes(
    priorities: Priorities, shopify: FakeShopify, shops: ShopService, shop: Shop, rows: Rows
) -> None:
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    assert [priorities.run(), priorities.run()] == [1, 0]
    assert rows("SELECT next_at > now() + interval '14 minutes' FROM priority_lists") == [(True,)]
    shops.change_settings(shop.domain, {"policy.priority_tag": "gold"})
    assert priorities.run() == 1
    assert first(rows) == ["ada9@example.com"]
    shopify.tagged["gold"] = {7, 9}
    later(rows)
    priorities.run()
    assert first(rows) == ["ada7@example.com", "ada9@example.com"]
    assert shopify.asked == ["VIP", "gold", "gold"]


@pytest.mark.usefixtures("crowd")
def test_without_the_tag_nobody_stands_first_any_more(
    priorities: Priorities, shops: ShopService, shop: Shop, rows: Rows
) -> None:
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    priorities.run()
    shops.change_settings(shop.domain, {"policy.priority_tag": ""})
    assert [priorities.run(), priorities.run()] == [1, 0]
    assert first(rows) == []
    assert priorities.state(shop.id) is None


@pytest.mark.usefixtures("crowd")
def test_who_signs_up_later_stands_first_from_the_next_reading_on(
    priorities: Priorities, shops: ShopService, shop: Shop, rows: Rows, register: Register
) -> None:
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    priorities.run()
    joined = register("late@example.com")
    rows("UPDATE customers SET verified_customer_id = 8 WHERE id = %s", joined.customer_id)
    later(rows)
    priorities.run()
    assert first(rows) == ["ada7@example.com", "late@example.com"]


@pytest.mark.usefixtures("crowd", "has_tag")
@pytest.mark.parametrize("failure", [NoAccessError("no"), AdminForbiddenError("no")])
def test_a_shop_that_can_no_longer_be_asked_gives_nobody_priority(
    priorities: Priorities, shopify: FakeShopify, rows: Rows, failure: Exception
) -> None:
    assert first(rows) == ["ada7@example.com"]
    shopify.failure = failure
    later(rows)
    priorities.run()
    assert first(rows) == []
    assert rows("SELECT reason FROM priority_lists") == [("no_access",)]


@pytest.mark.usefixtures("crowd")
def test_without_the_scope_shopify_is_not_even_asked(
    priorities: Priorities, shopify: FakeShopify, shops: ShopService, shop: Shop, rows: Rows
) -> None:
    rows("UPDATE shops SET scopes = ARRAY['read_orders']")
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})
    priorities.run()
    assert (shopify.asked, first(rows)) == ([], [])
    assert rows("SELECT reason FROM priority_lists") == [("no_access",)]


@pytest.mark.usefixtures("crowd", "has_tag")
@pytest.mark.parametrize(
    ("failure", "reason"),
    [(AdminUnavailableError("away"), "unavailable"), (AdminThrottledError(2.0), "throttled")],
)
def test_while_shopify_does_not_answer_everybody_keeps_their_place(
    priorities: Priorities, shopify: FakeShopify, rows: Rows, failure: AdminError, reason: str
) -> None:
    shopify.failure = failure
    later(rows)
    priorities.run()
    assert first(rows) == ["ada7@example.com"]
    assert rows("SELECT reason FROM priority_lists") == [(reason,)]


@pytest.mark.usefixtures("crowd")
def test_of_two_readings_at_once_the_newer_tag_has_the_last_word(
    priorities: Priorities, shopify: FakeShopify, shops: ShopService, shop: Shop, rows: Rows
) -> None:
    """The tag changes while customers with the old one are asked for, and another process is quicker."""
    shops.change_settings(shop.domain, {"policy.priority_tag": "VIP"})

    def change() -> None:
        shopify.meanwhile = lambda: None
        shops.change_settings(shop.domain, {"policy.priority_tag": "gold"})
        priorities.run()

    shopify.meanwhile = change
    priorities.run()
    priorities.run()
    assert first(rows) == ["ada9@example.com"]


@pytest.mark.usefixtures("crowd", "has_tag")
def test_another_shop_is_none_of_its_business(
    priorities: Priorities, shop: Shop, other_shop: Shop, rows: Rows, register: Register
) -> None:
    register("ada7@example.com", shop=other_shop)
    rows("UPDATE customers SET verified_customer_id = 7 WHERE shop_id = %s", other_shop.id)
    later(rows)
    priorities.run()
    assert rows("SELECT shop_id FROM subscriptions WHERE priority = 1") == [(shop.id,)]


@pytest.mark.parametrize(
    ("tag", "known", "sentence"),
    [
        (None, None, "nobody stands before others: policy.priority_tag is not set"),
        ("VIP", None, "customers tagged VIP are being asked for"),
        ("VIP", PriorityList("gold", None), "customers tagged VIP are being asked for"),
        ("VIP", PriorityList("VIP", None, None, "unavailable"), "Shopify could not be asked for customers tagged VIP"),
        ("VIP", PriorityList("VIP", None, None, "no_access"), "does not let its customers be read (read_customers)"),
        (
            "VIP",
            PriorityList("VIP", datetime(2026, 11, 22, 9, 5, tzinfo=UTC), 1),
            "1 customer tagged VIP, as of 2026-11-22 09:05 UTC; asked every 15 minutes",
        ),
    ],
)
def test_the_state_of_a_shop_says_who_stands_first(tag: str | None, known: PriorityList | None, sentence: str) -> None:
    assert sentence in say_priority(tag, known)
