"""Posts written together come to what each of them would have come to alone."""

from __future__ import annotations

import multiprocessing
import random
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restock.channels.values import ChannelName, PushKeys
from restock.database import Database
from restock.errors import UnavailableError
from restock.ids import address_hash
from restock.shops.values import Shop
from restock.subscriptions.repository.register_many import register_many
from restock.subscriptions.service import SubscriptionService, _parameters
from restock.subscriptions.values import ContactFacts, Provenance, RegisteredIntent, Signup, SuppressionReason
from tests.subscriptions.conftest import Rows, signup

WHENCE = Provenance(b"\x01" * 16, 'A "quoted" browser, {braces} and \\', "https://shop.example/p")
ADDRESSES = ("ada@example.com", "+918123676393", "https://fcm.googleapis.com/fcm/send/x", "bob@example.com")
Post = tuple[
    int | None, int, int, int, bool | None, str | None
]  # customer, address, variant, quantity, yes or no, name


@pytest.fixture
def connection(database: Database) -> Any:
    return database.connect_for_batches()


def wish(post: Post, handles: dict[int, uuid.UUID]) -> Signup:
    customer, place, variant, quantity, marketing, name = post
    address = ADDRESSES[place]
    channel = (ChannelName.email, ChannelName.sms, ChannelName.push, ChannelName.email)[place]
    keys = PushKeys(f"key {quantity}", "auth") if channel is ChannelName.push else None
    return signup(
        variant_id=variant,
        quantity=quantity,
        contact=ContactFacts(channel, address, address_hash(channel.value, address), keys),
        customer_id=None if customer is None else handles.get(customer),
        accepts_marketing=marketing,
        name=name,
        locale=None if quantity == 1 else "de",
        product={"title": f"Shirt {quantity}"} if quantity > 1 else None,
    )


def groups(posts: Sequence[Post]) -> list[list[Post]]:
    """Put posts together as they may be: none shares an address or a customer with another."""
    found: list[list[Post]] = [[]]
    for post in posts:
        if any(post[1] == other[1] or (post[0] is not None and post[0] == other[0]) for other in found[-1]):
            found.append([])
        found[-1].append(post)
    return found


TABLES = (
    "SELECT name, locale, shopify_customer_id FROM customers WHERE shop_id = %s ORDER BY 1, 2, 3",
    """
    SELECT channel, address, push_keys, locale, marketing, suppression, confirm_requested_at IS NULL, confirmed_at
    FROM contacts WHERE shop_id = %s ORDER BY address
    """,
    """
    SELECT c.address, s.variant_id, s.market_id, s.quantity, s.locale, s.state, s.end_reason, s.product_id, s.channel,
        s.expires_at::date, (SELECT name FROM customers WHERE id = s.opener_customer_id)
    FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.shop_id = %s ORDER BY s.variant_id, s.queued_at, s.id
    """,
    """
    SELECT c.address, i.variant_id, i.quantity, i.source, i.product, i.closed_at IS NULL, u.name, u.locale
    FROM intents i JOIN contacts c ON c.id = i.contact_id JOIN customers u ON u.id = i.customer_id
    WHERE i.shop_id = %s ORDER BY 1, 2, 3, 5, 7, 8
    """,
    """
    SELECT c.address, t.purpose, t.action, t.effective, t.variant_id, t.source, t.page_url, t.ip_hash, t.user_agent,
        t.locale
    FROM consents t LEFT JOIN contacts c ON c.id = t.contact_id WHERE t.shop_id = %s ORDER BY 1, 2, 3, 4, 5, 10
    """,
    "SELECT variant_id, version, attempts FROM stock_checks WHERE shop_id = %s ORDER BY 1",
)

POSTS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 2),
        st.integers(0, len(ADDRESSES) - 1),
        st.integers(1, 3),
        st.integers(1, 3),
        st.none() | st.booleans(),
        st.sampled_from([None, "Ada", 'A "b" {c} \\d, é']),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POSTS, st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SuppressionReason)), max_size=2))
def test_a_batch_leaves_the_tables_as_the_same_posts_alone(  # noqa: PLR0917 (pytest's fixtures)
    service: SubscriptionService,
    shop: Shop,
    other_shop: Shop,
    rows: Rows,
    connection: Any,
    posts: list[Post],
    noes: list[tuple[int, SuppressionReason]],
) -> None:
    for table in ("customers", "contacts", "suppressions", "consents", "stock_checks", "stock_readings"):
        rows(f"DELETE FROM {table}")
    for at in (shop, other_shop):
        rows("INSERT INTO stock_readings VALUES (%s, 1, false, 0, 'webhook', now())", at.id)
        rows("INSERT INTO stock_readings VALUES (%s, 2, true, 5, 'webhook', now())", at.id)
        for place, reason in dict(noes).items():
            digest = wish((None, place, 1, 1, None, None), {}).contact.address_hash
            rows("INSERT INTO suppressions VALUES (%s, %s, 'email', %s)", at.id, digest, reason.value)
    together: dict[int, uuid.UUID] = {}
    alone: dict[int, uuid.UUID] = {}
    for group in groups(posts):
        signups = [wish(post, together) for post in group]
        made = register_many(connection, [_parameters(shop, one, WHENCE, 10.0) for one in signups])
        # A change of address is left to be made alone, behind the batch: it came at the same moment as the others.
        for post, one, intent in sorted(zip(group, signups, made, strict=True), key=lambda three: three[2] is None):
            found = intent or service.register(shop, one, WHENCE)
            expected = service.register(other_shop, wish(post, alone), WHENCE)
            assert answer(found) == answer(expected)
            if post[0] is not None:
                together.setdefault(post[0], found.customer_id)
                alone.setdefault(post[0], expected.customer_id)
    for table in TABLES:
        assert rows(table, shop.id) == rows(table, other_shop.id), table


