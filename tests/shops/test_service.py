"""Shops: added once, found fast, changed whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.errors import NotFoundError, ValidationError
from restock.links import Vault
from restock.shops import repository
from restock.shops.service import MEMORY_SECONDS, ShopMemory, ShopService
from restock.shops.values import PRESETS, PolicyPreset, ShopAccess, ShopState


def test_adding_a_shop_twice_gives_the_same_shop(shops: ShopService) -> None:
    first = shops.add("Demo")
    assert first.domain == "demo.myshopify.com"
    assert first.name == "demo"
    assert first.is_installed
    assert shops.add("https://demo.myshopify.com/admin") == first
    assert shops.list() == [first]


def test_eight_adds_at_once_make_one_shop(shops: ShopService) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shops.add("demo", "shpat_1"), range(8)))
    assert len({shop.id for shop in found}) == 1
    assert len(shops.list()) == 1


@pytest.mark.parametrize("text", ["", "evil.com", "demo.myshopify.com.evil.com", "a@demo.myshopify.com", "x" * 300])
def test_a_text_that_names_no_shop_is_refused_with_the_mend(shops: ShopService, text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        shops.add(text)
    assert [fault.field for fault in refused.value.faults] == ["domain"]
    assert "example.myshopify.com" in refused.value.faults[0].message


def test_a_custom_apps_token_is_kept_and_adding_again_without_one_keeps_it(
    shops: ShopService, database: Database
) -> None:
    shop = shops.add("demo", "shpat_secret")
    assert shop.access is ShopAccess.granted
    assert shops.add("demo").access is ShopAccess.granted
    with database.transaction() as session:
        sealed = session.execute(text("SELECT access_sealed FROM shop_tokens")).scalar()
    assert b"shpat_secret" not in sealed
    assert shops.vault.open(sealed, f"shops.access_token:{shop.id}") == "shpat_secret"


@pytest.mark.parametrize("token", ["", "  ", "tökén", "x" * 600])
def test_an_unusable_token_is_refused(shops: ShopService, token: str) -> None:
    with pytest.raises(ValidationError):
        shops.add("demo", token)
    assert shops.list() == []


def test_an_uninstalled_shop_comes_back_by_adding_it(shops: ShopService, database: Database) -> None:
    shop = shops.add("demo")
    shops.add("demo", "shpat_1")
    with database.transaction() as session:
        assert repository.uninstall(session, shop.domain, datetime.now(UTC) + timedelta(minutes=1))
        assert repository.uninstall(session, shop.domain, None) is None, "a second time changes nothing"
    gone = shops.by_id(shop.id)
    assert gone is not None
    assert gone.state is ShopState.uninstalled
    assert gone.access is ShopAccess.none
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM shop_tokens")).scalar() == 0
    assert shops.add("demo").is_installed
    assert shops.by_id(shop.id) == shop


def test_news_of_an_earlier_uninstall_does_not_end_the_present_installation(
    shops: ShopService, database: Database
) -> None:
    shop = shops.add("demo")
    with database.transaction() as session:
        assert repository.uninstall(session, shop.domain, datetime.now(UTC) - timedelta(hours=1)) is None
    assert shops.by_id(shop.id) == shop


def test_found_and_unknown_shops_are_remembered_for_a_moment(database: Database) -> None:
    now = [100.0]
    memory = ShopMemory(ticks=lambda: now[0])
    shops = ShopService(database, Vault(["a-key-for-tests-only-000001"]), memory)
    elsewhere = ShopService(database, shops.vault)
    assert shops.find("demo.myshopify.com") is None
    elsewhere.add("demo")
    assert shops.find("demo.myshopify.com") is None, "still remembered as unknown"
    now[0] += MEMORY_SECONDS
    assert shops.find("demo.myshopify.com") is not None
    elsewhere.change_settings("demo", {"expire_days": "30"})
    known = shops.find("demo.myshopify.com")
    assert known is not None
    assert known.settings.expire_days == 365
    now[0] += MEMORY_SECONDS
    known = shops.find("demo.myshopify.com")
    assert known is not None
    assert known.settings.expire_days == 30


def test_a_known_shop_is_looked_up_again_once_before_it_is_forgotten(database: Database) -> None:
    now = [100.0]
    shops = ShopService(database, Vault(["a-key-for-tests-only-000001"]), ShopMemory(ticks=lambda: now[0]))
    shops.add("demo")
    shops.find("demo.myshopify.com")
    with ThreadPoolExecutor(1) as threads:
        shops.ahead.attach(threads)
        shops.ahead.keep_known("demo.myshopify.com")
        now[0] += MEMORY_SECONDS * 0.6
        assert shops.memory.is_ageing("demo.myshopify.com")
        shops.ahead.keep_known("demo.myshopify.com")
    assert not shops.memory.is_ageing("demo.myshopify.com"), "it was said once"
    now[0] += MEMORY_SECONDS * 0.6
    assert shops.memory.recall("demo.myshopify.com") == (False, None), "said to somebody who did not look"
    shops.find("demo.myshopify.com")
    with ThreadPoolExecutor(1) as threads:
        shops.ahead.attach(threads)
        now[0] += MEMORY_SECONDS * 0.6
        shops.ahead.keep_known("demo.myshopify.com")
    now[0] += MEMORY_SECONDS * 0.6
    assert shops.memory.recall("demo.myshopify.com")[0], "known without a wait"


def test_a_shop_is_not_kept_known_by_threads_that_have_ended(database: Database) -> None:
    """A server that stops still answers what has come in."""
    now = [100.0]
    shops = ShopService(database, Vault(["a-key-for-tests-only-000001"]), ShopMemory(ticks=lambda: now[0]))
    shops.add("demo")
    shops.find("demo.myshopify.com")
    with ThreadPoolExecutor(1) as threads:
        shops.ahead.attach(threads)
    now[0] += MEMORY_SECONDS * 0.6
    shops.ahead.keep_known("demo.myshopify.com")
    assert shops.memory.recall("demo.myshopify.com")[0]


def test_what_was_looked_up_before_a_change_is_not_remembered_after_it(shops: ShopService) -> None:
    shop = shops.add("demo")
    asked = shops.memory.asked()
    shops.change_settings("demo", {"channels": "email"})
    shops.memory.keep(shop.domain, shop, asked)
    assert shops.memory.recall(shop.domain) == (False, None)


def test_a_slow_look_up_is_as_old_as_its_question(shops: ShopService) -> None:
    shop, now = shops.add("demo"), [100.0]
    memory = ShopMemory(ticks=lambda: now[0])
    asked = memory.asked()
    now[0] += MEMORY_SECONDS * 0.8
    memory.keep(shop.domain, shop, asked)
    assert memory.recall(shop.domain) == (True, shop)
    now[0] += MEMORY_SECONDS * 0.3
    assert memory.recall(shop.domain) == (False, None)


def test_what_was_asked_earlier_takes_the_place_of_nothing_newer(shops: ShopService) -> None:
    before, now = shops.add("demo"), [100.0]
    memory = ShopMemory(ticks=lambda: now[0])
    asked = memory.asked()
    now[0] += 0.1
    after = replace(before, state=ShopState.uninstalled)
    memory.keep(before.domain, after, memory.asked())
    memory.keep(before.domain, before, asked)
    assert memory.recall(before.domain) == (True, after)


def test_a_change_is_seen_at_once_by_the_service_that_made_it(shops: ShopService) -> None:
    assert shops.find("demo.myshopify.com") is None
    shops.add("demo")
    assert shops.find("demo.myshopify.com") is not None
    shops.change_settings("demo", {"channels": "email"})
    found = shops.find("demo.myshopify.com")
    assert found is not None
    assert found.settings.channels == {"email"}


def test_made_up_domains_cannot_fill_the_memory(database: Database) -> None:
    memory = ShopMemory()
    for number in range(5_000):
        memory.keep(f"s{number}.myshopify.com", None, memory.asked())
    assert len(memory._unknown) <= 1_000


def test_all_faults_of_a_change_are_told_at_once_and_nothing_changes(shops: ShopService) -> None:
    shop = shops.add("demo")
    with pytest.raises(ValidationError) as refused:
        shops.change_settings("demo", {"expire_days": "0", "colour": "red", "channels": "fax", "country": "GB"})
    assert [fault.field for fault in refused.value.faults] == ["expire_days", "colour", "channels"]
    assert "from 1 to 3650" in refused.value.faults[0].message
    assert shops.by_id(shop.id) == shop


def test_settings_of_an_unknown_shop_cannot_be_changed(shops: ShopService) -> None:
    with pytest.raises(NotFoundError, match="restock shop add"):
        shops.change_settings("nobody", {"expire_days": "3"})


def test_changes_add_up_and_only_differences_are_stored(shops: ShopService, database: Database) -> None:
    shop = shops.add("demo")
    shops.change_settings("demo", {"policy.factor": "2.50", "name": "Ada's shirts", "locale": "pt_br"})
    shops.change_settings("demo", {"policy.turn_minutes": "5", "expire_days": "365", "currency": "eur"})
    changed = shops.by_id(shop.id)
    assert changed is not None
    assert (changed.settings.policy.factor, changed.settings.policy.turn_minutes) == (2.5, 5)
    assert (changed.name, changed.currency, changed.locale) == ("Ada's shirts", "EUR", "pt-BR")
    with database.transaction() as session:
        stored = session.execute(text("SELECT settings FROM shops")).scalar()
    assert stored == {"policy.factor": "2.5", "policy.turn_minutes": "5"}
    back = shops.change_settings("demo", {"policy": "strict", "name": "", "locale": "", "currency": ""})
    assert back.settings.policy == PRESETS[PolicyPreset.strict]
    assert (back.name, back.currency, back.locale) == ("demo", None, "en")
