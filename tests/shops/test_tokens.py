"""Access to a shop's Admin API: always good when it is used, fetched once however many want it, never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restock.database import Database
from restock.shopify.errors import AdminUnauthorizedError, AdminUnavailableError, NoAccessError
from restock.shopify.values import Access
from restock.shops import repository
from restock.shops.service import ShopService
from restock.shops.service.tokens import TokenService
from restock.shops.values import Shop, ShopAccess
from tests.shops.conftest import FakeAdmin, id_token
from tests.shops.token_fake import FakeTokens

HOUR = 3600
Sql = Callable[..., Any]
Age = Callable[[float], None]


def _ask(tokens: TokenService, admin: FakeAdmin, shop: Shop) -> str:
    return tokens.ask(shop.id, admin.check)


def test_opening_the_app_installs_it_and_names_the_shop(
    tokens: TokenService, shops: ShopService, fake: FakeTokens, admin: FakeAdmin
) -> None:
    shop = tokens.welcome("an-id-token", id_token("demo.myshopify.com"))
    assert shop.is_installed
    assert (shop.access, shop.scopes) == (ShopAccess.granted, {"read_products"})
    assert (shop.name, shop.currency, shop.settings.country) == ("Ada's shirts", "EUR", "DE")
    assert (shop.time_zone, shop.primary_url) == ("Europe/Berlin", "https://shirts.example")
    assert tokens.has_access(shop)
    assert shops.find("demo.myshopify.com") == shop
    assert fake.addresses == ["/demo.myshopify.com/admin/oauth/access_token"]
    (body,) = fake.asked
    assert body == {
        "client_id": "restock-test-key",
        "client_secret": "hush",
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "an-id-token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": 1,
    }
    assert tokens.welcome("an-id-token", id_token("demo.myshopify.com")) == shop
    assert len(fake.asked) == 1, "a good token is not exchanged again"
    assert _ask(tokens, admin, shop) == "shpat_access_1"


def test_ten_tabs_opened_at_once_are_one_exchange(tokens: TokenService, fake: FakeTokens) -> None:
    fake.delay = 0.1
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: tokens.welcome("an-id-token", id_token("demo.myshopify.com")), range(10)))
    assert {shop.access for shop in found} == {ShopAccess.granted}
    assert len(fake.asked) == 1


def test_a_shop_that_cannot_be_introduced_is_installed_all_the_same(tokens: TokenService, admin: FakeAdmin) -> None:
    admin.failure = AdminUnavailableError("away")
    shop = tokens.welcome("an-id-token", id_token("demo.myshopify.com"))
    assert (shop.access, shop.name) == (ShopAccess.granted, "demo")


def test_an_id_token_shopify_refuses_installs_nothing(tokens: TokenService, shops: ShopService) -> None:
    with pytest.raises(NoAccessError):
        tokens.welcome("a-forged-one", id_token("demo.myshopify.com"))
    assert not any(shop.is_installed or shop.access is ShopAccess.granted for shop in shops.list())


@pytest.mark.parametrize("mode", ["hang", "down", "page", "throttled", "wrong_client", "empty", "trickle"])
def test_an_endpoint_that_does_not_answer_properly_is_asked_once_and_can_be_asked_again(
    tokens: TokenService, impatient: TokenService, fake: FakeTokens, mode: str
) -> None:
    fake.mode = mode
    began = time.monotonic()
    with pytest.raises(AdminUnavailableError):
        impatient.welcome("an-id-token", id_token("demo.myshopify.com"))
    assert time.monotonic() - began < 40, "it would hang or trickle for a minute"
    assert len(fake.asked) == 1
    fake.mode = "good"
    assert tokens.welcome("an-id-token", id_token("demo.myshopify.com")).access is ShopAccess.granted


def test_the_tokens_are_sealed_each_for_its_shop_and_column(
    tokens: TokenService, installed: Shop, run_sql: Sql, shops: ShopService, admin: FakeAdmin
) -> None:
    row = run_sql("SELECT shop_tokens::text FROM shop_tokens")
    assert "shpat" not in row
    assert b"shprt" not in bytes(run_sql("SELECT refresh_sealed FROM shop_tokens"))
    run_sql("UPDATE shop_tokens SET access_sealed = refresh_sealed")
    with pytest.raises(NoAccessError, match="sealed for another place"):
        _ask(tokens, admin, installed)


def test_a_token_with_time_left_is_used_as_it_is(
    tokens: TokenService, installed: Shop, age: Age, fake: FakeTokens, admin: FakeAdmin
) -> None:
    age(HOUR - 450)
    assert _ask(tokens, admin, installed) == "shpat_access_1"
    assert len(fake.asked) == 1


@pytest.mark.parametrize("seconds_left", [290, 60, 10, -10, -80 * 24 * HOUR])
def test_a_token_about_to_end_or_over_is_renewed_before_it_is_used(
    *,
    tokens: TokenService,
    installed: Shop,
    age: Age,
    fake: FakeTokens,
    admin: FakeAdmin,
    seconds_left: int,
    run_sql: Sql,
) -> None:
    age(HOUR - seconds_left)
    assert _ask(tokens, admin, installed) == "shpat_access_2"
    assert fake.asked[1] == {
        "client_id": "restock-test-key",
        "client_secret": "hush",
        "grant_type": "refresh_token",
        "refresh_token": "shprt_refresh_1",
    }
    assert run_sql("SELECT generation FROM shop_tokens") == 2
    assert 55 * 60 > run_sql("SELECT extract(epoch FROM refresh_at - now()) FROM shop_tokens") > 52 * 60


@pytest.mark.parametrize("seconds_left", [100, -100])
def test_twenty_threads_make_one_call(
    *, tokens: TokenService, installed: Shop, age: Age, fake: FakeTokens, admin: FakeAdmin, seconds_left: int
) -> None:
    age(HOUR - seconds_left)
    fake.delay = 0.1
    asked_with = []
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: tokens.ask(installed.id, lambda access: asked_with.append(access.token)), range(20)))
    assert len(fake.asked) == 2
    assert set(asked_with) <= {"shpat_access_1", "shpat_access_2"}
    if seconds_left < 0:
        assert set(asked_with) == {"shpat_access_2"}


def test_processes_make_one_call_too(
    installed: Shop, age: Age, fake: FakeTokens, clean_database: str, token_url: str
) -> None:
    age(HOUR)
    fake.delay = 0.5
    children = [_child(clean_database, token_url, installed.id) for _ in range(3)]
    said = [child.communicate(timeout=60)[0].decode().strip() for child in children]
    assert said == ["shpat_access_2"] * 3
    assert len(fake.asked) == 2


def test_killed_between_shopifys_answer_and_the_commit_nothing_is_lost(
    *,
    tokens: TokenService,
    installed: Shop,
    age: Age,
    fake: FakeTokens,
    admin: FakeAdmin,
    clean_database: str,
    token_url: str,
    run_sql: Sql,
) -> None:
    age(HOUR)
    child = _child(clean_database, token_url, installed.id, "killed")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert len(fake.pairs) == 2, "Shopify has given a pair that nobody kept"
    assert run_sql("SELECT generation FROM shop_tokens") == 1
    age(31)  # the lease of the dead
    assert _ask(tokens, admin, installed) == "shpat_access_3"
    assert fake.asked[2]["refresh_token"] == "shprt_refresh_1", "still good: its replacement was never used"


def test_a_token_shopify_refuses_is_renewed_once_and_the_question_asked_again(
    tokens: TokenService, installed: Shop, fake: FakeTokens, admin: FakeAdmin
) -> None:
    fake.pairs[-1] = ("shpat_another", fake.pairs[-1][1])
    assert _ask(tokens, admin, installed) == "shpat_access_2"
    assert len(fake.asked) == 2


def test_a_token_refused_twice_ends_the_access_until_it_can_be_renewed_in_peace(
    tokens: TokenService, installed: Shop, fake: FakeTokens, shops: ShopService, age: Age
) -> None:
    def refuse(_access: Access) -> None:
        raise AdminUnauthorizedError

    with pytest.raises(NoAccessError):
        tokens.ask(installed.id, refuse)
    assert len(fake.asked) == 2
    ended = shops.by_id(installed.id)
    assert ended is not None
    assert ended.access is ShopAccess.needs_reauth
    assert not tokens.has_access(ended)
    with pytest.raises(NoAccessError):
        tokens.ask(installed.id, refuse)
    assert (len(fake.asked), tokens.refresh_due()) == (2, 0)
    age(HOUR)
    assert tokens.refresh_due() == 1
    back = shops.by_id(installed.id)
    assert back is not None
    assert back.access is ShopAccess.granted


def test_a_refresh_token_that_is_over_needs_the_merchant_and_the_merchant_mends_it(
    *, tokens: TokenService, installed: Shop, fake: FakeTokens, admin: FakeAdmin, shops: ShopService, age: Age
) -> None:
    fake.dead.add("shprt_refresh_1")
    age(HOUR)
    for _ in range(2):
        with pytest.raises(NoAccessError):
            _ask(tokens, admin, installed)
    assert len(fake.asked) == 2, "refused once is refused"
    found = shops.find(installed.domain)
    assert found is not None
    assert found.access is ShopAccess.needs_reauth
    age(HOUR)
    assert tokens.refresh_due() == 0
    shop = tokens.welcome("an-id-token", id_token(installed.domain))
    assert (shop.id, shop.access) == (installed.id, ShopAccess.granted)
    assert _ask(tokens, admin, shop) == "shpat_access_2"


def test_while_shopify_is_away_a_token_with_time_left_serves_and_the_endpoint_is_left_alone(
    tokens: TokenService, installed: Shop, fake: FakeTokens, admin: FakeAdmin, age: Age
) -> None:
    fake.mode = "down"
    age(HOUR - 100)
    for _ in range(3):
        assert _ask(tokens, admin, installed) == "shpat_access_1"
    assert len(fake.asked) == 2, "once tried, then left alone for a while"
    age(90)
    with pytest.raises(AdminUnavailableError):
        _ask(tokens, admin, installed)
    fake.mode = "good"
    age(700)
    assert _ask(tokens, admin, installed) == "shpat_access_2"


def test_a_wrong_client_secret_of_ours_costs_no_shop_its_access(
    *, tokens: TokenService, installed: Shop, fake: FakeTokens, admin: FakeAdmin, age: Age, shops: ShopService
) -> None:
    fake.mode = "wrong_client"
    age(HOUR)
    with pytest.raises(AdminUnavailableError, match="invalid_client"):
        _ask(tokens, admin, installed)
    found = shops.by_id(installed.id)
    assert found is not None
    assert found.access is ShopAccess.granted
    fake.mode = "good"
    age(700)
    assert _ask(tokens, admin, installed) == "shpat_access_2"


def test_a_custom_apps_token_is_used_for_ever_and_one_that_is_refused_is_not_asked_with_again(
    tokens: TokenService, shops: ShopService, fake: FakeTokens, admin: FakeAdmin, age: Age
) -> None:
    fake.pairs.append(("shpat_custom", "-"))
    shop = shops.add("demo", "shpat_custom")
    age(400 * 24 * HOUR)
    assert _ask(tokens, admin, shop) == "shpat_custom"
    assert tokens.refresh_due() == 0
    fake.pairs.append(("shpat_another", "-"))
    for _ in range(2):
        with pytest.raises(NoAccessError):
            _ask(tokens, admin, shop)
    assert fake.asked == []
    shop = shops.add("demo", "shpat_another")
    assert shop.access is ShopAccess.granted
    assert _ask(tokens, admin, shop) == "shpat_another"


def test_a_shop_nobody_asks_about_is_kept_alive_weekly_and_one_in_use_is_renewed_ahead(
    tokens: TokenService, installed: Shop, fake: FakeTokens, age: Age, run_sql: Sql
) -> None:
    assert tokens.refresh_due() == 0
    age(HOUR - 100)
    assert (tokens.refresh_due(), len(fake.asked)) == (1, 2)
    run_sql("UPDATE shop_tokens SET used_at = now() - interval '2 hours'")
    age(6 * 24 * HOUR)
    assert tokens.refresh_due() == 0
    age(25 * HOUR)
    assert (tokens.refresh_due(), len(fake.asked)) == (1, 3)
    assert tokens.refresh_due() == 0


def test_one_shop_whose_endpoint_hangs_does_not_hold_up_the_others(
    tokens: TokenService, fake: FakeTokens, age: Age
) -> None:
    """No shop's endpoint answers before all four were asked."""
    for name in "abcd":
        tokens.welcome("an-id-token", id_token(f"shop-{name}.myshopify.com"))
    age(8 * 24 * HOUR)
    fake.at_once, fake.mode = threading.Barrier(4), "down"
    patient = TokenService(replace(tokens.renewal, source=replace(tokens.renewal.source, seconds=60)), tokens.admin)
    assert patient.refresh_due() == 4
    assert not fake.at_once.broken, "all four at once"


