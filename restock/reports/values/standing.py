"""What a reason is judged by: one person, and the variant waited for. Standard library only; no whole address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from restock.catalog.values import StockReading
from restock.reports.values.reason import NextLook, Reason
from restock.restocks.values import WaveFacts
from restock.shops.values import NotificationPolicy
from restock.subscriptions.values import SubscriptionState


@dataclass(frozen=True, slots=True)
class StockNow:
    """What the places of one queue are judged by.

    `reading` None: never read. `lagging`: there is stock that Shopify does not sell (yet). `free_units` is what may
    still be offered; None means without limit. `event_is_open` False: no restock is going on, and `wave_facts` are of
    none. `providers_down` has when each channel whose provider takes nothing is tried again. `looks` is what will make
    us look at the queue again.
    """

    reading: StockReading | None
    event_is_open: bool
    free_units: int | None
    policy: NotificationPolicy = field(default_factory=NotificationPolicy)
    lagging: bool = False
    reading_max_age_seconds: float = 120.0
    shop_is_installed: bool = True
    channels_on: frozenset[str] = frozenset({"email", "sms", "push"})
    providers_down: Mapping[str, datetime | None] = field(default_factory=dict)
    wave_facts: WaveFacts = field(default_factory=WaveFacts)
    looks: Sequence[NextLook] = ()

    @property
    def sellable(self) -> bool:
        return self.reading is not None and self.reading.sellable

    @property
    def units(self) -> int | None:
        return self.reading.units if self.reading is not None else None


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What is recorded about one place: the subscription, its last offer, and that offer's first message.

    `turn_came_at` is when the restock began, for people of its first wave; for later ones, when theirs was planned.
    `delivery_next_at` is when a message that waits is due. `wakes_at`: when the person's send hours open; None: they
    are open. `paused_until` None: until the person goes on. `country_off`: the shop writes no text messages to the
    number's country.
    """

    subscription_id: int
    channel: str
    masked_address: str
    quantity: int
    state: str
    end_reason: str | None
    queued_at: datetime
    offer_state: str | None = None
    turn_ends_at: datetime | None = None
    delivery_state: str | None = None
    delivery_reason: str | None = None
    sent_at: datetime | None = None
    turn_came_at: datetime | None = None
    wave_number: int | None = None
    offer_reason: str | None = None
    delivery_next_at: datetime | None = None
    contact_id: int = 0
    market_id: int = 0
    priority: int = 0
    suppression: str | None = None
    is_paused: bool = False
    paused_until: datetime | None = None
    wakes_at: datetime | None = None
    country_off: bool = False

    @property
    def is_in_line(self) -> bool:
        """This person may be told: has said yes, and has not paused."""
        return self.state == SubscriptionState.active and not self.is_paused


@dataclass(frozen=True, slots=True)
class Standing:
    """One person's facts, with the people, and their units, that are told before.

    `resting_ahead`: places in front that are kept for people who have paused or not said yes yet.
    """

    person: PlaceFacts
    stock: StockNow
    people_ahead: int = 0
    units_ahead: int = 0
    resting_ahead: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """One place with its current reason, as a sentence and with its inputs. `position` None: waits no more."""

    facts: PlaceFacts
    position: int | None
    reason: str
    why: Reason
