"""The words of a shop: its state, its facts, and its settings with their ranges. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from restock.channels.texts.values import TextKey
from restock.channels.values import ChannelName


class ShopState(StrEnum):
    """Whether the shop has the app."""

    installed = "installed"
    uninstalled = "uninstalled"


class ShopAccess(StrEnum):
    """Whether we may ask the shop's Admin API."""

    none = "none"  # no token yet, or none any more
    granted = "granted"
    needs_reauth = "needs_reauth"  # the token is over: somebody of the shop must open the app


class PublicationCheck(StrEnum):
    """Where a product must be published before anybody is told."""

    online_store = "online_store"  # on the online store
    any = "any"  # anywhere: headless shops sell products that have no online-store page


class QuantityRule(StrEnum):
    """What a wanted quantity means for a turn."""

    require = "require"  # told only if all wanted units are free
    ignore = "ignore"  # everybody counts as one unit


class QueueOrder(StrEnum):
    """Who of a queue is served first."""

    oldest = "oldest"  # who has waited longest
    newest = "newest"  # who came last


class PolicyPreset(StrEnum):
    """The ready-made ways to share a restock out."""

    everyone = "everyone"  # all at once
    fair = "fair"  # three units' worth of people for each two units, a turn of two hours
    strict = "strict"  # one unit's worth of people for each unit, a turn of two hours


@dataclass(frozen=True, slots=True)
class NotificationPolicy:
    """How a restock is shared out. `factor` None means everybody at once.

    `priority_tag`: customers with this tag in Shopify stand before all others; None: nobody does. `max_offers`: after
    so many turns without buying the waiting ends. `reminder_count` messages follow the first, `reminder_hours` apart.
    """

    factor: float | None = 1.5
    turn_minutes: int = 120
    minimum_units: int = 1
    quantity_rule: QuantityRule = QuantityRule.require
    order: QueueOrder = QueueOrder.oldest
    priority_tag: str | None = None
    max_offers: int = 3
    reminder_count: int = 0
    reminder_hours: int = 24


PRESETS: Mapping[PolicyPreset, NotificationPolicy] = {
    PolicyPreset.everyone: NotificationPolicy(factor=None, turn_minutes=60),
    PolicyPreset.fair: NotificationPolicy(factor=1.5, turn_minutes=120),
    PolicyPreset.strict: NotificationPolicy(factor=1.0, turn_minutes=120),
}


@dataclass(frozen=True, slots=True)
class SendHours:
    """The hours, on people's own clocks, in which messages may leave.

    `days` has one pair for each weekday from Monday on: the whole hours it opens and closes. Where it closes at or
    before it opens, it closes on the next day. None: closed that day; no days at all: always open.
    """

    days: tuple[tuple[int, int] | None, ...] = ()

    @property
    def always(self) -> bool:
        return not self.days


@dataclass(frozen=True, slots=True)
class ChannelHours:
    """The hours of each channel."""

    email: SendHours = SendHours()
    sms: SendHours = SendHours(((9, 20),) * 7)
    push: SendHours = SendHours()

    def of(self, channel: ChannelName) -> SendHours:
        """Choose those of one channel."""
        match channel:
            case ChannelName.email:
                return self.email
            case ChannelName.sms:
                return self.sms
            case ChannelName.push:
                return self.push
            case _:
                assert_never(channel)


@dataclass(frozen=True, slots=True)
class OptIn:
    """On which channels an address must say yes before it is told anything."""

    email: bool = False
    sms: bool = False
    push: bool = False

    def of(self, channel: ChannelName) -> bool:
        """Say whether addresses of a channel are asked first."""
        return bool(getattr(self, channel.value))


class AlertRhythm(StrEnum):
    """How often a shop is told who has signed up."""

    off = "off"
    each = "each"  # each new sign-up, those of five minutes in one message
    daily = "daily"
    weekly = "weekly"  # on Mondays


@dataclass(frozen=True, slots=True)
class AlertChoices:
    """What the shop itself is told by e-mail, and where.

    `hour` is that of a digest, on the shop's clock. `waitlist`: told once when so many wait for a variant; 0: never.
    """

    to: tuple[str, ...] = ()
    when: AlertRhythm = AlertRhythm.off
    hour: int = 8
    waitlist: int = 0


@dataclass(frozen=True, slots=True)
class SmsChoices:
    """Where text messages may go, and how many a day.

    `countries` empty: home and the markets, `("any",)`: anywhere. `daily_cap` is in segments; None: no limit.
    """

    countries: tuple[str, ...] = ()
    daily_cap: int | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """A Shopify market, the country by which it is asked about, and its own storefront; None: the shop's."""

    market_id: int
    country: str
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """What a merchant can choose; the defaults are what a shop starts with. Documented in docs/settings.md."""

    channels: frozenset[ChannelName] = frozenset(ChannelName)
    origins: tuple[str, ...] = ()  # storefront origins that may post; empty: any
    publication_check: PublicationCheck = PublicationCheck.online_store
    product_url_template: str = "https://{shop}/products/{handle}?variant={variant_id}"
    locations: tuple[int, ...] = ()  # whose stock counts; empty: Shopify's own count of what can be bought online
    markets: tuple[Market, ...] = ()  # those whose shoppers are told only of what is sold there
    policy: NotificationPolicy = field(default_factory=NotificationPolicy)
    send_hours: ChannelHours = field(default_factory=ChannelHours)
    double_opt_in: OptIn = field(default_factory=OptIn)
    alerts: AlertChoices = field(default_factory=AlertChoices)
    expire_days: int = 365
    attribution_days: int = 7  # for so long after a message a purchase is owed to it
    legacy_errors: bool = False
    country: str | None = None  # two letters, the shop's own: the last resort for national phone numbers
    sms: SmsChoices = field(default_factory=SmsChoices)


@dataclass(frozen=True, slots=True)
class Profile:
    """What Shopify says of a shop. None: not said, or not readable. The merchant's own settings win over it."""

    name: str | None = None
    currency: str | None = None
    country: str | None = None
    locale: str | None = None
    time_zone: str | None = None  # IANA
    primary_url: str | None = None


@dataclass(frozen=True, slots=True)
class PriorityList:
    """Customers with a tag, as counted last. `known_at` None: never; `reason`: why the last reading failed."""

    tag: str | None
    known_at: datetime | None = None
    customer_count: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ShopText:
    """A text as the merchant sees it: what was typed for each part.

    `broken_at`: since then it could not be sent as written, and our phrases stand in; `broken_reason` is a word.
    """

    key: TextKey
    parts: Mapping[str, str]
    version: int
    updated_at: datetime
    broken_at: datetime | None = None
    broken_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop as the other rooms see it. `name` falls back to the domain's first label.

    `scopes` are those granted with the token; empty for a custom app's token until the shop was asked.
    `texts_version` changes with every text the merchant writes; 0: there never was one.
    """

    id: int
    domain: str
    state: ShopState
    name: str
    locale: str
    currency: str | None
    settings: ShopSettings
    access: ShopAccess = ShopAccess.none
    scopes: frozenset[str] = frozenset()
    time_zone: str | None = None  # IANA, as Shopify says; None: not known
    primary_url: str | None = None  # where shoppers find the shop; None: not known
    texts_version: int = 0

    @property
    def is_installed(self) -> bool:
        return self.state is ShopState.installed
