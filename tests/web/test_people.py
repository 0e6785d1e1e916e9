"""The pages behind the links in our messages: a look changes nothing, a post acts, repeating it is harmless."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from restock.bootstrap import Services
from restock.channels.push.vapid import generate_private_key, public_key_of
from restock.channels.values import ChannelName
from restock.config import Settings
from restock.links import CONFIRM_MAX_AGE_SECONDS
from restock.subscriptions.values import SuppressionReason
from tests.application import open_app

SHOP = "kettle.myshopify.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@dataclass(frozen=True)
class People:
    """The whole web app, with a short way to let somebody wait."""

    client: FlaskClient
    services: Services

    def waits(self, channel: str = "email", **customer: object) -> int:
        """Let somebody wait; return the contact's id."""
        intent = {"shopify_variant_id": 1, "shopify_product_id": 2, "channel": channel}
        answer = self.client.post(
            "/api/v1/intents.json",
            json={"intent": intent, "customer": {"email": "ada@example.com", **customer}},
            headers={"X-Shopify-Shop-Domain": SHOP},
        )
        assert answer.status_code == 201
        return int(self._rows("SELECT max(id) FROM contacts")[0][0])

    def states(self) -> list[str]:
        return [str(state) for (state,) in self._rows("SELECT state FROM subscriptions ORDER BY id")]

    def contacts(self) -> int:
        return int(self._rows("SELECT count(*) FROM contacts")[0][0])

    def suppress(self, contact_id: int, reason: SuppressionReason) -> None:
        with self.services.database.transaction() as session:
            self.services.subscriptions.suppress(session, self._shop_id(), contact_id, reason)

    def message_to(self, contact_id: int) -> int:
        """Queue a message; return its delivery's id."""
        assert self.services.deliveries.queue_test(self._shop_id(), contact_id, ChannelName.email)
        return int(self._rows("SELECT max(id) FROM deliveries")[0][0])

    def clicks(self) -> int:
        return int(self._rows("SELECT sum(click_count) FROM deliveries")[0][0])

    def set_shops(self, state: str) -> None:
        self.services.database.hot().execute("UPDATE shops SET state = %s", [state])

    def _shop_id(self) -> int:
        shop = self.services.shops.find(SHOP)
        assert shop is not None
        return shop.id

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.services.database.hot().execute(query).fetchall()


@pytest.fixture
def people(make_settings: Callable[..., Settings], clean_database: str, redis_url: str) -> Iterator[People]:
    providers = {"smtp_url": "smtp://127.0.0.1:1"}
    app = open_app(make_settings(database_url=clean_database, redis_url=redis_url, **providers))
    services: Services = app.extensions["restock"]
    services.shops.add(SHOP)
    yield People(app.test_client(), services)
    services.close()


def path_of(link: str) -> str:
    return urlsplit(link).path


