"""What one post changes, for every standing its address can have."""

from __future__ import annotations

import pytest

from restock.channels.values import ChannelName, PushKeys
from restock.database import Database
from restock.errors import NotFoundError, UnavailableError
from restock.ids import address_hash
from restock.shops.values import Shop
from restock.subscriptions.rules.signup import can_be_lifted, decide_signup
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import ContactFacts, Provenance, SubscriptionState, SuppressionReason
from tests.opened import nowhere
from tests.subscriptions.conftest import VARIANT, Register, Rows, Suppress, contact_id_of, signup, subscription_of

DEAD = [SuppressionReason.bounced, SuppressionReason.complained, SuppressionReason.gone]


@pytest.mark.parametrize("reason", SuppressionReason)
def test_only_a_persons_own_no_can_be_taken_back(reason: SuppressionReason) -> None:
    opening = decide_signup(reason)
    assert opening.state is SubscriptionState.pending
    assert opening.ask_to_confirm == can_be_lifted(reason) == (reason not in DEAD)


def test_a_clean_address_waits_at_once(register: Register, rows: Rows) -> None:
    register(quantity=3, locale="de")
    assert rows("SELECT state, quantity, locale, expires_at::date - now()::date FROM subscriptions") == [
        ("active", 3, "de", 365)
    ]
    assert rows("SELECT confirm_requested_at FROM contacts") == [(None,)]


@pytest.mark.parametrize("reason", SuppressionReason)
def test_a_suppressed_address_waits_for_its_confirmation_and_the_answer_does_not_say_so(
    reason: SuppressionReason, register: Register, rows: Rows, suppress: Suppress
) -> None:
    register()
    suppress(reason)
    assert subscription_of(rows, "ada@example.com")[:2] == ("cancelled", reason.value)
    again = register()
    assert again.duplicate is False
    assert again.created_at == again.updated_at
    assert subscription_of(rows, "ada@example.com")[0] == "pending"
    assert rows("SELECT confirm_requested_at IS NOT NULL FROM contacts") == [(can_be_lifted(reason),)]


def test_a_suppression_outlives_its_contact(register: Register, rows: Rows, service: SubscriptionService) -> None:
    register()
    service.unsubscribe(contact_id_of(rows))
    rows("DELETE FROM contacts")
    register()
    assert subscription_of(rows, "ada@example.com")[0] == "pending"


def test_a_stranger_changes_nothing_of_a_waiting_subscription(register: Register, rows: Rows) -> None:
    register(quantity=1, locale="de")
    before = rows("SELECT queued_at FROM subscriptions")
    register(quantity=9, locale="fr", name="Mallory")
    assert rows("SELECT quantity, locale FROM subscriptions") == [(1, "de")]
    assert rows("SELECT queued_at FROM subscriptions") == before
    assert rows("SELECT count(*) FROM customers") == [(2,)]


def test_the_opener_changes_quantity_and_locale_and_keeps_the_place(register: Register, rows: Rows) -> None:
    first = register(quantity=1, locale="de")
    place = rows("SELECT queued_at FROM subscriptions")
    again = register(customer_id=first.customer_id, quantity=5, locale="fr", name="Ada", shopify_customer_id=9)
    assert (again.duplicate, again.id, again.quantity) == (True, first.id, 5)
    assert rows("SELECT quantity, locale FROM subscriptions") == [(5, "fr")]
    assert rows("SELECT name, locale, shopify_customer_id FROM customers") == [("Ada", "fr", 9)]
    assert rows("SELECT queued_at FROM subscriptions") == place


def test_markets_and_channels_are_apart(register: Register, rows: Rows) -> None:
    first = register()
    text = ContactFacts(ChannelName.sms, "+918123676393", address_hash("sms", "+918123676393"))
    assert register(customer_id=first.customer_id, market_id=5).duplicate is False
    assert register(customer_id=first.customer_id, contact=text).duplicate is False
    assert rows("SELECT count(*) FROM subscriptions") == [(3,)]


