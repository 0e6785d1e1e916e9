"""One person with several browsers: each is told once, over the real channel and a push service that decrypts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from restock.channels.push.channel import PushChannel
from restock.channels.push.subscription import PushSubscription, parse_push_subscription
from restock.channels.push.vapid import VapidSigner, generate_private_key, public_key_of
from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.playground.fake_http import Trouble
from restock.playground.fake_push import FakePush
from restock.subscriptions.values import ContactFacts, Provenance, RegisteredIntent, Signup
from tests.restocks.store import VARIANT, Store

OURS, OTHERS = generate_private_key(), generate_private_key()


@pytest.fixture
def service() -> Iterator[FakePush]:
    fake = FakePush()
    fake.start()
    yield fake
    fake.close()


@pytest.fixture
def store(clean_database: str, service: FakePush) -> Iterator[Store]:
    store = Store(clean_database)
    channel = PushChannel(VapidSigner(OURS, "mailto:a@alerts.example"), extra_hosts=[service.host])
    store.deliveries = replace(store.deliveries, channels={ChannelName.push: channel})
    yield store
    channel.close()
    store.close()


def sign_up(
    store: Store,
    service: FakePush,
    subscription: dict[str, object],
    key: str = OURS,
    quantity: int = 1,
    *,
    customer_id: UUID | None = None,
) -> RegisteredIntent:
    """Post what a browser's script posts, and check that what is kept is what was sent."""
    found = parse_push_subscription(subscription, extra_hosts=[service.host], our_key=public_key_of(key))
    assert isinstance(found, PushSubscription)
    digest = address_hash(ChannelName.push, found.endpoint)
    contact = ContactFacts(ChannelName.push, found.endpoint, digest, found.keys)
    signup = Signup(VARIANT, VARIANT, 0, quantity, "api", contact, customer_id=customer_id, shopify_customer_id=9)
    return store.subscriptions.register(store.shop, signup, Provenance())


def test_two_browsers_of_one_customer_are_told_once_each(store: Store, service: FakePush) -> None:
    laptop, phone = (service.subscribe(public_key_of(OURS)) for _ in range(2))
    for browser in (laptop, phone, laptop):
        sign_up(store, service, browser)
    assert store.one("SELECT count(*) FROM contacts") == 2, "known by the hash of the endpoint"
    store.restock(None)
    store.send()
    store.send()
    for browser in (laptop, phone):
        [shown] = service.messages(browser)
        assert "Mug" in json.loads(shown.payload)["title"]
    assert store.states("deliveries") == {"sent": 2}


def test_under_one_handle_a_wish_goes_along_to_the_browser_that_asked_last_and_keeps_its_place(
    store: Store, service: FakePush
) -> None:
    """A handle has one turn: with one for each browser, whoever brings many would stand before those who bring one.

    Each browser keeps a handle of its own, so that only a storefront that gives one handle to several does this.
    """
    before, after = (service.subscribe(public_key_of(OURS)) for _ in range(2))
    first = sign_up(store, service, before)
    queued_at = store.one("SELECT queued_at FROM subscriptions")
    moved = sign_up(store, service, after, customer_id=first.customer_id)
    assert (moved.id, moved.duplicate) == (first.id, True)
    assert store.sql("SELECT state, queued_at = :at FROM subscriptions ORDER BY id", at=queued_at) == [
        ("cancelled", True),
        ("active", True),
    ]
    store.restock(None)
    store.send()
    assert [len(service.messages(browser)) for browser in (before, after)] == [0, 1]


def test_new_keys_of_the_same_endpoint_take_the_place_of_the_old(store: Store, service: FakePush) -> None:
    browser, other = (service.subscribe(public_key_of(OURS)) for _ in range(2))
    first = browser | {"keys": other["keys"]}
    sign_up(store, service, first)
    sign_up(store, service, browser)
    assert store.one("SELECT count(*) FROM contacts") == 1
    assert store.one("SELECT count(*) FROM subscriptions") == 1
    store.restock(None)
    store.send()
    assert len(service.messages(browser)) == 1, "with the first keys nobody could have read it"


