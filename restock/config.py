"""The settings: read once from the environment (and `.env` in development), checked whole, then frozen.

Every setting is named in `.env.example`. A bad value stops the start with one sentence per fault that says how to
mend it; no value of a secret is ever printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from restock.errors import ConfigurationError
from restock.failpoints import failpoint_faults
from restock.light_settings import Environment

_API_VERSION = re.compile(r"\d{4}-\d{2}|unstable", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_HOST_AND_PORT = re.compile(r"[a-z0-9.-]+:\d{1,5}|\[[0-9a-f:]+\]:\d{1,5}", re.ASCII)


class Settings(BaseSettings):
    """Everything the environment can say. Absent (`None`) always has one meaning, given beside the field."""

    model_config = SettingsConfigDict(frozen=True, env_file=None, extra="ignore", hide_input_in_errors=True)

    restock_env: Environment = Environment.development
    restock_data_dir: Path = Path(".restock")
    database_url: SecretStr | None = None  # None: the embedded PostgreSQL (development only)
    redis_url: SecretStr | None = None  # None: the embedded Valkey (development only)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)  # 0: any free port
    app_url: str | None = None  # None: http://HOST:PORT
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # the first signs, the rest still verify
    trusted_proxies: int = Field(default=0, ge=0, le=10)  # how many proxies of ours stand in front
    log_format: Literal["json", "console"] | None = None  # None: console in development, json in production
    sentry_dsn: SecretStr | None = None  # None: errors go to the log alone

    shopify_api_key: str = ""
    shopify_api_secret: SecretStr | None = None  # None in production: Shopify's hooks are refused
    shopify_old_api_secret: SecretStr | None = None  # still accepted for a while after a rotation
    shopify_api_version: str = "2026-10"
    shopify_admin_url: str = "https://{shop}"
    playground_shopify_url: str | None = None  # development only; None: the playground has nothing to sell

    smtp_url: SecretStr | None = None  # None in production: e-mail is off
    email_from: str = "Restock <alerts@localhost>"
    email_bounce_address: str = ""  # empty: mail that cannot be delivered comes back to EMAIL_FROM, and is not read
    email_bounce_key: SecretStr | None = None  # None: mail that came back is not taken by HTTP
    dkim_private_key: SecretStr | None = None  # PEM; None: the mail server signs, or nobody does
    dkim_selector: str = "restock"
    dkim_domain: str = ""  # empty: that of EMAIL_FROM
    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr | None = None  # None in production: SMS is off
    twilio_messaging_service_sid: str = ""
    twilio_from: str = ""
    twilio_api_url: str = "https://api.twilio.com"
    sms_segments_per_second: float | None = Field(default=None, ge=0, le=1000)  # None: by the sender; 0: no limit
    sms_countries: Annotated[tuple[str, ...], NoDecode] = ()  # (): wherever each shop allows
    sms_prices: str = ""
    sms_currency: str = "USD"
    vapid_private_key: SecretStr | None = None  # None in production: web push is off
    vapid_subject: str = ""
    push_extra_hosts: Annotated[tuple[str, ...], NoDecode] = ()  # development only

    settle_seconds: float = Field(default=10.0, ge=0, le=3600)
    reconcile_minutes: float = Field(default=15.0, gt=0, le=1440)
    workers: int = Field(default=2, ge=1, le=64)  # RQ workers that deliver; one more looks after stock
    delivery_lease_seconds: float = Field(default=60.0, ge=2, le=600)
    retry_ladder_seconds: Annotated[tuple[float, ...], NoDecode] = ()  # development only; (): minutes, as written down
    sweep_seconds: float = Field(default=1.0, ge=0.05, le=60)
    retention_days: int = Field(default=730, ge=30, le=3650)  # how long what is over is kept
    reading_max_age_seconds: float = Field(default=120.0, ge=1, le=3600)
    intent_limit_client: int = Field(default=60, ge=1)  # a minute, each
    intent_limit_address: int = Field(default=60, ge=1)
    intent_limit_shop: int = Field(default=6000, ge=1)

    @field_validator("secret_key", mode="before")
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        return tuple(SecretStr(s.strip()) for s in value.split(",") if s.strip()) if isinstance(value, str) else value

    @field_validator("push_extra_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(h.strip().lower() for h in value.split(",") if h.strip()) if isinstance(value, str) else value

    @field_validator("sms_countries", mode="before")
    @classmethod
    def _split_countries(cls, value: object) -> object:
        return tuple(c.strip().upper() for c in value.split(",") if c.strip()) if isinstance(value, str) else value

    @field_validator("sms_countries")
    @classmethod
    def _two_letters(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_COUNTRY.fullmatch(country) for country in value):
            raise ValueError("must be two-letter countries such as US,CA,GB, separated by commas")
        return value

    @field_validator("sms_currency")
    @classmethod
    def _three_letters(cls, value: str) -> str:
        if not _CURRENCY.fullmatch(value.upper()):
            raise ValueError("must be a currency such as USD")
        return value.upper()

    @field_validator("retry_ladder_seconds", mode="before")
    @classmethod
    def _split_ladder(cls, value: object) -> object:
        return tuple(rung.strip() for rung in value.split(",") if rung.strip()) if isinstance(value, str) else value

    @field_validator("retry_ladder_seconds")
    @classmethod
    def _rungs_that_wait(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < rung <= 3600 for rung in value):
            raise ValueError("must be seconds such as 30,120,600,1800, each more than 0 and at most 3600")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object, info: object) -> object:
        """An empty variable means "not set", so that `.env.example` can be copied as it is."""
        field = cls.model_fields[info.field_name]  # type: ignore[attr-defined]
        return field.get_default() if value == "" else value

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        scheme, _, rest = value.get_secret_value().partition("://")
        if scheme.split("+")[0] not in ("postgresql", "postgres") or not rest:
            raise ValueError("must be a PostgreSQL address such as postgresql://user:password@host:5432/restock")
        return SecretStr(f"postgresql+psycopg://{rest}")

    @field_validator("redis_url")
    @classmethod
    def _valkey_only(cls, value: SecretStr | None) -> SecretStr | None:
        scheme, _, rest = value.get_secret_value().partition("://") if value else ("redis", "", "none")
        if scheme not in ("redis", "rediss", "unix") or not rest:
            raise ValueError("must be a Valkey or Redis address such as redis://:password@host:6379/0")
        return value

    @field_validator("shopify_api_version")
    @classmethod
    def _known_version_shape(cls, value: str) -> str:
        if not _API_VERSION.fullmatch(value):
            raise ValueError("must be a version of Shopify's API such as 2026-10")
        return value

    @field_validator("push_extra_hosts")
    @classmethod
    def _hosts_with_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST_AND_PORT.fullmatch(host) for host in value):
            raise ValueError("must be hosts with their ports such as 127.0.0.1:9010, separated by commas")
        return value

    @field_validator("app_url", "twilio_api_url", "shopify_admin_url", "playground_shopify_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_web_address(value.replace("{shop}", "shop.example.com")):
            raise ValueError("must be a web address such as https://restock.example.com")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _production_is_strict(self) -> Settings:
        faults = failpoint_faults(os.environ, is_production=self.is_production)
        if self.is_production:
            faults += production_faults(self)
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def is_production(self) -> bool:
        return self.restock_env is Environment.production

    @property
    def public_url(self) -> str:
        """The base of every link we print: no trailing slash."""
        return self.app_url or f"http://{self.host}:{self.port}"

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The signing secrets, the current one first."""
        return tuple(s.get_secret_value() for s in self.secret_key)