def test_opening_the_link_changes_nothing_and_the_button_ends_all_alerts(people: People) -> None:
    path = path_of(people.services.links.unsubscribe(people.waits()))
    page = people.client.get(path)
    assert page.status_code == 200
    assert "a•••@example.com" in page.text
    assert "ada@example.com" not in page.text
    assert people.client.head(path).status_code == 200
    assert people.states() == ["active"]
    for body in ({}, ONE_CLICK):
        assert people.client.post(path, data=body).status_code == 200
        assert people.states() == ["cancelled"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_mail_program_leaves_in_one_click_in_either_form(people: People, content_type: str) -> None:
    path = path_of(people.services.links.unsubscribe(people.waits()))
    assert people.client.post(path, data=ONE_CLICK, content_type=content_type).status_code == 200
    assert people.states() == ["cancelled"]


@pytest.mark.parametrize("by", ["unsubscribe", "preferences"])
def test_whoever_leaves_a_shop_without_the_app_has_left_it_when_it_is_back(people: People, by: str) -> None:
    contact_id = people.waits()
    links = people.services.links
    path = path_of(links.unsubscribe(contact_id) if by == "unsubscribe" else links.preferences(contact_id))
    people.set_shops("uninstalled")
    page = people.client.get(path)
    assert page.status_code == 200
    assert people.states() == ["active"], "a look changes nothing"
    for _ in range(2):
        page = people.client.post(path, data=ONE_CLICK if by == "unsubscribe" else {"do": "leave_all"})
        assert (page.status_code, "You will hear no more" in page.text) == (200, True)
    people.set_shops("installed")
    assert people.states() == ["cancelled"]
    people.waits()
    assert people.states() == ["cancelled", "pending"], "asked anew, the address is to say yes"


def test_an_erasure_asked_for_while_the_shop_is_without_the_app_is_done(people: People) -> None:
    path = path_of(people.services.links.preferences(people.waits()))
    people.set_shops("uninstalled")
    assert "You are being erased" in people.client.post(f"{path}/erase").text
    people.services.privacy.work_due()
    assert people.contacts() == 0


def test_what_a_shop_without_the_app_could_only_promise_is_not_offered(people: People) -> None:
    contact_id = people.waits()
    path = path_of(people.services.links.confirm(contact_id))
    people.set_shops("uninstalled")
    assert people.client.get(path).status_code == 404
    assert people.client.post(path).status_code == 404


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_genuine_link_to_nobody_is_answered_as_well_and_says_nothing_of_an_address(
    people: People, language: str
) -> None:
    """Erased, swept, or never there: a mail program is told that all is well (RFC 8058)."""
    links, contact_id = people.services.links, people.waits()
    people.services.privacy.erase_own(contact_id)
    people.services.privacy.work_due()
    pages = [
        people.client.open(path_of(links.unsubscribe(one)), method=method, headers={"Accept-Language": language})
        for one in (contact_id, contact_id + 999)
        for method in ("GET", "POST")
    ]
    assert {page.status_code for page in pages} == {200}
    assert {("kettle" in page.text, "example.com" in page.text) for page in pages} == {(False, False)}
    word = "Nothing is sent" if language == "en" else "nichts mehr verschickt"
    assert all(word in page.text for page in pages)


def test_whoever_left_and_asks_again_waits_once_the_address_says_yes(people: People) -> None:
    contact_id = people.waits()
    links = people.services.links
    people.client.post(path_of(links.unsubscribe(contact_id)))
    people.waits()
    path = path_of(links.confirm(contact_id))
    assert people.client.get(path).status_code == 200
    assert people.states() == ["cancelled", "pending"]
    for _ in range(2):
        assert people.client.post(path).status_code == 200
        assert people.states() == ["cancelled", "active"]


@pytest.mark.parametrize("reason", [SuppressionReason.bounced, SuppressionReason.complained])
@pytest.mark.parametrize(("locale", "words"), [("en", "No alerts can be sent here"), ("fr-CA", "Aucune alerte")])
def test_an_address_that_stays_suppressed_is_not_told_that_it_is_on_the_list(
    people: People, reason: SuppressionReason, locale: str, words: str
) -> None:
    contact_id = people.waits(locale=locale)
    people.suppress(contact_id, reason)
    path = path_of(people.services.links.confirm(contact_id))
    for _ in range(2):
        page = people.client.post(path)
        assert page.status_code == 200
        assert words in page.text
        assert "a•••@example.com" in page.text
        assert f"https://{SHOP}" in page.text
    assert people.states() == ["cancelled"]


def test_a_link_checkers_head_leads_to_the_goods_and_is_no_click(people: People) -> None:
    path = path_of(people.services.links.click(people.message_to(people.waits())))
    asked = people.client.head(path)
    assert (asked.status_code, asked.location) == (302, f"https://{SHOP}")
    assert people.clicks() == 0
    assert people.client.get(path).location == asked.location
    assert people.clicks() == 1
    assert people.client.head("/c/x").status_code == 404


@pytest.mark.parametrize(("locale", "words"), [("en", "this browser"), ("de-AT", "diesen Browser")])
def test_a_browser_has_no_address_to_show_and_is_called_that(people: People, locale: str, words: str) -> None:
    keys = {"p256dh": public_key_of(generate_private_key()), "auth": "A" * 22}
    push = {"endpoint": "https://fcm.googleapis.com/fcm/send/canary", "keys": keys}
    path = path_of(people.services.links.unsubscribe(people.waits("push", push=push, locale=locale)))
    for page in (people.client.get(path), people.client.post(path)):
        assert f'<bdi dir="ltr">{words}</bdi>' in page.text
        assert "canary" not in page.text


@pytest.mark.parametrize("place", ["/unsubscribe/", "/confirm/", "/c/"])
def test_a_link_that_is_not_ours_gets_a_page_that_says_so(people: People, place: str) -> None:
    links, contact_id = people.services.links, people.waits()
    another = path_of(links.preferences(contact_id)).rpartition("/")[2]
    late = path_of(links.confirm(contact_id, time.time() - CONFIRM_MAX_AGE_SECONDS - 5)).rpartition("/")[2]
    for token in ("x", "%00", "A" * 5000, another, late):
        page = people.client.get(f"{place}{token}")
        assert page.status_code == 404
        assert "This link is not valid" in page.text
        assert people.client.post(f"{place}{token}").status_code in (404, 405)
    assert people.states() == ["active"]


def test_no_page_is_kept_framed_or_searched(people: People) -> None:
    page = people.client.get(path_of(people.services.links.unsubscribe(people.waits())))
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "script" not in page.text