def answer(intent: RegisteredIntent) -> tuple[object, ...]:
    unchanged = intent.created_at == intent.updated_at
    return intent.duplicate, intent.quantity, intent.source, intent.product_id, unchanged


def test_who_came_first_stands_first_whatever_the_order_of_the_rows(shop: Shop, rows: Rows, connection: Any) -> None:
    addresses = [f"shopper-{number}@example.com" for number in range(20)]
    random.Random(7).shuffle(addresses)
    register_many(connection, [_parameters(shop, signup(address), WHENCE, 10.0) for address in addresses])
    queue = rows(
        "SELECT c.address FROM subscriptions s JOIN contacts c ON c.id = s.contact_id ORDER BY s.queued_at, s.id"
    )
    assert [address for (address,) in queue] == addresses
    assert rows("SELECT count(*) FROM subscriptions WHERE queued_at > now()") == [(0,)]


def test_shops_in_one_batch_are_apart(shop: Shop, other_shop: Shop, rows: Rows, connection: Any) -> None:
    pairs = [(shop, "ada@example.com"), (other_shop, "bob@example.com")]
    made = register_many(connection, [_parameters(at, signup(address), WHENCE, 10.0) for at, address in pairs])
    assert all(made)
    assert rows("SELECT shop_id, address FROM contacts ORDER BY shop_id") == [(at.id, name) for at, name in pairs]


def test_a_new_check_counts_every_cause_of_the_batch(shop: Shop, rows: Rows, connection: Any) -> None:
    posts = [_parameters(shop, signup(f"{name}@example.com", 5), WHENCE, 10.0) for name in ("ada", "bob", "cleo")]
    register_many(connection, posts)
    assert rows("SELECT variant_id, version FROM stock_checks") == [(5, 3)]


def crowd(url: str, shop: Shop, seed: int) -> int:
    """Post the same few shoppers' wishes from eight threads of one process; return how many were taken."""
    service = SubscriptionService(Database(None, url))
    dice = random.Random(seed)
    handles = [service.register(shop, signup(f"shopper-{n}@example.com", 99), WHENCE).customer_id for n in range(4)]
    choices = [(dice.choice([None, *handles]), dice.randrange(6), dice.randrange(1, 4)) for _ in range(200)]

    def post(choice: tuple[uuid.UUID | None, int, int]) -> RegisteredIntent:
        handle, number, variant = choice
        wanted = signup(f"shopper-{number}@example.com", variant, customer_id=handle)
        for _ in range(5):  # on a busy machine some are asked to come again, as a client would
            with suppress(UnavailableError):
                return service.register(shop, wanted, WHENCE)
        return service.register(shop, wanted, WHENCE)

    with ThreadPoolExecutor(8) as pool:
        return len(list(pool.map(post, choices)))


def test_a_crowd_of_threads_in_two_processes_loses_nothing_and_doubles_nothing(
    clean_database: str, database: Database, shop: Shop, rows: Rows
) -> None:
    run: Callable[..., Any] = crowd
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(run, [clean_database] * 2, [shop] * 2, [1, 2])) == [200, 200]
    assert rows("SELECT count(*), count(DISTINCT address_hash) FROM contacts") == [(6, 6)]
    doubled = "SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1"
    waiting = "subscriptions WHERE state IN ('pending', 'active')"
    assert rows(doubled.format(waiting, "contact_id, variant_id, market_id")) == []
    assert rows(doubled.format("intents WHERE closed_at IS NULL", "customer_id, variant_id, market_id, channel")) == []
    bare = (
        "SELECT 1 FROM subscriptions s WHERE state IN ('pending', 'active') AND NOT EXISTS"
        " (SELECT FROM intents i WHERE i.subscription_id = s.id AND i.closed_at IS NULL)"
    )
    assert rows(bare) == []


@pytest.mark.parametrize("repeated", ["alone", "together"])
@pytest.mark.parametrize("yes", [None, True, False])
def test_a_post_whose_answer_was_lost_is_repeated_without_a_second_line_in_the_ledger(
    connection: Any, service: SubscriptionService, shop: Shop, rows: Rows, *, repeated: str, yes: bool | None
) -> None:
    """It is answered as the first time: the post is one and the same."""
    posts = [_parameters(shop, signup(address, accepts_marketing=yes), WHENCE, 10) for address in ADDRESSES[::3]]
    first = register_many(connection, posts)
    again = register_many(connection, posts) if repeated == "together" else [service._write(post) for post in posts]
    assert [(one and one.id, one and one.duplicate) for one in again] == [(one and one.id, False) for one in first]
    assert rows("SELECT count(*) FROM consents") == [(2 if yes is None else 4,)]
