"""What people answer by text message, and what becomes of their subscriptions in every shop that writes to them."""

from __future__ import annotations

import pytest

from restock.channels.values import ChannelName
from restock.database import Database
from restock.ids import address_hash
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.service.answers import AnswerService
from restock.subscriptions.values import AddressHolder, ContactFacts, Provenance, Signup
from tests.subscriptions.conftest import Rows

NUMBER, ANOTHER = "+14155550007", "+14155550008"


@pytest.fixture
def answers(database: Database) -> AnswerService:
    return AnswerService(database, settle_seconds=0)


def ask(service: SubscriptionService, shop: Shop, number: str = NUMBER) -> None:
    contact = ContactFacts(ChannelName.sms, number, address_hash(ChannelName.sms, number))
    service.register(shop, Signup(1, 2, 0, 1, "api", contact), Provenance())


def name_of(holder: AddressHolder | None) -> str | None:
    return holder.shop_name if holder else None


def states(rows: Rows) -> list[tuple[object, ...]]:
    return rows("SELECT shop_id, state, end_reason FROM subscriptions ORDER BY id")


def test_a_stop_ends_the_waiting_in_every_shop_and_nobody_elses(
    service: SubscriptionService, answers: AnswerService, shop: Shop, other_shop: Shop, rows: Rows
) -> None:
    ask(service, shop)
    ask(service, other_shop)
    ask(service, shop, ANOTHER)
    assert name_of(answers.stop(NUMBER)) == "teapot"
    assert states(rows) == [
        (shop.id, "cancelled", "stopped"),
        (other_shop.id, "cancelled", "stopped"),
        (shop.id, "active", None),
    ]
    assert rows("SELECT count(*) FROM consents WHERE action = 'withdrawn'") == [(2,)]
    assert answers.stop(NUMBER) is None, "said again, it changes nothing and is answered by nobody"
    assert rows("SELECT count(*) FROM consents WHERE action = 'withdrawn'") == [(2,)]


def test_a_start_lifts_what_a_stop_began_and_lets_in_who_asked_since(
    service: SubscriptionService, answers: AnswerService, shop: Shop, rows: Rows
) -> None:
    ask(service, shop)
    answers.stop(NUMBER)
    ask(service, shop)
    assert [state for _, state, _ in states(rows)] == ["cancelled", "pending"]
    assert name_of(answers.start(NUMBER)) == "kettle"
    assert [state for _, state, _ in states(rows)] == ["cancelled", "active"]
    assert rows("SELECT count(*) FROM suppressions") == [(0,)]
    assert rows("SELECT source FROM consents WHERE action = 'confirmed'") == [("sms",)]
    assert answers.start(NUMBER) is None


def test_a_start_lifts_no_other_no(
    service: SubscriptionService, answers: AnswerService, shop: Shop, rows: Rows
) -> None:
    ask(service, shop)
    [(contact_id,)] = rows("SELECT id FROM contacts")
    service.unsubscribe(contact_id)
    assert answers.start(NUMBER) is None
    assert rows("SELECT reason FROM suppressions") == [("unsubscribed",)]


def test_a_stop_after_leaving_by_link_keeps_even_a_confirmation_away(
    service: SubscriptionService, answers: AnswerService, shop: Shop, rows: Rows
) -> None:
    ask(service, shop)
    [(contact_id,)] = rows("SELECT id FROM contacts")
    service.unsubscribe(contact_id)
    assert name_of(answers.stop(NUMBER)) == "kettle"
    assert rows("SELECT reason, (SELECT suppression FROM contacts) FROM suppressions") == [("stopped", "stopped")]


def test_a_stranger_is_answered_by_nobody(answers: AnswerService) -> None:
    assert answers.stop(NUMBER) is None
    assert answers.start(NUMBER) is None
    assert answers.holder_of(NUMBER) is None


def test_help_names_the_shop_it_is_about(service: SubscriptionService, answers: AnswerService, shop: Shop) -> None:
    ask(service, shop)
    assert name_of(answers.holder_of(NUMBER)) == "kettle"


def test_a_stop_is_kept_where_the_shop_has_taken_the_app_out_and_holds_when_it_is_back(
    service: SubscriptionService, answers: AnswerService, shop: Shop, other_shop: Shop, rows: Rows
) -> None:
    ask(service, other_shop)
    ask(service, shop)
    rows("UPDATE shops SET state = 'uninstalled' WHERE id = %s", shop.id)
    assert name_of(answers.holder_of(NUMBER)) == "teapot", "who still has the app is named"
    assert name_of(answers.stop(NUMBER)) == "teapot"
    rows("UPDATE shops SET state = 'installed'")
    assert {state for _, state, _ in states(rows)} == {"cancelled"}
    assert rows("SELECT reason, count(*) FROM suppressions GROUP BY 1") == [("stopped", 2)]
    ask(service, shop)
    assert [state for _, state, _ in states(rows)].count("active") == 0


def test_an_answer_is_in_the_persons_language_else_the_shops_else_english(
    service: SubscriptionService, answers: AnswerService, shop: Shop, rows: Rows
) -> None:
    ask(service, shop)
    for own, shops, said in (("tr-TR", "de", "tr-TR"), (None, "de", "de"), (None, None, "en")):
        rows("UPDATE contacts SET locale = %s", own)
        rows("UPDATE shops SET locale = %s", shops)
        holder = answers.holder_of(NUMBER)
        assert holder is not None
        assert holder.locale == said
