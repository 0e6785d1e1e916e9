"""The wiring: the only package that names concrete classes and hands each service its ports.

Building connects to nothing: databases, Valkey and providers are reached at first use. A service is made, and what it
needs is loaded, when it is first asked for: a process carries what its role does and no more.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from restock.bootstrap.ground import Ground, check_providers, open_database, required_redis
from restock.channels.registry import open_email_channel, provider_names
from restock.channels.sms.prices import read_prices
from restock.channels.values import ChannelName
from restock.clock import SystemClock
from restock.links import Vault
from restock.shops.service import ShopService

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from sqlalchemy.orm import Session

    from restock.alerts.service import ShopAlerts
    from restock.catalog.service import CatalogService
    from restock.config import Settings
    from restock.deliveries.service import Deliveries
    from restock.inbox.service import InboxService
    from restock.privacy.service import PrivacyService
    from restock.reports.service import ReportService
    from restock.reports.service.latency import LatencyReports
    from restock.reports.service.merchant import MerchantReports
    from restock.reports.service.preferences import PersonReports
    from restock.reports.service.previews import MessagePreviews
    from restock.reports.service.restocks import RestockReports
    from restock.reports.service.standing import Installation
    from restock.reports.service.text_costs import TextCosts
    from restock.restocks.service import RestockService
    from restock.restocks.service.purchases import PurchaseService
    from restock.restocks.service.simulating import Simulating
    from restock.restocks.service.simulating.preview import Previewing
    from restock.shops.service.mailing_tests import MailingTests
    from restock.shops.service.places import Places
    from restock.shops.service.texts import TextService
    from restock.shops.values import Shop
    from restock.subscriptions.service import SubscriptionService
    from restock.subscriptions.service.answers import AnswerService
    from restock.subscriptions.service.marketing import MarketingWriteBack
    from restock.subscriptions.service.priorities import Priorities

_THREADS = ("upkeep", "marketing", "priorities", "shop_alerts")
_CONNECTIONS = ("waker", "channels", "admin", "tokens", "doorbell")


class Services(Ground):
    """Everything a door may call."""

    @cached_property
    def shops(self) -> ShopService:
        """Everything about shops, restocks following what they choose."""
        return ShopService(self.database, self.vault, follow=self._settings_changed)

    @cached_property
    def subscriptions(self) -> SubscriptionService:
        from restock.subscriptions.service import SubscriptionService

        return SubscriptionService(self.database, self.settings.settle_seconds, self._turns)

    @cached_property
    def answers(self) -> AnswerService:
        from restock.subscriptions.service.answers import AnswerService

        return AnswerService(self.database, self.settings.settle_seconds, self._turns)

    @cached_property
    def marketing(self) -> MarketingWriteBack:
        from restock.subscriptions.service.marketing import MarketingWriteBack

        return MarketingWriteBack(self.database, self.tokens, self.admin)

    @cached_property
    def places(self) -> Places:
        from restock.shops.service.places import Places

        return Places(self.tokens, self.admin)

    @cached_property
    def priorities(self) -> Priorities:
        from restock.subscriptions.service.priorities import Priorities

        return Priorities(self.database, self.tokens, self.admin)

    @cached_property
    def restocks(self) -> RestockService:
        """Everything about restocks, Shopify being asked."""
        from restock.catalog.service import CatalogService

        return self._restocks(CatalogService(self.database, self.tokens, self.admin))

    @cached_property
    def simulating(self) -> Simulating:
        from restock.restocks.service.simulating import Simulating

        return Simulating(self.database)

    @cached_property
    def previewing(self) -> Previewing:
        from restock.restocks.service.simulating.preview import Previewing

        return Previewing(self.database, self.simulating)

    @cached_property
    def purchases(self) -> PurchaseService:
        from restock.deliveries.service import DeliveryNotices
        from restock.restocks.service.purchases import PurchaseService

        settings = self.settings
        return PurchaseService(
            self.database, DeliveryNotices(), settings.settle_seconds, settings.delivery_lease_seconds
        )

    @cached_property
    def deliveries(self) -> Deliveries:
        from restock.deliveries.limits.opening import open_text_gate
        from restock.deliveries.rules import patience_of
        from restock.deliveries.service import Deliveries

        settings = self.settings
        return Deliveries(
            database=self.database,
            channels=self.channels,
            turns=self._turns,
            suppressions=self.subscriptions,
            links=self.links,
            lease_seconds=settings.delivery_lease_seconds,
            reading_max_age_seconds=settings.reading_max_age_seconds,
            clock=SystemClock(),
            patience=patience_of(settings.retry_ladder_seconds),
            providers=provider_names(settings),
            gates={ChannelName.sms: open_text_gate(settings, self.database)},
            senders=self.shops.mailings,
        )

    @cached_property
    def reports(self) -> ReportService:
        from restock.reports.service import ReportService

        return ReportService(self.database, self._installation)

    @cached_property
    def merchant_reports(self) -> MerchantReports:
        from restock.reports.service.merchant import MerchantReports

        return MerchantReports(self.database, SystemClock(), installation=self._installation)

    @cached_property
    def restock_reports(self) -> RestockReports:
        from restock.reports.service.restocks import RestockReports

        return RestockReports(self.database, SystemClock())

    @cached_property
    def latency(self) -> LatencyReports:
        from restock.reports.service.latency import LatencyReports

        return LatencyReports(self.database, self.deliveries.outages)

    @cached_property
    def people(self) -> PersonReports:
        from restock.reports.service.preferences import PersonReports

        return PersonReports(self.database)

    @cached_property
    def shop_alerts(self) -> ShopAlerts:
        """Shops are told by a channel of the telling thread's own."""
        from restock.alerts.service import ShopAlerts

        settings = self.settings
        return ShopAlerts(
            self.database, partial(open_email_channel, settings), settings.public_url, self.deliveries.outages
        )

    @cached_property
    def texts(self) -> TextService:
        from restock.shops.service.texts import TextService

        return TextService(self.database, self.shops.memory.forget)

    @cached_property
    def previews(self) -> MessagePreviews:
        from restock.reports.service.previews import MessagePreviews

        return MessagePreviews(self.database, read_prices(self.settings.sms_prices, self.settings.sms_currency))

    @cached_property
    def text_costs(self) -> TextCosts:
        from restock.reports.service.text_costs import TextCosts

        return TextCosts(self.previews, self.texts, self.previews.prices)

    @cached_property
    def mailing_tests(self) -> MailingTests:
        """Tests of shops' own e-mail providers."""
        from restock.shops.service.mailing_tests import MailingTests

        return MailingTests(self.shops.mailings, partial(open_email_channel, self.settings))

    @cached_property
    def privacy(self) -> PrivacyService:
        from restock.privacy.service import PrivacyService

        older = [Vault([key]) for key in self.settings.secret_keys[1:]]
        days, forget = self.settings.retention_days, self.shops.memory.forget
        return PrivacyService(self.database, self.vault, self._turns, days, older=older, forget=forget)

    @cached_property
    def inbox(self) -> InboxService:
        from restock.inbox.service import InboxService
        from restock.inbox.service.consent_news import consent_effects
        from restock.inbox.service.order_news import order_effects
        from restock.inbox.service.privacy_news import privacy_effects
        from restock.inbox.service.shop_news import shop_effects

        shoppers_news = (*order_effects(self.purchases), *consent_effects(self.marketing))
        effects = (*shop_effects(self.shops, self.upkeep.start), *shoppers_news, *privacy_effects(self.privacy))
        return InboxService(self.database, self.settings.settle_seconds, effects)

    def _settings_changed(self, session: Session, before: Shop, after: Shop) -> Callable[[], object]:
        """Load what plans restocks where settings are saved, and nowhere else."""
        return self._turns.settings_changed(session, before, after)

    @cached_property
    def _turns(self) -> RestockService:
        """Whose turn it is, of rows alone: whoever only sends never loads what asks Shopify."""
        return self._restocks()

    def _restocks(self, stock: CatalogService | None = None) -> RestockService:
        from restock.deliveries.service import DeliveryNotices
        from restock.restocks.service import RestockService
        from restock.restocks.service.ports import WebhooksOnly

        every, lease = self.settings.reconcile_minutes * 60, self.settings.delivery_lease_seconds
        return RestockService(
            self.database, DeliveryNotices(), every, stock=stock or WebhooksOnly(), lease_seconds=lease
        )

    @cached_property
    def _installation(self) -> Installation:
        """Say what reasons depend on besides rows: providers of channels that are on, and how new stock is."""
        from restock.reports.service.standing import Installation

        settings, names = self.settings, provider_names(self.settings)
        providers = {name: names.get(name, name.value) for name in self.channels}
        every, newest = settings.reconcile_minutes * 60, settings.reading_max_age_seconds
        return Installation(providers, every, newest, settings.sms_countries)

    def make_all(self) -> Services:
        """Make every service now, for a process that does everything: no request waits for what it needs."""
        for name in dir(Services):
            getattr(self, name)
        return self

    def close(self, seconds: float = 1.0) -> None:
        """End what this process has open, at its end: connections, and threads once their work is done.

        Each kind of work is waited for up to so many seconds; what is cut off is due again.
        """
        made = vars(self)  # what was never asked for has nothing open
        for name in _THREADS:
            if name in made:
                made[name].wait(seconds)
        if "restocks" in made:
            self.restocks.threads.close(seconds)
        for name in _CONNECTIONS:
            if name in made:
                made[name].close()
        self.database.dispose()


def build_services(settings: Settings, app: Flask | None = None) -> Services:
    """Wire the program for these settings; `app` is the Flask application that serves them, where there is one.

    Raises ConfigurationError when a database, a Valkey or a signing secret is missing, or a provider is set up wrongly.
    """
    check_providers(settings)
    services = Services(settings, open_database(settings, app))
    required_redis(settings)
    return services
