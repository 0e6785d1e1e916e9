"""The words of a delivery. Standard library only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from restock.catalog.values import GoodsFacts, MarketPrice, StockReading
from restock.channels.values import ChannelName, Envelope, NoticeKind, SenderChoice
from restock.restocks.values import OfferState
from restock.shops.values import Shop
from restock.subscriptions.values import SuppressionReason

if TYPE_CHECKING:
    from restock.channels.texts.written import Speaker


class DeliveryState(StrEnum):
    """Where a delivery stands; every arrow between two of these is one conditional UPDATE (engine.md section 4)."""

    queued = "queued"  # waits for its time
    sending = "sending"  # claimed by one worker, under a lease
    sent = "sent"  # the provider has accepted it
    delivered = "delivered"  # the provider says it arrived
    bounced = "bounced"  # the provider says it came back
    complained = "complained"  # the person reported it as spam
    failed = "failed"  # definitely not accepted, and given up
    skipped = "skipped"  # never sent, for a good reason
    unknown = "unknown"  # handed over, never answered


class SkipReason(StrEnum):
    """Why a delivery was not sent."""

    unsubscribed = "unsubscribed"  # the subscription is over
    suppressed = "suppressed"  # the address must not be written to
    sold_out = "sold_out"  # not enough units left
    event_closed = "event_closed"  # the restock is over
    shop_uninstalled = "shop_uninstalled"  # the shop has removed the app
    purchased = "purchased"  # the person has bought it meanwhile
    asleep = "asleep"  # the person slept longer than units are kept; told anew when awake
    paused = "paused"  # the person asked to hear nothing for now
    turn_over = "turn_over"  # the turn ended before its message left
    declined = "declined"  # the person has said "not now"
    waits_again = "waits_again"  # the person stands in line again: what comes next is an offer, no reminder
    reminders_off = "reminders_off"  # the shop reminds nobody any more
    country_off = "country_off"  # the shop writes no text messages to the number's country
    number_flood = "number_flood"  # too many neighbouring numbers at once: somebody makes the shop pay for them
    channel_off = "channel_off"  # the shop has switched the channel off, or this instance has no provider for it


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What is the same for every delivery of one claim. `reading` None: never read, or no stock is concerned.

    `reminds`: the shop sends reminders.
    """

    shop_installed: bool
    channel_on: bool
    event_open: bool
    reading: StockReading | None
    reading_max_age_seconds: float
    reminds: bool = False

    @property
    def is_limited(self) -> bool:
        """There is a number of units, however large."""
        return self.reading is not None and self.reading.units is not None


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What differs. `holds_offer`: the subscription waits, and its open offer is the one this message is about.

    `is_paused`: the person asked to hear nothing for now. `has_bought`: they have ordered the goods. `turn` is where
    the offer stands, None without one. `was_told`: the waiting ended with the offer's message; `waits_again`: it has
    begun anew. `wakes_at` None: awake.
    """

    kind: NoticeKind
    holds_offer: bool = False
    units: int = 1
    is_paused: bool = False
    suppression: SuppressionReason | None = None
    address_known: bool = True
    country_allowed: bool = True
    is_second_try: bool = False
    has_bought: bool = False
    turn: OfferState | None = None
    was_told: bool = False
    waits_again: bool = False
    wakes_at: datetime | None = None


class ClaimedRow(NamedTuple):
    """One delivery as a claim reads it, with its recipient. `address` None: the contact was erased.

    A tuple, for a fan-out makes as many as it has recipients. `doubts` and `reason` are what is known of a hand-over
    that nobody answered.
    """

    id: int
    shop_id: int
    kind: NoticeKind
    channel: ChannelName
    dedupe_key: str
    created_at: datetime
    attempt: int
    contact_id: int | None
    offer_id: int | None
    variant_id: int | None
    quantity: int
    units: int
    holds_offer: bool
    locale: str | None
    suppression: SuppressionReason | None
    address: str | None = None
    push_keys: Mapping[str, str] | None = None
    has_bought: bool = False
    market_id: int = 0
    turn: OfferState | None = None
    was_told: bool = False
    waits_again: bool = False
    missed_before: bool = False
    is_paused: bool = False
    lane_id: int = 0
    doubts: int = 0
    reason: str = ""

    def __repr__(self) -> str:
        """Name it without its recipient: an address is no business of a log's."""
        return f"ClaimedRow(id={self.id}, kind={self.kind.value!r}, channel={self.channel.value!r})"


