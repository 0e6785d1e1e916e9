"""The wiring: the only file that names concrete classes and hands each service its ports.

Building connects to nothing: databases, Valkey and providers are reached at first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from flask import Flask

from restock.alerts.service import ShopAlerts
from restock.catalog.service import CatalogService
from restock.channels.port import Channel
from restock.channels.registry import (
    open_channels,
    open_email_channel,
    provider_faults,
    provider_names,
    vapid_public_key,
)
from restock.channels.sms.prices import read_prices
from restock.channels.values import ChannelName
from restock.clock import SystemClock
from restock.config import Settings
from restock.database import Database, init_database
from restock.deliveries.limits.opening import open_text_gate
from restock.deliveries.rules import patience_of
from restock.deliveries.service import Deliveries, DeliveryNotices
from restock.errors import ConfigurationError
from restock.inbox.service import InboxService
from restock.inbox.service.consent_news import consent_effects
from restock.inbox.service.order_news import order_effects
from restock.inbox.service.privacy_news import privacy_effects
from restock.inbox.service.shop_news import shop_effects
from restock.jobs import Doorbell, Waker
from restock.links import Links, Vault
from restock.privacy.service import PrivacyService
from restock.reports.service import ReportService
from restock.reports.service.latency import LatencyReports
from restock.reports.service.merchant import MerchantReports
from restock.reports.service.preferences import PersonReports
from restock.reports.service.previews import MessagePreviews
from restock.reports.service.standing import Installation
from restock.reports.service.text_costs import TextCosts
from restock.restocks.service import RestockService
from restock.restocks.service.purchases import PurchaseService
from restock.restocks.service.simulating import Simulating
from restock.restocks.service.simulating.preview import Previewing
from restock.shopify.admin_api import HttpAdminApi
from restock.shopify.admin_api.transport import Transport
from restock.shopify.oauth import TokenEndpoint
from restock.shopify.port import AdminApi
from restock.shops.service import ShopService
from restock.shops.service.mailing_tests import MailingTests
from restock.shops.service.mailings import ShopMailings
from restock.shops.service.renewal import Renewal
from restock.shops.service.texts import TextService
from restock.shops.service.tokens import TokenService
from restock.shops.service.topics import TopicService
from restock.shops.service.upkeep import Upkeep
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.service.answers import AnswerService
from restock.subscriptions.service.marketing import MarketingWriteBack
from restock.subscriptions.service.priorities import Priorities


@dataclass(frozen=True)
class Services:
    """Everything a door may call."""

    settings: Settings
    database: Database
    links: Links
    vault: Vault
    shops: ShopService
    subscriptions: SubscriptionService
    answers: AnswerService
    marketing: MarketingWriteBack
    priorities: Priorities
    restocks: RestockService
    simulating: Simulating
    previewing: Previewing
    purchases: PurchaseService
    deliveries: Deliveries
    reports: ReportService
    merchant_reports: MerchantReports
    latency: LatencyReports
    people: PersonReports
    shop_alerts: ShopAlerts
    text_costs: TextCosts
    privacy: PrivacyService
    inbox: InboxService
    admin: AdminApi
    tokens: TokenService
    upkeep: Upkeep
    doorbell: Doorbell
    waker: Waker
    channels_on: frozenset[ChannelName]  # those this instance has a provider for
    vapid_public_key: str | None  # None: web push is off

    @property
    def mailing_tests(self) -> MailingTests:
        """Tests of shops' own e-mail providers."""
        return MailingTests(self.shops.mailings, partial(open_email_channel, self.settings))

    @property
    def texts(self) -> TextService:
        return self.text_costs.texts

    @property
    def previews(self) -> MessagePreviews:
        return self.text_costs.previews

    def close(self, seconds: float = 1.0) -> None:
        """End what this process has open, at its end: connections, and threads once their work is done.

        Each kind of work is waited for up to so many seconds; what is cut off is due again.
        """
        self.upkeep.wait(seconds)
        self.marketing.wait(seconds)
        self.priorities.wait(seconds)
        self.shop_alerts.wait(seconds)
        self.restocks.threads.close(seconds)
        self.waker.close()
        for channel in self.deliveries.channels.values():
            channel.close()
        self.admin.close()
        self.tokens.close()
        self.doorbell.close()
        self.database.dispose()


