"""Secrets that an older key sealed are sealed again, all of them, once, and nothing is lost on the way."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from restock import cli
from restock.channels.push.subscription import key_name
from restock.channels.push.vapid import public_key_of
from restock.commands.doctor import _is_nobodys
from restock.commands.secrets import SEALED_COLUMNS
from restock.database import Database
from restock.links import Vault
from restock.privacy.service.sealing import Sealing
from restock.privacy.values import Identity
from restock.shops.service import ShopService
from restock.shops.service.resealing import Resealed, Resealing
from restock.shops.service.tokens import TokenService
from restock.shops.values import Shop
from restock.tables import Base
from tests.architecture.sources import modules
from tests.shops.conftest import FakeAdmin
from tests.shops.token_fake import FakeTokens

OLD, NEW = "a-key-for-tests-only-000001", "a-newer-key-for-tests-only-2"
Sql = Callable[..., Any]


def test_every_sealed_column_there_is_is_sealed_again() -> None:
    for module in modules():
        if module.name.endswith(".models"):
            importlib.import_module(module.name)
    named = {(one.table, one.column) for one in SEALED_COLUMNS}
    there = {(t.name, c.name) for t in Base.metadata.tables.values() for c in t.columns if c.name.endswith("_sealed")}
    assert named == there


def test_what_an_older_key_sealed_is_sealed_again_and_still_opens_where_it_belongs(
    shops: ShopService, database: Database, run_sql: Sql
) -> None:
    for number in range(120):
        shops.add(f"shop-{number}", f"shpat_{number}")
    run_sql(
        "INSERT INTO privacy_requests (id, shop_domain, kind, export_sealed) OVERRIDING SYSTEM VALUE"
        " VALUES (7, 'demo.myshopify.com', 'data_request', :sealed)",
        sealed=Sealing(Vault([OLD])).seal_export(7, "told"),
    )
    run_sql(
        "UPDATE privacy_requests SET identity_sealed = :sealed",
        sealed=Sealing(Vault([OLD])).seal_identity("demo.myshopify.com", Identity()),
    )
    heard: list[Resealed] = []
    both = Vault([NEW, OLD])
    first = Resealing(database, both, SEALED_COLUMNS).run(heard.append)
    assert first[0] == Resealed("shop_tokens.access_sealed", 120, 120, 0)
    assert [one.resealed for one in first] == [120, 0, 0, 0, 1, 1]
    assert [one.seen for one in heard] == [50, 100, 120, 1, 1]
    new = Sealing(Vault([NEW]))
    assert new.open_export(7, run_sql("SELECT export_sealed FROM privacy_requests")) == "told"
    assert (
        new.open_identity("demo.myshopify.com", run_sql("SELECT identity_sealed FROM privacy_requests")) == Identity()
    )
    again = Resealing(database, both, SEALED_COLUMNS).run()
    assert again[0] == Resealed("shop_tokens.access_sealed", 120, 0, 0)
    shop = shops.named("shop-7")
    value = run_sql("SELECT access_sealed FROM shop_tokens WHERE shop_id = :id", id=shop.id)
    assert Vault([NEW]).open(value, f"shops.access_token:{shop.id}") == "shpat_7"


def test_a_secret_whose_key_is_gone_is_counted_and_left_as_it_is(
    shops: ShopService, database: Database, run_sql: Sql
) -> None:
    shops.add("demo", "shpat_1")
    before = run_sql("SELECT access_sealed FROM shop_tokens")
    found = Resealing(database, Vault([NEW]), SEALED_COLUMNS).run()
    assert (found[0].seen, found[0].resealed, found[0].lost) == (1, 0, 1)
    assert run_sql("SELECT access_sealed FROM shop_tokens") == before


@pytest.fixture
def command(
    *,
    clean_database: str,
    redis_url: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    token_url: str,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run a command on this worker's servers; gives its exit code and everything it said."""
    monkeypatch.chdir(tmp_path)
    told = {
        "DATABASE_URL": clean_database,
        "REDIS_URL": redis_url,
        "RESTOCK_DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": OLD,
        "SHOPIFY_API_KEY": "restock-test-key",
        "SHOPIFY_API_SECRET": "hush",
        "SHOPIFY_ADMIN_URL": token_url,
        "LOG_FORMAT": "json",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str]:
        code = cli.main(words)
        said = capsys.readouterr()
        return code, said.out + said.err

    handlers, configured = logging.getLogger().handlers[:], structlog.get_config()
    yield run
    logging.getLogger().handlers[:] = handlers
    logging.captureWarnings(capture=False)
    structlog.configure(**configured)


