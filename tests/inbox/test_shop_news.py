"""What a shop says of itself changes what we know of it, and the merchant's own word stays above it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.inbox.service import InboxService
from restock.inbox.service.shop_news import shop_effects
from restock.shops.service import ShopService
from restock.shops.values import Shop, ShopAccess
from tests.inbox.conftest import NOON, Send, sample

Look = Callable[[], Shop]
LATER = NOON + timedelta(days=400)  # after the installation, whenever this runs


@pytest.fixture
def looked_after() -> list[str]:
    return []


@pytest.fixture
def inbox(database: Database, shops: ShopService, looked_after: list[str]) -> InboxService:
    return InboxService(database, 0, shop_effects(shops, lambda: looked_after.append("now")))


@pytest.fixture
def look(inbox: InboxService, shops: ShopService) -> Look:
    """Apply everything due and find the shop as other rooms do."""

    def look() -> Shop:
        while inbox.apply_due():
            pass
        found = shops.find("demo.myshopify.com")
        assert found is not None
        return found

    return look


def _reasons(database: Database) -> list[Any]:
    with database.transaction() as session:
        return [
            tuple(row) for row in session.execute(text("SELECT state, reason FROM inbox_messages ORDER BY id")).all()
        ]


def test_a_shop_is_known_by_what_it_says_unless_the_merchant_says_otherwise(
    shop: Shop, shops: ShopService, send: Send, look: Look
) -> None:
    send("shop/update", sample("shop/update") | {"domain": "toys.example", "iana_timezone": "America/New_York"})
    said = look()
    assert (said.name, said.currency, said.locale, said.settings.country) == ("Super Toys", "USD", "en", "US")
    assert (said.time_zone, said.primary_url) == ("America/New_York", "https://toys.example")
    shops.change_settings("demo", {"name": "Toys", "currency": "EUR", "country": "FR", "locale": "fr"})
    send("shop/update", sample("shop/update") | {"name": "Superb Toys", "currency": "CAD"})
    own = look()
    assert (own.name, own.currency, own.locale, own.settings.country) == ("Toys", "EUR", "fr", "FR")
    back = shops.change_settings("demo", {"name": "", "currency": "", "country": "", "locale": ""})
    assert (back.name, back.currency, back.locale, back.settings.country) == ("Superb Toys", "CAD", "en", "US")


def test_late_news_of_a_shop_changes_nothing(shop: Shop, send: Send, look: Look) -> None:
    send("shop/update", {"name": "Newer"}, LATER)
    send("shop/update", {"name": "Older"}, LATER - timedelta(seconds=1))
    assert look().name == "Newer"


def test_what_cannot_be_used_is_passed_over(shop: Shop, send: Send, look: Look, database: Database) -> None:
    send("shop/update", {"name": "Ada's", "currency": "EUR", "iana_timezone": "Europe/Paris", "domain": "a.example"})
    strange = {"name": 5, "currency": "€", "country_code": "??", "primary_locale": [], "iana_timezone": "../etc/passwd"}
    send("shop/update", strange | {"domain": "user@a.example:8/x"})
    found = look()
    assert (found.name, found.currency, found.time_zone) == ("Ada's", "EUR", "Europe/Paris")
    assert (found.primary_url, found.locale, found.settings.country) == ("https://a.example", "en", None)
    assert _reasons(database) == [("applied", None)] * 2


def test_a_long_name_is_cut_and_a_wild_one_is_tamed(shop: Shop, send: Send, look: Look) -> None:
    send("shop/update", {"name": "Ada's\x00\n\u202eshop " + "x" * 200})
    assert look().name == ("Ada'sshop " + "x" * 200)[:100]


def test_scopes_are_followed_and_what_depends_on_them_is_asked(
    shops: ShopService, send: Send, look: Look, looked_after: list[str], database: Database
) -> None:
    shops.add("demo", "shpat_custom")
    with database.transaction() as session:
        session.execute(text("UPDATE shops SET asked_at = now()"))
    send("app/scopes_update", {"previous": [], "current": ["read_products", "read_orders"]})
    assert look().scopes == {"read_products", "read_orders"}
    assert looked_after == ["now"]
    with database.transaction() as session:
        assert session.execute(text("SELECT asked_at FROM shops")).scalar() is None
    send("app/scopes_update", {"current": []})
    assert look().scopes == frozenset()


@pytest.mark.parametrize("current", [None, "read_orders", [5], ["x" * 200], ["å"], ["a"] * 301, [""]])
def test_scopes_that_are_none_fail_alone(
    current: object, shops: ShopService, send: Send, look: Look, database: Database
) -> None:
    shops.add("demo", "shpat_custom")
    send("app/scopes_update", {"current": current})
    send("shop/update", {"name": "Ada's"})
    assert look().name == "Ada's"
    assert _reasons(database)[0] == ("received", "bad_current")


def test_scopes_before_the_first_token_change_nothing(
    shop: Shop, send: Send, look: Look, looked_after: list[str]
) -> None:
    send("app/scopes_update", {"current": ["read_products"]})
    assert look().scopes == frozenset()
    assert looked_after == []


def test_leaving_ends_access_and_open_events_and_coming_back_keeps_the_rest(
    shops: ShopService, send: Send, look: Look, database: Database, other_shop: Shop
) -> None:
    shop = shops.add("demo", "shpat_custom")
    shops.change_settings("demo", {"expire_days": "30"})
    with database.transaction() as session:
        for shop_id in (shop.id, other_shop.id):
            session.execute(
                text("INSERT INTO restock_events (shop_id, variant_id, plan_at) VALUES (:id, 7, now())"),
                {"id": shop_id},
            )
    send("app/uninstalled", sample("app/uninstalled"), LATER)
    gone = look()
    assert (gone.is_installed, gone.access, gone.scopes) == (False, ShopAccess.none, frozenset())
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM shop_tokens")).scalar() == 0
        events = session.execute(text("SELECT shop_id, close_reason, plan_at IS NULL FROM restock_events")).all()
        assert {tuple(event) for event in events} == {(shop.id, "shop_uninstalled", True), (other_shop.id, None, False)}
    send("shop/update", {"name": "Ghost"}, LATER)
    assert look().name == "demo"
    assert _reasons(database)[-1] == ("kept", "no_shop")
    back = shops.add("demo")
    assert (back.id, back.is_installed, back.settings.expire_days) == (shop.id, True, 30)


@pytest.mark.parametrize("topic", ["app/scopes_update", "shop/update", "app/uninstalled"])
def test_news_of_a_stranger_is_kept_and_harms_nobody(
    topic: str, shop: Shop, send: Send, look: Look, database: Database
) -> None:
    send(topic, sample(topic), shop_domain="stranger.myshopify.com")
    assert look() == shop
    assert _reasons(database) == [("kept", "no_shop")]
