"""Settings: a wrong value stops the start with a sentence that says how to mend it."""

from __future__ import annotations

import pytest

from restock.bootstrap.ground import check_providers
from restock.config import Settings, load_settings
from restock.errors import ConfigurationError

WRONG = {
    "RESTOCK_ENV": ("prod", "must be 'development' or 'production'"),
    "DATABASE_URL": ("mysql://canary@h/d", "must be a PostgreSQL address such as"),
    "REDIS_URL": ("http://:canary@h", "must be a Valkey or Redis address such as"),
    "PORT": ("99999", "must be at most 65535"),
    "APP_URL": ("https://alerts example", "must be a web address such as"),
    "TRUSTED_PROXIES": ("-1", "must be at least 0"),
    "LOG_FORMAT": ("xml", "must be 'json' or 'console'"),
    "SHOPIFY_API_VERSION": ("soon", "must be a version of Shopify's API such as"),
    "SHOPIFY_ADMIN_URL": ("ftp://{shop}", "must be a web address such as"),
    "TWILIO_API_URL": ("http://[::1", "must be a web address such as"),
    "PUSH_EXTRA_HOSTS": ("127.0.0.1", "must be hosts with their ports such as"),
    "SETTLE_SECONDS": ("soon", "must be a number"),
    "RECONCILE_MINUTES": ("0", "must be more than 0"),
    "WORKERS": ("1.5", "must be a whole number"),
    "RETRY_LADDER_SECONDS": ("1,0", "must be seconds such as"),
}
WRONG_PROVIDERS = {
    "SMTP_URL": ("http://canary@h", "must be smtp://"),
    "EMAIL_FROM": ("nobody", "must be an address such as"),
    "VAPID_PRIVATE_KEY": ("canary", "is no VAPID private key"),
    "VAPID_SUBJECT": ("me", "must be mailto:"),
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("no-dotenv"))


def sentences(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    """What a start with this environment is refused with, line by line."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        check_providers(load_settings())
    return str(refused.value).splitlines()


@pytest.mark.parametrize("name", [*WRONG, *WRONG_PROVIDERS])
def test_a_wrong_value_stops_the_start_and_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    value, mend = (WRONG | WRONG_PROVIDERS)[name]
    (sentence,) = sentences(monkeypatch, **{name: value})
    assert sentence.startswith(name)
    assert mend in sentence
    assert "canary" not in sentence


def test_all_wrong_values_are_told_at_once_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sentences(monkeypatch, **{name: value for name, (value, _) in WRONG.items()})
    assert [line.partition(":")[0] for line in lines] == [name for name in _in_order() if name in WRONG]
    providers = {name: value for name, (value, _) in WRONG_PROVIDERS.items()}
    for name in WRONG:
        monkeypatch.delenv(name)
    assert {line.split()[0] for line in sentences(monkeypatch, **providers)} == set(WRONG_PROVIDERS)


def test_production_says_all_it_lacks_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sentences(monkeypatch, RESTOCK_ENV="production")
    assert [line.split()[2].rstrip(":") for line in lines] == ["DATABASE_URL", "REDIS_URL", "SECRET_KEY"]
    weak = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "SECRET_KEY": "short"}
    toys = {"PUSH_EXTRA_HOSTS": "127.0.0.1:9", "RETRY_LADDER_SECONDS": "1,2,4,8"}
    lines = sentences(monkeypatch, RESTOCK_ENV="production", **toys, **weak)
    assert [line.split()[0] for line in lines] == ["REDIS_URL", "SECRET_KEY", *toys]


def test_a_missing_provider_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    check_providers(load_settings())
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")  # as a copied .env.example has it
    check_providers(load_settings())


def test_a_ladder_of_seconds_is_read_rung_by_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRY_LADDER_SECONDS", "0.5, 2,4")
    assert load_settings().retry_ladder_seconds == (0.5, 2.0, 4.0)


def _in_order() -> list[str]:
    return [name.upper() for name in Settings.model_fields]