def test_shops_are_apart(
    register: Register, rows: Rows, shop: Shop, other_shop: Shop, service: SubscriptionService
) -> None:
    """The same address in two shops is two contacts; a no in one says nothing to the other; a handle is of one shop."""
    first = register()
    service.unsubscribe(contact_id_of(rows))
    there = register(shop=other_shop, customer_id=first.customer_id)
    assert there.customer_id != first.customer_id
    assert rows("SELECT state FROM subscriptions WHERE shop_id = %s", other_shop.id) == [("active",)]
    assert rows("SELECT count(*) FROM contacts") == [(2,)]


def test_after_being_told_the_same_post_stands_at_the_end_of_the_queue(register: Register, rows: Rows) -> None:
    first = register()
    rows("UPDATE subscriptions SET state = 'notified'")
    rows("UPDATE intents SET closed_at = now()")
    again = register(customer_id=first.customer_id)
    assert again.duplicate is False
    assert again.id != first.id
    assert rows("SELECT count(*) FROM subscriptions WHERE state = 'active' AND queued_at = created_at") == [(1,)]


def test_new_push_keys_replace_the_old_ones(register: Register, rows: Rows) -> None:
    def browser(key: str) -> ContactFacts:
        endpoint = "https://fcm.googleapis.com/fcm/send/x"
        return ContactFacts(ChannelName.push, endpoint, address_hash("push", endpoint), PushKeys(key, "auth"))

    register(contact=browser("one"))
    register(contact=browser("two"))
    assert rows("SELECT push_keys->>'p256dh' FROM contacts") == [("two",)]


class TestChangeOfAddress:
    """A customer who already waits for the variant names another address."""

    def test_the_intent_moves_with_its_place_and_the_old_address_is_let_go(
        self, register: Register, rows: Rows
    ) -> None:
        first = register("old@example.com")
        moved = register("new@example.com", customer_id=first.customer_id, quantity=2)
        assert (moved.duplicate, moved.id) == (True, first.id)
        assert subscription_of(rows, "old@example.com")[:2] == ("cancelled", "contact_changed")
        assert subscription_of(rows, "new@example.com") == ("active", None, 2)
        assert rows("SELECT count(DISTINCT queued_at) FROM subscriptions") == [(1,)]

    def test_a_subscription_that_somebody_else_wants_stays(self, register: Register, rows: Rows) -> None:
        first = register("old@example.com")
        register("old@example.com")
        register("new@example.com", customer_id=first.customer_id)
        assert subscription_of(rows, "old@example.com")[0] == "active"

    def test_one_whose_turn_is_being_handed_over_ends_when_the_offer_comes_back(
        self, register: Register, rows: Rows, database: Database
    ) -> None:
        from restock.subscriptions import repository

        first = register("old@example.com")
        rows("UPDATE subscriptions SET open_offer_id = 7")
        register("new@example.com", customer_id=first.customer_id)
        assert subscription_of(rows, "old@example.com")[:2] == ("active", "contact_changed")
        (old_id,) = rows("SELECT id FROM subscriptions WHERE open_offer_id = 7")[0]
        with database.transaction() as session:
            assert repository.release_offers(session, [old_id]) == {old_id}
        assert subscription_of(rows, "old@example.com")[:2] == ("cancelled", "contact_changed")

    def test_the_new_address_inherits_no_consent(self, register: Register, rows: Rows) -> None:
        first = register("old@example.com", accepts_marketing=True)
        register("new@example.com", customer_id=first.customer_id)
        assert rows("SELECT marketing FROM contacts ORDER BY id") == [("granted",), (None,)]

    def test_a_suppressed_new_address_has_to_confirm(
        self, register: Register, rows: Rows, service: SubscriptionService
    ) -> None:
        register("new@example.com", VARIANT + 1)
        service.unsubscribe(contact_id_of(rows, "new@example.com"))
        first = register("old@example.com")
        register("new@example.com", customer_id=first.customer_id)
        assert subscription_of(rows, "new@example.com")[0] == "pending"


