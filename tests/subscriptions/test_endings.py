"""Confirming, leaving, dead addresses, time, and what is tidied up."""

from __future__ import annotations

import pytest

from restock.channels.values import ChannelName
from restock.database import Database
from restock.shops.values import Shop
from restock.subscriptions import repository
from restock.subscriptions.rules.masking import mask_address
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import ConfirmationDue, SuppressionReason
from tests.subscriptions.conftest import VARIANT, Register, Rows, Suppress, contact_id_of, subscription_of

DEAD = [SuppressionReason.bounced, SuppressionReason.complained, SuppressionReason.gone]


def test_leaving_ends_every_alert_of_this_shop_and_is_noted_once(
    register: Register, rows: Rows, service: SubscriptionService, other_shop: Shop
) -> None:
    register()
    register(variant_id=VARIANT + 1)
    register(shop=other_shop)
    contact_id = contact_id_of(rows)
    service.unsubscribe(contact_id)
    service.unsubscribe(contact_id)
    assert rows("SELECT shop_id, state, end_reason, count(*) FROM subscriptions GROUP BY 1, 2, 3 ORDER BY 1") == [
        (1, "cancelled", "unsubscribed", 2),
        (2, "active", None, 1),
    ]
    assert rows("SELECT count(*) FROM intents WHERE closed_at IS NULL") == [(1,)]
    assert rows("SELECT reason FROM suppressions") == [("unsubscribed",)]
    assert rows("SELECT count(*) FROM consents WHERE action = 'withdrawn'") == [(1,)]


def test_leaving_by_a_link_to_nobody_does_nothing(service: SubscriptionService) -> None:
    service.unsubscribe(404)
    assert service.confirm(404) is False
    assert service.contact_view(404) is None


def test_a_yes_lets_what_waited_into_the_queue_at_its_place(
    register: Register, rows: Rows, service: SubscriptionService
) -> None:
    register()
    contact_id = contact_id_of(rows)
    service.unsubscribe(contact_id)
    register()
    rows("UPDATE subscriptions SET queued_at = now() - interval '3 days' WHERE state = 'pending'")
    rows("DELETE FROM stock_checks")
    assert service.confirm(contact_id)
    assert service.confirm(contact_id)
    assert subscription_of(rows, "ada@example.com")[0] == "active"
    assert rows("SELECT count(*) FROM subscriptions WHERE queued_at < now() - interval '2 days'") == [(1,)]
    assert rows("SELECT count(*) FROM suppressions") == [(0,)]
    assert rows("SELECT confirmed_at IS NOT NULL, confirm_requested_at, suppression FROM contacts") == [
        (True, None, None)
    ]
    assert rows("SELECT variant_id FROM stock_checks") == [(VARIANT,)]
    assert rows("SELECT count(*) FROM consents WHERE action = 'confirmed'") == [(1,)]


@pytest.mark.parametrize("reason", DEAD)
def test_a_yes_does_not_revive_a_dead_address(
    reason: SuppressionReason, register: Register, rows: Rows, service: SubscriptionService, suppress: Suppress
) -> None:
    register()
    suppress(reason)
    register()
    service.confirm(contact_id_of(rows))
    assert subscription_of(rows, "ada@example.com")[0] == "pending"
    assert rows("SELECT reason FROM suppressions") == [(reason.value,)]


def test_a_dead_address_outranks_a_no_and_not_the_other_way_round(
    register: Register, rows: Rows, service: SubscriptionService, suppress: Suppress
) -> None:
    register()
    contact_id = contact_id_of(rows)
    service.unsubscribe(contact_id)
    suppress(SuppressionReason.bounced)
    service.unsubscribe(contact_id)
    assert rows("SELECT s.reason, c.suppression FROM suppressions s, contacts c") == [("bounced", "bounced")]


def test_another_shops_contact_cannot_be_suppressed(
    register: Register, rows: Rows, service: SubscriptionService, database: Database, other_shop: Shop
) -> None:
    register()
    with database.transaction() as session:
        service.suppress(session, other_shop.id, contact_id_of(rows), SuppressionReason.bounced)
    assert rows("SELECT count(*) FROM suppressions") == [(0,)]


def test_a_confirmation_is_asked_for_once_however_often_it_was_wanted(
    register: Register, rows: Rows, service: SubscriptionService, database: Database, shop: Shop
) -> None:
    register()
    contact_id = contact_id_of(rows)
    service.unsubscribe(contact_id)
    for _ in range(5):
        register()
    with database.transaction() as session:
        due = repository.take_confirmations_due(session, 10)
        assert due == [ConfirmationDue(contact_id, shop.id, "email", due[0].asked_at)]
        assert repository.take_confirmations_due(session, 10) == []


def test_who_waits_too_long_is_let_go_unless_the_turn_is_being_handed_over(
    register: Register, rows: Rows, service: SubscriptionService
) -> None:
    register()
    register("bob@example.com")
    register("cleo@example.com")
    rows("UPDATE subscriptions SET expires_at = now() - interval '1 s' WHERE contact_id <= 2")
    rows("UPDATE subscriptions SET open_offer_id = 5 WHERE contact_id = 2")
    assert service.expire_due(limit=10) == 1
    assert service.expire_due(limit=10) == 0
    assert subscription_of(rows, "ada@example.com")[:2] == ("expired", "waited_too_long")
    assert rows("SELECT count(*) FROM intents WHERE closed_at IS NULL") == [(2,)]


def test_handles_and_contacts_that_lead_to_nothing_go_after_a_month(
    register: Register, rows: Rows, service: SubscriptionService
) -> None:
    register()
    register("bob@example.com")
    register("cleo@example.com")
    rows("DELETE FROM subscriptions WHERE contact_id <= 2")
    old = "now() - interval '31 days'"
    rows(f"UPDATE contacts SET updated_at = {old} WHERE id <> 2")
    rows(f"UPDATE customers SET updated_at = {old}")
    assert service.sweep_orphans(limit=10) == 3
    assert rows("SELECT id FROM contacts ORDER BY id") == [(2,), (3,)]
    assert rows("SELECT count(*) FROM customers") == [(1,)]


def test_the_page_behind_a_link_never_shows_the_whole_address(
    register: Register, rows: Rows, service: SubscriptionService
) -> None:
    register(locale="de")
    view = service.contact_view(contact_id_of(rows))
    assert view is not None
    assert (view.shop_name, view.shop_domain, view.locale) == ("kettle", "kettle.myshopify.com", "de")
    assert view.masked_address == "a•••@example.com"
    assert mask_address(ChannelName.sms, "+918123676393") == "•••93"
    assert mask_address(ChannelName.push, "https://push.example/secret") == ""
    assert view.shop_is_here
    rows("UPDATE shops SET state = 'uninstalled'")
    later = service.contact_view(contact_id_of(rows))
    assert later is not None
    assert not later.shop_is_here