def test_after_the_app_is_removed_shopify_is_asked_nothing(
    tokens: TokenService, installed: Shop, database: Database, fake: FakeTokens
) -> None:
    with database.transaction() as session:
        assert repository.uninstall(session, installed.domain, None) == installed.id
    with pytest.raises(NoAccessError):
        tokens.ask(installed.id, lambda _access: pytest.fail("asked"))
    assert (tokens.refresh_due(), tokens.refresh(installed.id), len(fake.asked)) == (0, False, 1)


def test_a_pair_fetched_while_the_app_was_removed_is_not_kept(
    *, tokens: TokenService, installed: Shop, database: Database, fake: FakeTokens, age: Age, run_sql: Sql
) -> None:
    age(HOUR)
    fake.go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(tokens.ask, installed.id, lambda access: access.token)
        while len(fake.asked) < 2:
            time.sleep(0.01)
        with database.transaction() as session:
            repository.uninstall(session, installed.domain, None)
        fake.go_on.set()
        assert isinstance(asking.exception(timeout=60), NoAccessError)
    assert run_sql("SELECT count(*) FROM shop_tokens") == 0
    assert run_sql("SELECT access FROM shops") == "none"


def test_coming_back_keeps_settings_and_gets_new_tokens(
    tokens: TokenService, installed: Shop, shops: ShopService, database: Database, admin: FakeAdmin
) -> None:
    shops.change_settings(installed.domain, {"expire_days": "30", "name": "Mine"})
    with database.transaction() as session:
        repository.uninstall(session, installed.domain, None)
    shop = tokens.welcome("an-id-token", id_token(installed.domain))
    assert (shop.id, shop.is_installed, shop.settings.expire_days, shop.name) == (installed.id, True, 30, "Mine")
    assert _ask(tokens, admin, shop) == "shpat_access_2"