class TestConsent:
    """The ledger has what was said, once, and whether it was acted on."""

    def test_a_post_is_a_yes_to_the_alert_and_repeating_it_says_nothing_new(
        self, register: Register, rows: Rows
    ) -> None:
        first = register()
        register(customer_id=first.customer_id)
        assert rows("SELECT purpose, action, effective, variant_id FROM consents") == [
            ("back_in_stock", "granted", True, VARIANT)
        ]

    def test_a_refusal_is_never_raised_by_a_post_alone(self, register: Register, rows: Rows) -> None:
        first = register(accepts_marketing=False)
        register(customer_id=first.customer_id, accepts_marketing=True)
        assert rows("SELECT marketing FROM contacts") == [("refused",)]
        said = rows("SELECT action, effective FROM consents WHERE purpose = 'marketing' ORDER BY id")
        assert said == [("refused", True), ("granted", False)]

    def test_a_yes_counts_and_a_later_no_ends_it(self, register: Register, rows: Rows) -> None:
        first = register(accepts_marketing=True)
        register(customer_id=first.customer_id, accepts_marketing=True)
        register(customer_id=first.customer_id, accepts_marketing=False)
        assert rows("SELECT marketing FROM contacts") == [("refused",)]
        said = rows("SELECT action FROM consents WHERE purpose = 'marketing' ORDER BY id")
        assert said == [("granted",), ("refused",)]

    def test_a_yes_to_marketing_is_one_to_email_alone(self, register: Register, rows: Rows) -> None:
        text = ContactFacts(ChannelName.sms, "+918123676393", address_hash("sms", "+918123676393"))
        first = register(contact=text, accepts_marketing=True)
        register(contact=text, accepts_marketing=True, customer_id=first.customer_id)
        assert rows("SELECT marketing FROM contacts") == [(None,)]
        assert rows("SELECT action, effective FROM consents WHERE purpose = 'marketing'") == [("granted", False)]

    def test_where_it_was_said_is_kept_without_the_network_address(
        self, service: SubscriptionService, shop: Shop, rows: Rows
    ) -> None:
        service.register(shop, signup(locale="de"), Provenance(b"\x01" * 16, "Browser", "https://shop.example/p"))
        found = rows("SELECT ip_hash, user_agent, page_url, source, locale FROM consents")
        assert found == [(b"\x01" * 16, "Browser", "https://shop.example/p", "api", "de")]


class TestStockChecks:
    """A new subscription has its variant's stock looked at, unless it is known to be sold out."""

    @pytest.mark.parametrize(("sellable", "count"), [(None, 1), (True, 1), (False, 0)])
    def test_by_what_is_known(
        self, sellable: bool | None, count: int, register: Register, rows: Rows, shop: Shop
    ) -> None:
        if sellable is not None:
            rows("INSERT INTO stock_readings VALUES (%s, %s, %s, 0, 'webhook', now())", shop.id, VARIANT, sellable)
        register()
        assert len(rows("SELECT 1 FROM stock_checks")) == count

    def test_a_second_cause_is_not_lost_on_a_check_under_way(self, register: Register, rows: Rows) -> None:
        register()
        register("bob@example.com")
        register("bob@example.com")  # joins a subscription: no new cause
        assert rows("SELECT version, due_at > now() + interval '5 seconds' FROM stock_checks") == [(2, True)]


def test_a_shop_erased_meanwhile_is_not_found(register: Register, rows: Rows) -> None:
    rows("DELETE FROM shops")
    with pytest.raises(NotFoundError):
        register()


def test_a_lost_connection_is_replaced_at_once(database: Database, register: Register, rows: Rows) -> None:
    register()
    victim = database.hot().info.backend_pid
    with database.transaction() as session:
        from sqlalchemy import text

        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": victim})
    assert register("bob@example.com").duplicate is False
    assert rows("SELECT count(*) FROM intents") == [(2,)]


def test_without_a_database_the_caller_may_come_back(shop: Shop) -> None:
    with pytest.raises(UnavailableError) as caught:
        SubscriptionService(nowhere(), 0).register(shop, signup(), Provenance())
    assert caught.value.retry_after_seconds