def test_a_browser_that_is_gone_takes_nothing_from_the_other(store: Store, service: FakePush) -> None:
    gone, there = (service.subscribe(public_key_of(OURS)) for _ in range(2))
    for browser in (gone, there):
        sign_up(store, service, browser)
    service.expire(gone)
    store.restock(None)
    store.send()
    assert store.states("deliveries") == {"failed": 1, "sent": 1}
    assert len(service.messages(there)) == 1


def test_a_browser_of_another_key_fails_with_a_reason_and_is_not_suppressed(store: Store, service: FakePush) -> None:
    sign_up(store, service, service.subscribe(public_key_of(OTHERS)), OTHERS)
    sign_up(store, service, service.subscribe(public_key_of(OURS)))
    store.restock(None)
    store.send()
    assert store.sql("SELECT state, reason FROM deliveries ORDER BY state") == [
        ("failed", "other_vapid_key"),
        ("sent", None),
    ]
    assert store.one("SELECT count(*) FROM suppressions") == 0
    assert store.one("SELECT count(*) FROM provider_states") == 0, "no service was asked, so none refused"


def test_a_browser_that_is_not_known_is_given_up_on_the_second_day(store: Store, service: FakePush) -> None:
    """A service may say 404 by mistake: one says nothing, a second one a day later does; who signs up anew is new."""
    browser = service.subscribe(public_key_of(OURS))
    sign_up(store, service, browser)
    service.trouble_for = lambda _: Trouble(404)  # type: ignore[assignment, method-assign]

    def restocked() -> None:
        store.stock(0)
        store.check()
        store.restock(None)
        store.send()

    for _ in range(2):
        restocked()
        assert store.one("SELECT count(*) FROM suppressions") == 0
    assert store.states("deliveries") == {"failed": 2}
    assert store.sql("SELECT DISTINCT reason FROM deliveries") == [("missing",)]
    assert store.states("subscriptions") == {"active": 1}
    yesterday = "jsonb_set(push_keys, '{missing_at}', to_jsonb(extract(epoch FROM now() - interval '25 hours')))"
    store.sql(f"UPDATE contacts SET push_keys = {yesterday}")
    sign_up(store, service, browser)
    restocked()
    assert store.one("SELECT count(*) FROM suppressions") == 0, "a new sign-up begins anew"
    store.sql(f"UPDATE contacts SET push_keys = {yesterday}")
    restocked()
    assert store.sql("SELECT reason FROM suppressions") == [("gone",)]
    assert store.states("subscriptions") == {"cancelled": 1}


def test_a_service_that_turns_against_our_signature_costs_nobody_their_place(store: Store, service: FakePush) -> None:
    """That it accepted one a moment ago makes it its own fault. Everybody hears when it is well."""

    def wave() -> None:
        store.stock(0)
        store.check()
        store.restock(None)
        store.send()

    sign_up(store, service, service.subscribe(public_key_of(OURS)))
    wave()
    assert store.states("deliveries") == {"sent": 1}
    for _ in range(100):
        sign_up(store, service, service.subscribe(public_key_of(OURS)))
    service.trouble_for = lambda _: Trouble(403)  # type: ignore[assignment, method-assign]
    wave()
    assert store.states("deliveries") == {"queued": 101, "sent": 1}, "whoever missed it the first time waits again"
    assert store.states("subscriptions") == {"active": 101}
    assert store.one("SELECT count(*) FROM suppressions") == 0
    [down] = store.deliveries.outages(store.shop.id)
    assert (down.reason, down.service, down.waiting_count) == ("vapid_rejected", service.host, 101)
    store.sql("UPDATE provider_states SET next_probe_at = now()")
    store.pass_time("deliveries", "next_at", 600)
    store.pass_time("delivery_lanes", "next_at", 600)
    store.send()
    assert len(store.deliveries.outages(store.shop.id)) == 1, "a probe in vain says that it is still so"
    del service.trouble_for
    for _ in range(3):
        store.sql("UPDATE provider_states SET next_probe_at = now()")
        store.pass_time("deliveries", "next_at", 600)
        store.pass_time("delivery_lanes", "next_at", 600)
        store.send()
    assert store.states("deliveries") == {"sent": 102}
    assert store.deliveries.outages(store.shop.id) == []