def test_the_commands_of_a_custom_app(
    command: Callable[..., tuple[int, str]], fake: FakeTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added with its token, listed, given tokens that renew themselves, and sealed again after a rotation."""
    assert command("shop", "renew", "demo")[0] == 1
    assert "is not a shop here" in command("shop", "renew", "demo")[1]
    assert command("shop", "add", "demo", "--token", "shpat_before")[0] == 0
    assert command("shop", "add", "other")[0] == 0
    code, said = command("shop", "list")
    assert code == 0
    assert [line.split()[:3] for line in said.splitlines()[-2:]] == [
        ["demo.myshopify.com", "installed", "granted"],
        ["other.myshopify.com", "installed", "no"],
    ]
    code, said = command("shop", "renew", "demo")
    assert code == 1
    assert "the present ones are kept" in said
    fake.id_tokens.add("shpat_before")
    assert command("shop", "renew", "demo") == (0, "demo.myshopify.com has new tokens.\n")
    assert fake.asked[-1]["subject_token_type"] == "urn:shopify:params:oauth:token-type:offline-access-token"
    assert command("shop", "renew", "demo")[0] == 0
    assert fake.asked[-1]["grant_type"] == "refresh_token"
    monkeypatch.setenv("SECRET_KEY", f"{NEW},{OLD}")
    code, said = command("secrets", "reseal")
    assert code == 0
    assert [line.split() for line in said.splitlines()[1:3]] == [
        ["shop_tokens.access_sealed", "1", "1", "0"],
        ["shop_tokens.refresh_sealed", "1", "1", "0"],
    ]
    monkeypatch.setenv("SECRET_KEY", NEW)
    assert command("shop", "renew", "demo")[0] == 0
    monkeypatch.setenv("SECRET_KEY", "another-key-for-tests-only-3")
    code, said = command("secrets", "reseal")
    assert code == 1
    assert "does not list" in said


def test_the_doctor_names_shops_whose_access_is_over(
    command: Callable[..., tuple[int, str]], installed: Shop, run_sql: Sql, tokens: TokenService, admin: FakeAdmin
) -> None:
    assert "1 with the app, 1 of them can be asked" in command("doctor")[1]
    run_sql("UPDATE shops SET access = 'needs_reauth'")
    code, said = command("doctor")
    assert code == 1
    assert "somebody must open the app in its admin: demo.myshopify.com" in said


def test_the_doctor_looks_at_web_push_key_contact_and_browsers(
    command: Callable[..., tuple[int, str]], shops: ShopService, run_sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is made once; browsers subscribed with another are counted, since nobody can reach them."""
    code, said = command("secrets", "vapid")
    assert code == 0
    name, _, key = said.splitlines()[0].partition("=")
    monkeypatch.setenv(name, key)
    assert "✓ web push" in command("doctor")[1]
    assert command("secrets", "vapid")[1] != said, "a new one each time, and never kept"
    shop = shops.add("kettle")
    for number, made_with in enumerate((f'"{key_name(public_key_of(key))}"', '"another"', "null")):
        run_sql(
            f"""WITH contact AS (
                    INSERT INTO contacts (shop_id, channel, address, address_hash, push_keys)
                    VALUES (:shop, 'push', 'https://fcm.googleapis.com/{number}', sha256('{number}'),
                        CAST(:keys AS jsonb)) RETURNING id
                ) INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id,
                    quantity, state, queued_at, expires_at)
                SELECT :shop, id, gen_random_uuid(), 'push', 1, 1, 1, 'active', now(), now() + interval '1 year'
                FROM contact RETURNING id""",
            shop=shop.id,
            keys=f'{{"vapid": {made_with}}}',
        )
    code, said = command("doctor")
    assert code == 1
    assert "1 that wait were subscribed with another key (another)" in said
    run_sql("UPDATE contacts SET push_keys = NULL WHERE push_keys ->> 'vapid' = 'another' RETURNING id")
    assert "3 wait, none of another key" in command("doctor")[1]


@pytest.mark.parametrize(
    ("subject", "is_nobodys"),
    [
        ("mailto:you@shop.com", False), ("https://shop.com/contact", False), ("mailto:you@localhost", True),
        ("mailto:you@mail.test", True), ("https://localhost", True), ("https://a.example", True), ("", True),
    ],
)  # fmt: skip
def test_a_contact_for_push_services_must_lead_to_somebody(subject: str, is_nobodys: bool) -> None:
    assert _is_nobodys(subject) is is_nobodys