def build_services(settings: Settings, app: Flask | None = None) -> Services:
    """Wire the program for these settings; `app` is the Flask application the tables are bound to, one of its own else.

    Raises ConfigurationError when a database, a Valkey or a signing secret is missing, or a provider is set up wrongly.
    """
    check_providers(settings)
    database = _open_database(settings, app or Flask("restock"))
    links = Links(settings.secret_keys, settings.public_url)
    vault = Vault(settings.secret_keys)
    shops = ShopService(database, vault)
    admin = HttpAdminApi(Transport(settings.shopify_api_version, settings.shopify_admin_url))
    tokens = open_tokens(settings, shops, admin)
    upkeep = Upkeep(tokens, TopicService(tokens, admin, f"{settings.public_url}/webhooks/shopify"))
    channels = open_channels(settings)
    installation = _installation(channels, settings)
    marketing = MarketingWriteBack(database, tokens, admin)
    purchases = PurchaseService(database, DeliveryNotices(), settings.settle_seconds, settings.delivery_lease_seconds)
    restocks = _open_restocks(settings, database, CatalogService(database, tokens, admin))
    subscriptions = SubscriptionService(database, settings.settle_seconds, restocks)
    privacy = _open_privacy(settings, database, vault, restocks, shops)
    shoppers_news = (*order_effects(purchases), *consent_effects(marketing))
    effects = (*shop_effects(shops, upkeep.start), *shoppers_news, *privacy_effects(privacy))
    deliveries = _open_deliveries(settings, database, channels, restocks, subscriptions, links, shops.mailings)
    return Services(
        settings=settings,
        database=database,
        links=links,
        vault=vault,
        shops=shops,
        subscriptions=subscriptions,
        answers=AnswerService(database, settings.settle_seconds, restocks),
        marketing=marketing,
        priorities=Priorities(database, tokens, admin),
        restocks=restocks,
        simulating=Simulating(database),
        previewing=Previewing(database, Simulating(database)),
        purchases=purchases,
        deliveries=deliveries,
        reports=ReportService(database, installation),
        merchant_reports=MerchantReports(database, SystemClock(), installation=installation),
        latency=LatencyReports(database, deliveries.outages),
        people=PersonReports(database),
        shop_alerts=_open_shop_alerts(settings, database, deliveries),
        text_costs=_open_text_costs(settings, database, shops),
        privacy=privacy,
        inbox=InboxService(database, settings.settle_seconds, effects),
        admin=admin,
        tokens=tokens,
        upkeep=upkeep,
        doorbell=Doorbell(_required_redis(settings)),
        waker=Waker(database),
        channels_on=frozenset(channels),
        vapid_public_key=vapid_public_key(settings),
    )


def _installation(channels: Mapping[ChannelName, Channel], settings: Settings) -> Installation:
    """Say what reasons depend on besides rows: providers of channels that are on, and how new stock is."""
    names = provider_names(settings)
    providers = {name: names.get(name, name.value) for name in channels}
    every, newest = settings.reconcile_minutes * 60, settings.reading_max_age_seconds
    return Installation(providers, every, newest, settings.sms_countries)


def _open_text_costs(settings: Settings, database: Database, shops: ShopService) -> TextCosts:
    previews = MessagePreviews(database, read_prices(settings.sms_prices, settings.sms_currency))
    return TextCosts(previews, TextService(database, shops.memory.forget), previews.prices)


def _open_restocks(settings: Settings, database: Database, stock: CatalogService) -> RestockService:
    return RestockService(
        database,
        DeliveryNotices(),
        settings.reconcile_minutes * 60,
        stock=stock,
        lease_seconds=settings.delivery_lease_seconds,
    )


def _open_shop_alerts(settings: Settings, database: Database, deliveries: Deliveries) -> ShopAlerts:
    """Tell shops by a channel of the telling thread's own."""
    return ShopAlerts(
        database,
        lambda: open_channels(settings).get(ChannelName.email),
        settings.public_url,
        deliveries.outages,
    )


def check_providers(settings: Settings) -> None:
    """Raise ConfigurationError with every provider's setting that is there and cannot be right."""
    if faults := provider_faults(settings):
        raise ConfigurationError("\n".join(faults))


def _open_deliveries(  # noqa: PLR0917 (every port by its own name)
    settings: Settings,
    database: Database,
    channels: Mapping[ChannelName, Channel],
    turns: RestockService,
    suppressions: SubscriptionService,
    links: Links,
    senders: ShopMailings,
) -> Deliveries:
    return Deliveries(
        database=database,
        channels=channels,
        turns=turns,
        suppressions=suppressions,
        links=links,
        lease_seconds=settings.delivery_lease_seconds,
        reading_max_age_seconds=settings.reading_max_age_seconds,
        clock=SystemClock(),
        patience=patience_of(settings.retry_ladder_seconds),
        providers=provider_names(settings),
        gates={ChannelName.sms: open_text_gate(settings, database)},
        senders=senders,
    )


def open_tokens(settings: Settings, shops: ShopService, admin: AdminApi) -> TokenService:
    """Wire the way to shops' tokens."""
    secret = settings.shopify_api_secret.get_secret_value() if settings.shopify_api_secret else ""
    source = TokenEndpoint(settings.shopify_api_key, secret, settings.shopify_admin_url)
    return TokenService(Renewal(shops.database, shops.vault, source, shops.memory.forget), admin)


def _open_database(settings: Settings, app: Flask) -> Database:
    if settings.database_url is None:
        raise ConfigurationError(
            "DATABASE_URL is not set: start with `python3 app.py`, or set it to your PostgreSQL server"
        )
    if not settings.secret_keys:
        raise ConfigurationError(
            "SECRET_KEY is not set: start with `python3 app.py`, or set 32 or more random characters"
        )
    url = settings.database_url.get_secret_value()
    init_database(app, url)
    return Database(app, url)


def _open_privacy(
    settings: Settings, database: Database, vault: Vault, restocks: RestockService, shops: ShopService
) -> PrivacyService:
    return PrivacyService(
        database,
        vault,
        restocks,
        settings.retention_days,
        older=[Vault([key]) for key in settings.secret_keys[1:]],
        forget=shops.memory.forget,
    )


def _required_redis(settings: Settings) -> str:
    if settings.redis_url is None:
        raise ConfigurationError("REDIS_URL is not set: start with `python3 app.py`, or set it to your Valkey server")
    return settings.redis_url.get_secret_value()
