"""What shops need by the clock: asked daily, topics as their scopes say, and one that fails holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.shopify.errors import AdminRefusedError, AdminUnavailableError, NoAccessError
from restock.shopify.values import Access, TopicSubscription
from restock.shops.rules.renewal import refresh_in, wait_after
from restock.shops.rules.topics import ALL_TOPICS, plan_topics, wanted_topics
from restock.shops.service import ShopService
from restock.shops.service.tokens import TokenService
from restock.shops.service.topics import TopicService
from restock.shops.service.upkeep import Upkeep
from restock.shops.values import Shop
from tests.shops.conftest import PROFILE, FakeAdmin, id_token
from tests.shops.token_fake import FakeTokens

URI = "https://restock.example/webhooks/shopify"
ORDERS = {"orders/create", "orders/paid"}
Sql = Callable[..., Any]


@pytest.fixture
def topics(tokens: TokenService, admin: FakeAdmin) -> TopicService:
    return TopicService(tokens, admin, URI)  # type: ignore[arg-type]


@pytest.fixture
def upkeep(tokens: TokenService, topics: TopicService) -> Upkeep:
    return Upkeep(tokens, topics)


@pytest.mark.parametrize(
    ("scopes", "wanted"),
    [
        (set(), set()),
        ({"read_products"}, set()),
        ({"read_orders"}, ORDERS),
        ({"write_orders", "read_products"}, ORDERS),
        ({"unread_orders", "read_orders_all"}, set()),
    ],
)
def test_a_scope_brings_its_topics(scopes: set[str], wanted: set[str]) -> None:
    assert wanted_topics(scopes) == wanted


FOUND = st.lists(
    st.builds(
        TopicSubscription,
        st.integers(1, 10**9).map(str),
        st.sampled_from([*sorted(ALL_TOPICS), "products/update", "themes/publish"]),
        st.sampled_from([URI, "https://before.example/webhooks/shopify"]),
    ),
    unique_by=lambda one: one.id,
)


@given(st.sets(st.sampled_from(sorted(ALL_TOPICS))), FOUND)
def test_whatever_is_there_a_plan_leads_to_each_wanted_topic_once_and_touches_nothing_of_others(wanted, found) -> None:
    plan = plan_topics(wanted, found, URI)
    left = [one for one in found if one.id not in plan.end]
    ours = [one for one in left if one.topic in ALL_TOPICS]
    assert sorted([*(one.topic for one in ours), *plan.add]) == sorted(wanted)
    assert all(one.uri == URI for one in ours)
    assert [one for one in found if one.topic not in ALL_TOPICS] == [one for one in left if one not in ours]
    after = [*left, *(TopicSubscription(f"new {topic}", topic, URI) for topic in plan.add)]
    assert plan_topics(wanted, after, URI) == plan_topics(wanted, after, URI).__class__([], [])


def test_a_granted_scope_is_followed_by_its_topics_and_a_revoked_one_ends_them(
    upkeep: Upkeep, topics: TopicService, installed: Shop, admin: FakeAdmin, run_sql: Sql
) -> None:
    upkeep.run()
    assert admin.told == []
    admin.profile = PROFILE.__class__(*_parts(scopes={"read_products", "read_orders"}))
    assert upkeep.visit_due() == 0, "asked today"
    run_sql("UPDATE shops SET asked_at = NULL")
    upkeep.run()
    assert sorted(admin.told) == [("+", topic) for topic in sorted(ORDERS)]
    assert {one.uri for one in admin.subscriptions.values()} == {URI}
    assert topics.reconcile(installed.id).add == []
    admin.profile = PROFILE
    run_sql("UPDATE shops SET asked_at = now() - interval '25 hours'")
    upkeep.run()
    assert admin.subscriptions == {}


def test_a_topic_shopify_refuses_does_not_keep_the_others(
    topics: TopicService, installed: Shop, admin: FakeAdmin, run_sql: Sql
) -> None:
    class Choosy(FakeAdmin):
        def subscribe(self, access: Access, topic: str, uri: str) -> TopicSubscription:
            if topic == "orders/create":
                raise AdminRefusedError("protected customer data")
            return super().subscribe(access, topic, uri)

    choosy = Choosy(admin.fake)
    run_sql("UPDATE shops SET scopes = '{read_orders}'")
    TopicService(topics.tokens, choosy, URI).reconcile(installed.id)  # type: ignore[arg-type]
    assert choosy.told == [("+", "orders/paid")]


def test_a_topic_shopify_does_not_let_us_end_does_not_keep_the_others(
    topics: TopicService, installed: Shop, admin: FakeAdmin, run_sql: Sql
) -> None:
    class Clinging(FakeAdmin):
        def unsubscribe(self, access: Access, subscription_id: str) -> None:
            raise AdminRefusedError("not yours")

    clinging = Clinging(admin.fake, subscriptions={"7": TopicSubscription("7", "orders/create", "https://old.example")})
    run_sql("UPDATE shops SET scopes = '{read_orders}'")
    TopicService(topics.tokens, clinging, URI).reconcile(installed.id)  # type: ignore[arg-type]
    assert sorted(clinging.told) == [("+", "orders/create"), ("+", "orders/paid")]


def test_a_shop_that_cannot_be_asked_is_asked_again_later(
    upkeep: Upkeep, installed: Shop, admin: FakeAdmin, run_sql: Sql
) -> None:
    admin.failure = AdminUnavailableError("away")
    assert upkeep.visit_due() == 1
    assert upkeep.visit_due() == 0
    run_sql("UPDATE shops SET asked_at = asked_at - interval '16 minutes'")
    admin.failure = None
    assert upkeep.visit_due() == 1


def test_a_shop_whose_asker_dies_is_asked_again_within_the_hour_and_not_a_day_later(
    upkeep: Upkeep, installed: Shop, admin: FakeAdmin, run_sql: Sql
) -> None:
    admin.failure = SystemError("gone in the middle")
    with pytest.raises(SystemError):
        upkeep.visit_due()
    assert upkeep.visit_due() == 0
    run_sql("UPDATE shops SET asked_at = asked_at - interval '16 minutes'")
    admin.failure = None
    assert upkeep.visit_due() == 1
    run_sql("UPDATE shops SET asked_at = asked_at - interval '16 minutes'")
    assert upkeep.visit_due() == 0, "asked for today"


def test_only_shops_with_access_are_asked(upkeep: Upkeep, shops: ShopService, fake: FakeTokens) -> None:
    shops.add("demo")
    assert upkeep.visit_due() == 0
    assert fake.asked == []
    with pytest.raises(NoAccessError):
        upkeep.topics.reconcile(shops.add("demo").id)


def test_starting_returns_at_once_and_starts_once(
    upkeep: Upkeep, tokens: TokenService, fake: FakeTokens, run_sql: Sql
) -> None:
    tokens.welcome("an-id-token", id_token("demo.myshopify.com"))
    run_sql("UPDATE shop_tokens SET stored_at = now() - interval '8 days'")
    fake.go_on = threading.Event()
    for _ in range(3):
        upkeep.start()
    assert not upkeep.wait(0.1), "nobody has answered yet"
    fake.go_on.set()
    assert upkeep.wait(30)
    assert len(fake.asked) == 2


@given(st.floats(1, 10**8), st.floats(0, 1))
def test_renewal_comes_before_the_end_and_not_long_before(seconds: float, draw: float) -> None:
    at = refresh_in(seconds, draw)
    assert at is not None
    assert seconds * 0.75 <= at < seconds
    assert seconds - at <= 420.1


def test_waits_grow_and_end(make_settings: object) -> None:
    assert [wait_after(count) for count in (0, 1, 2, 3, 4, 50)] == [5, 5, 10, 20, 40, 600]
    assert refresh_in(None, 0.5) is None


def _parts(scopes: set[str]) -> tuple[Any, ...]:
    return ("Ada's shirts", "EUR", "DE", "Europe/Berlin", "https://shirts.example", frozenset(scopes))
