"""What every service stands on: the shop, its secrets and links, the ways out. And what must be set, checked first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from restock.channels.registry import Channels, provider_faults, vapid_public_key
from restock.channels.values import ChannelName
from restock.database import Database, init_database
from restock.errors import ConfigurationError
from restock.jobs import Doorbell, Waker
from restock.links import Links, Vault
from restock.shops.service import ShopService

if TYPE_CHECKING:
    from flask import Flask

    from restock.config import Settings
    from restock.shopify.admin_api import HttpAdminApi
    from restock.shops.service.tokens import TokenService
    from restock.shops.service.upkeep import Upkeep


@dataclass(frozen=True)
class Ground:
    """The settings, the tables, and what is made of them alone."""

    settings: Settings
    database: Database

    @cached_property
    def links(self) -> Links:
        return Links(self.settings.secret_keys, self.settings.public_url)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.settings.secret_keys)

    @cached_property
    def shops(self) -> ShopService:
        return ShopService(self.database, self.vault)

    @cached_property
    def admin(self) -> HttpAdminApi:
        """Shops' Admin API."""
        from restock.shopify.admin_api import HttpAdminApi
        from restock.shopify.admin_api.transport import Transport

        return HttpAdminApi(Transport(self.settings.shopify_api_version, self.settings.shopify_admin_url))

    @cached_property
    def tokens(self) -> TokenService:
        """The way to shops' tokens."""
        from restock.shopify.oauth import TokenEndpoint
        from restock.shops.service.renewal import Renewal
        from restock.shops.service.tokens import TokenService

        settings = self.settings
        secret = settings.shopify_api_secret.get_secret_value() if settings.shopify_api_secret else ""
        source = TokenEndpoint(settings.shopify_api_key, secret, settings.shopify_admin_url)
        return TokenService(Renewal(self.database, self.vault, source, self.shops.memory.forget), self.admin)

    @cached_property
    def upkeep(self) -> Upkeep:
        from restock.shops.service.topics import TopicService
        from restock.shops.service.upkeep import Upkeep

        address = f"{self.settings.public_url}/webhooks/shopify"
        return Upkeep(self.tokens, TopicService(self.tokens, self.admin, address))

    @cached_property
    def doorbell(self) -> Doorbell:
        return Doorbell(required_redis(self.settings))

    @cached_property
    def waker(self) -> Waker:
        return Waker(self.database)

    @cached_property
    def channels(self) -> Channels:
        return Channels(self.settings)

    @cached_property
    def channels_on(self) -> frozenset[ChannelName]:
        """Those this instance has a provider for."""
        return frozenset(self.channels)

    @cached_property
    def vapid_public_key(self) -> str | None:
        """What browsers subscribe with; None: web push is off."""
        return vapid_public_key(self.settings)


def check_providers(settings: Settings) -> None:
    """Raise ConfigurationError with every provider's setting that is there and cannot be right."""
    if faults := provider_faults(settings):
        raise ConfigurationError("\n".join(faults))


def open_database(settings: Settings, app: Flask | None) -> Database:
    """Open the database of the settings; raise ConfigurationError for want of it, or of a secret."""
    if settings.database_url is None:
        raise ConfigurationError(
            "DATABASE_URL is not set: start with `python3 app.py`, or set it to your PostgreSQL server"
        )
    if not settings.secret_keys:
        raise ConfigurationError(
            "SECRET_KEY is not set: start with `python3 app.py`, or set 32 or more random characters"
        )
    url = settings.database_url.get_secret_value()
    if app is not None:
        init_database(app, url)
    return Database(app, url)


def required_redis(settings: Settings) -> str:
    """Return the address of Valkey; raise ConfigurationError for want of it."""
    if settings.redis_url is None:
        raise ConfigurationError("REDIS_URL is not set: start with `python3 app.py`, or set it to your Valkey server")
    return settings.redis_url.get_secret_value()
