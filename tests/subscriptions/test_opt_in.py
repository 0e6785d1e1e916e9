"""Shops that want an address's yes first: who is asked, how often, and what a yes and a silence lead to."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from restock.database import Database
from restock.deliveries.service import Deliveries, DeliveryNotices
from restock.links import Links
from restock.restocks.service import RestockService
from restock.shops.service import ShopService
from restock.shops.values import Shop
from restock.subscriptions import repository
from restock.subscriptions.repository import register as posts
from restock.subscriptions.repository.register_many import register_many
from restock.subscriptions.service import SubscriptionService, _parameters
from restock.subscriptions.values import Provenance
from tests.subscriptions.conftest import Rows, signup

STATES = "SELECT state FROM subscriptions ORDER BY id"
ASKED = "SELECT confirm_requested_at IS NOT NULL FROM contacts ORDER BY id"


@pytest.fixture
def asking(shops: ShopService, shop: Shop) -> Shop:
    return shops.change_settings(shop.domain, {"double_opt_in.email": "true"})


@pytest.fixture
def deliveries(database: Database, service: SubscriptionService) -> Deliveries:
    turns = RestockService(database, DeliveryNotices())
    return Deliveries(database, {}, turns, service, Links(["k" * 32], "https://restock.example"))


def test_an_address_is_asked_and_stands_at_its_old_place_once_it_says_yes(
    service: SubscriptionService, asking: Shop, rows: Rows
) -> None:
    service.register(asking, signup(), Provenance())
    assert rows(STATES) == [("pending",)]
    assert rows(ASKED) == [(True,)]
    assert rows("SELECT effective FROM consents WHERE purpose = 'back_in_stock'") == [(False,)]
    before = rows("SELECT queued_at FROM subscriptions")
    assert service.confirm(1)
    assert rows(STATES) == [("active",)]
    assert rows("SELECT queued_at FROM subscriptions") == before
    service.register(asking, signup(variant_id=7), Provenance())
    assert rows(STATES) == [("active",), ("active",)], "who has said yes once is not asked again"


def test_each_channel_has_its_own_switch(
    service: SubscriptionService, shops: ShopService, shop: Shop, rows: Rows
) -> None:
    shop = shops.change_settings(shop.domain, {"double_opt_in.sms": "yes"})
    service.register(shop, signup(), Provenance())
    assert rows(STATES) == [("active",)]
    assert not shop.settings.double_opt_in.push
    assert shop.settings.double_opt_in.sms


def test_posts_that_share_a_commit_are_asked_alike(asking: Shop, service: SubscriptionService, rows: Rows) -> None:
    threads = [
        threading.Thread(target=service.register, args=(asking, signup(f"a{n}@example.com"), Provenance()))
        for n in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("SELECT DISTINCT state FROM subscriptions") == [("pending",)]
    assert rows("SELECT count(*) FROM contacts WHERE confirm_requested_at IS NOT NULL") == [(24,)]


def test_a_thousand_sign_ups_of_one_address_are_one_message_a_day(
    service: SubscriptionService, asking: Shop, rows: Rows, deliveries: Deliveries
) -> None:
    """Under concurrency too: four post, two queue, and a later post asks again only after 24 hours."""
    done = threading.Event()

    def post(start: int) -> None:
        for number in range(250):
            service.register(asking, signup(variant_id=1 + (start + number) % 50), Provenance())

    def ask() -> None:
        while not done.is_set():
            deliveries.open_confirmations()

    writers = [threading.Thread(target=post, args=(250 * n,)) for n in range(4)]
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for thread in (*writers, *askers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in askers:
        thread.join()
    deliveries.open_confirmations()
    assert rows("SELECT count(*) FROM deliveries WHERE kind = 'confirmation'") == [(1,)]
    rows("UPDATE contacts SET confirmation_asked_at = now() - interval '23 hours 59 minutes'")
    service.register(asking, signup(), Provenance())
    assert deliveries.open_confirmations() == 0
    rows("UPDATE contacts SET confirmation_asked_at = now() - interval '24 hours'")
    assert deliveries.open_confirmations() == 0, "nobody has asked since"
    service.register(asking, signup(), Provenance())
    assert deliveries.open_confirmations() == 1
    assert rows("SELECT count(*) FROM deliveries WHERE kind = 'confirmation'") == [(2,)]


def test_a_wish_nobody_confirms_goes_after_thirty_days_with_what_was_said(
    service: SubscriptionService, asking: Shop, rows: Rows
) -> None:
    service.register(asking, signup(), Provenance())
    service.register(replace(asking, settings=replace(asking.settings)), signup("bob@example.com"), Provenance())
    rows("UPDATE subscriptions SET updated_at = now() - interval '30 days 1 second' WHERE contact_id = 1")
    rows("UPDATE subscriptions SET updated_at = now() - interval '29 days' WHERE contact_id = 2")
    assert service.purge_unconfirmed() == 1
    assert service.purge_unconfirmed() == 0
    assert rows("SELECT contact_id FROM subscriptions") == [(2,)]
    assert rows("SELECT count(*) FROM intents") == [(1,)]
    rows("UPDATE contacts SET updated_at = now() - interval '31 days' WHERE id = 1")
    rows("UPDATE customers SET updated_at = now() - interval '31 days'")
    service.sweep_orphans()
    assert rows("SELECT address FROM contacts") == [("bob@example.com",)]


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_a_shop_that_asks_no_more_lets_in_who_signs_up_again_and_nobody_who_kept_silent(  # noqa: PLR0917 (fixtures)
    service: SubscriptionService, shops: ShopService, asking: Shop, rows: Rows, database: Database, together: bool
) -> None:
    """The question said that nobody is told without an answer; a new sign-up needs none any more."""
    intent = service.register(asking, signup(), Provenance())
    service.register(asking, signup("bob@example.com"), Provenance())
    place = rows("SELECT queued_at FROM subscriptions WHERE contact_id = 1")
    rows("DELETE FROM stock_checks")
    free = shops.change_settings(asking.domain, {"double_opt_in.email": "false"})
    assert rows(STATES) == [("pending",), ("pending",)]
    parameters = _parameters(free, signup(customer_id=intent.customer_id), Provenance(), 10)
    for _ in range(2):
        if together:
            register_many(database.connect_for_batches(), [parameters])
        else:
            posts.register(database.hot(), parameters)
    assert rows(STATES) == [("active",), ("pending",)]
    assert rows("SELECT queued_at FROM subscriptions WHERE contact_id = 1") == place
    assert rows("SELECT effective FROM consents WHERE contact_id = 1 ORDER BY id") == [(False,), (True,)]
    assert rows("SELECT variant_id, version FROM stock_checks") == [(111, 1)], "looked at once, as for anybody new"


def test_who_has_paused_and_signs_up_again_goes_on_and_the_stock_is_looked_at(
    service: SubscriptionService, shop: Shop, rows: Rows
) -> None:
    intent = service.register(shop, signup(), Provenance())
    assert service.choices.pause(1, None) == 1
    rows("DELETE FROM stock_checks")
    service.register(shop, signup(), Provenance())
    assert rows("SELECT paused_at IS NULL FROM subscriptions") == [(False,)], "a stranger's post changes nothing"
    assert rows("SELECT * FROM stock_checks") == []
    service.register(shop, signup(customer_id=intent.customer_id), Provenance())
    assert rows("SELECT paused_at IS NULL FROM subscriptions") == [(True,)]
    assert rows("SELECT variant_id FROM stock_checks") == [(111,)]


def test_who_said_no_or_cannot_be_reached_is_not_let_in_by_a_shop_that_asks_nobody(
    service: SubscriptionService, shop: Shop, rows: Rows
) -> None:
    service.register(shop, signup(), Provenance())
    service.unsubscribe(1)
    for _ in range(2):
        service.register(shop, signup(), Provenance())
    assert rows(STATES) == [("cancelled",), ("pending",)]


def test_who_said_yes_before_is_not_purged(
    service: SubscriptionService, asking: Shop, rows: Rows, database: Database
) -> None:
    service.register(asking, signup(), Provenance())
    service.confirm(1)
    rows("UPDATE subscriptions SET updated_at = now() - interval '90 days'")
    with database.transaction() as session:
        assert repository.purge_unconfirmed(session, 30, 10) == 0