def test_late_news_of_leaving_does_not_end_an_installation_that_came_after_it(
    tokens: TokenService, installed: Shop, database: Database, run_sql: Callable[..., Any]
) -> None:
    """Shopify could not tell us of the leaving at first; meanwhile the merchant has come back and opened the app."""
    left_at = datetime.now(UTC) - timedelta(minutes=5)
    run_sql("UPDATE shops SET installed_at = now() - interval '1 year', access = 'needs_reauth'")
    assert tokens.welcome("an-id-token", id_token(installed.domain)).access is ShopAccess.granted
    with database.transaction() as session:
        assert repository.uninstall(session, installed.domain, left_at) is None
        assert repository.uninstall(session, installed.domain, datetime.now(UTC)) == installed.id


def test_what_holds_tokens_does_not_show_them(tokens: TokenService, source: object, shops: ShopService) -> None:
    shown: list[str] = [repr(source), repr(tokens.renewal)]
    granted = tokens.renewal.source.exchange("demo.myshopify.com", "an-id-token")
    shown += [repr(granted), repr(tokens.renewal.seal(1, granted))]  # type: ignore[arg-type]
    assert not any(secret in "".join(shown) for secret in ("shpat", "shprt", "hush", "an-id-token"))


_CHILD = """
import os, signal, sys
from restock.database import Database
from restock.links import Vault
from restock.shopify.oauth import TokenEndpoint
from restock.shops.service.renewal import Renewal
from restock.shops.service.tokens import TokenService

url, token_url, shop_id, killed = sys.argv[1:]

class Dying(TokenEndpoint):
    def refresh(self, domain, refresh_token):
        super().refresh(domain, refresh_token)
        os.kill(os.getpid(), signal.SIGKILL)

database = Database(None, url)
source = (Dying if killed else TokenEndpoint)("restock-test-key", "hush", token_url, seconds=30)
renewal = Renewal(database, Vault(["a-key-for-tests-only-000001"]), source, lambda domain: None)
print(TokenService(renewal, None).ask(int(shop_id), lambda access: access.token))
database.dispose()
"""


def _child(database_url: str, token_url: str, shop_id: int, killed: str = "") -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _CHILD, database_url, token_url, str(shop_id), killed]
    return subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ.copy())


def test_nobody_waits_longer_than_told_for_anothers_fetch(
    tokens: TokenService, installed: Shop, age: Age, admin: FakeAdmin, run_sql: Sql
) -> None:
    age(HOUR)
    run_sql("UPDATE shop_tokens SET lease = gen_random_uuid(), lease_until = now() + interval '1 minute'")
    hasty = TokenService(replace(tokens.renewal, wait_seconds=0.3), tokens.admin)
    began = time.monotonic()
    with pytest.raises(AdminUnavailableError):
        _ask(hasty, admin, installed)
    assert 0.3 < time.monotonic() - began < 30, "and not the minute of the other's lease"
