"""The words of the merchant's list of subscribers. Standard library only.

The merchant owns this list: a line holds the whole address. It is never logged, hence `repr=False`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from restock.channels.values import ChannelName


class SubscriberStatus(StrEnum):
    """What a list can be narrowed to: a state, or everybody who still waits."""

    waiting = "waiting"  # pending or active
    pending = "pending"
    active = "active"
    notified = "notified"
    purchased = "purchased"
    cancelled = "cancelled"
    expired = "expired"


@dataclass(frozen=True, slots=True)
class SubscriberFilter:
    """Which subscribers, in which order. None: not narrowed. Both days count whole, in UTC.

    `search` is one whole address as a person types it.
    """

    product_id: int | None = None
    variant_id: int | None = None
    channel: ChannelName | None = None
    status: SubscriberStatus | None = None
    since: date | None = None
    until: date | None = None
    search: str | None = field(default=None, repr=False)
    newest_first: bool = True

    @property
    def is_narrowed(self) -> bool:
        return self != SubscriberFilter(newest_first=self.newest_first)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A place in a list: the next page starts behind it, a `backward` one ends before it."""

    queued_at: datetime
    subscription_id: int
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Goods:
    """What a page shows of a variant. `product_title` None: nobody ever named it."""

    variant_id: int
    product_id: int
    product_title: str | None = None
    variant_title: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriberLine:
    """One subscription as a list shows it. `marketing` is None where nothing was said."""

    id: int
    state: str
    end_reason: str | None
    channel: ChannelName
    address: str = field(repr=False)
    name: str | None = field(repr=False)
    goods: Goods
    sku: str | None
    quantity: int
    market_id: int
    locale: str | None
    marketing: str | None
    queued_at: datetime
    notified_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriberPage:
    """One page of a list."""

    lines: Sequence[SubscriberLine]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; `at_least` where counting stopped early."""

    number: int
    at_least: bool