def production_faults(settings: Settings) -> list[str]:
    """Say what a production start lacks, a sentence each; empty when nothing does."""
    faults = []
    if settings.database_url is None:
        faults.append("RESTOCK_ENV=production needs DATABASE_URL: set it to your PostgreSQL server")
    if settings.redis_url is None:
        faults.append("RESTOCK_ENV=production needs REDIS_URL: set it to your Valkey or Redis server")
    elif not has_password(settings.redis_url.get_secret_value()):
        faults.append("REDIS_URL has no password: protect Valkey with one and use redis://:PASSWORD@host:6379/0")
    if not settings.secret_key:
        faults.append("RESTOCK_ENV=production needs SECRET_KEY: set it to 32 or more random characters")
    elif any(len(key) < 16 for key in settings.secret_keys):
        faults.append("SECRET_KEY is too short: use 32 or more random characters")
    if settings.push_extra_hosts:
        faults.append("PUSH_EXTRA_HOSTS is for development only: unset it")
    if settings.retry_ladder_seconds:
        faults.append("RETRY_LADDER_SECONDS is for development only: unset it")
    if settings.playground_shopify_url:
        faults.append("PLAYGROUND_SHOPIFY_URL is for development only: unset it")
    return faults


def is_web_address(text: str) -> bool:
    """Say whether a text is an http(s) address that paths can be put behind."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # an unclosed bracket, a port that is none
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text and not parts.query and not parts.fragment
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def has_password(redis_url: str) -> bool:
    """Say whether a Redis address carries a password, in its authority or (unix sockets) its query."""
    parts = urlsplit(redis_url)
    return bool(parts.password) or "password=" in parts.query


def load_settings(**overrides: object) -> Settings:
    """Read and check the settings; raise ConfigurationError naming every fault.

    `.env` in the working directory is read unless RESTOCK_ENV=production; the environment wins over it.
    """
    try:
        first = Settings.model_construct(restock_env=_declared_environment(overrides))
        env_file = None if first.is_production else ".env"
        return Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        raise ConfigurationError("\n".join(_sentence(dict(fault)) for fault in error.errors())) from None


def _declared_environment(overrides: dict[str, object]) -> Environment:
    declared = str(overrides.get("restock_env") or os.environ.get("RESTOCK_ENV") or "development")
    return Environment.production if declared == Environment.production else Environment.development


def _sentence(fault: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"]).upper()
    wording = _MENDS.get(str(fault["type"]))
    message = wording.format(**fault.get("ctx", {})) if wording else str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


_MENDS = {  # the library's kinds of faults, in our words
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