@dataclass(frozen=True, slots=True)
class Lane:
    """The deliveries of one event, or of a shop's other notices (`event_id` 0), on one channel."""

    id: int
    shop_id: int
    channel: ChannelName
    event_id: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one claim holds under one token until its lease is over. Without envelopes: nothing of it could be sent.

    `claimed_at` is the database's time.
    """

    token: uuid.UUID
    lane: Lane
    shop: Shop
    rows: Mapping[int, ClaimedRow]
    envelopes: Sequence[Envelope]
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What the messages of one claim share. `goods` has the variants of which something is known.

    `market_prices` are those of (variant, market) where the market has a price of its own. `has_turns`: there is less
    than everybody in line may want, so people are told one after the other. `speaker` None: all is said in our phrases.
    `sender` None: it is sent by the instance's own provider.
    """

    shop: Shop
    goods: Mapping[int, GoodsFacts]
    market_prices: Mapping[tuple[int, int], MarketPrice] = field(default_factory=dict)
    has_turns: bool = False
    speaker: Speaker | None = None
    sender: SenderChoice | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message to be queued. The same `dedupe_key` is queued once, ever. `event_id` 0: it belongs to no restock.

    `due_at` None: at once.
    """

    shop_id: int
    channel: str
    kind: NoticeKind
    dedupe_key: str
    contact_id: int
    subscription_id: int | None = None
    offer_id: int | None = None
    event_id: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What a test shows: one text, about one variant; `variant_id` None: about no goods in particular.

    It travels in the delivery's key, `test:contact:minute:kind:locale:variant`; the claim reads the last two there, and
    a key that says nothing of the kind is a sample of nothing in particular.
    """

    kind: NoticeKind = NoticeKind.offer
    locale: str = ""
    variant_id: int | None = None

    def key(self, contact_id: int, minute: str) -> str:
        """Write the key of the delivery: the same text goes to a contact once a minute."""
        return f"test:{contact_id}:{minute}:{self.kind}:{self.locale}:{self.variant_id or ''}"

    @staticmethod
    def kind_in(key: str) -> NoticeKind:
        """Read from a test's key what it is a sample of; an offer where it does not say."""
        name = (key.split(":") + [""] * 4)[3]
        known = {kind.value: kind for kind in NoticeKind if kind is not NoticeKind.test}
        return known.get(name, NoticeKind.offer)


class TurnStanding(StrEnum):
    """How the turn stands that a message was about, as far as its person is concerned."""

    open = "open"  # it can be passed on
    declined = "declined"  # it was passed on
    bought = "bought"  # the goods were bought
    over = "over"  # its time is over, or the goods are sold out


@dataclass(frozen=True, slots=True)
class TurnView:
    """What the page behind a decline link may show. `product` None: not known."""

    contact_id: int
    standing: TurnStanding
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did. `left`: something is still due; `provider_down`: nobody can be reached for now."""

    sent_count: int
    left: bool
    provider_down: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider that takes nothing. `reason` is a stable word; `waiting_count` is cut off where it is large.

    `service`: the one of several behind a channel that is meant, or `shop N` where that shop's messages alone are
    refused, and the others work; None: the whole channel.
    """

    channel: ChannelName
    provider: str
    reason: str
    since: datetime
    last_failure_at: datetime
    waiting_count: int
    service: str | None = None
