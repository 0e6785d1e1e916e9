"""The words of waiting people. Standard library only."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from restock.channels.values import ChannelName, PushKeys


class SubscriptionState(StrEnum):
    """Where a subscription stands."""

    pending = "pending"  # waits for its address to be confirmed
    active = "active"  # waits in the queue
    notified = "notified"  # was told
    purchased = "purchased"  # bought it
    cancelled = "cancelled"  # left, or was taken out
    expired = "expired"  # waited longer than the shop keeps people waiting


class SuppressionReason(StrEnum):
    """Why an address must not be written to."""

    unsubscribed = "unsubscribed"  # the person left the shop's list; a new post asks for confirmation
    stopped = "stopped"  # the person answered STOP to an SMS: not even a confirmation is sent there any more
    bounced = "bounced"  # the address does not exist; stays
    complained = "complained"  # the person reported a message as spam; stays
    gone = "gone"  # the browser dropped its push subscription; stays


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A validated address: what the chosen channel needs, normalised."""

    channel: ChannelName
    address: str = field(repr=False)
    address_hash: bytes = field(repr=False)
    push_keys: PushKeys | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signup:
    """One validated post. `customer_id` None: the post named none. `accepts_marketing` None: nothing was said."""

    variant_id: int
    product_id: int
    market_id: int
    quantity: int
    source: str
    contact: ContactFacts
    customer_id: uuid.UUID | None = None
    accepts_marketing: bool | None = None
    locale: str | None = None
    name: str | None = field(default=None, repr=False)
    shopify_customer_id: int | None = None
    product: dict[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a post came from, for the consent ledger. `ip_hash` is keyed; the address itself is never kept."""

    ip_hash: bytes | None = field(default=None, repr=False)
    user_agent: str | None = None
    page_url: str | None = None


class RegisteredIntent(NamedTuple):
    """What the storefront is told. Describes this intent alone, whatever state its contact is in."""

    id: uuid.UUID
    customer_id: uuid.UUID
    duplicate: bool
    quantity: int
    source: str
    product_id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ContactView:
    """What the page behind a link may show of a contact: never the whole address.

    `shop_is_here` False: the shop took the app out and may be back; whoever leaves it meanwhile has left.
    """

    shop_name: str
    shop_domain: str
    channel: ChannelName
    masked_address: str
    locale: str | None
    shop_is_here: bool = True


class AddressHolder(NamedTuple):
    """One contact that has a certain address. `suppression` None: it may be written to.

    `locale` is the person's, or the shop's where none is known.
    """

    contact_id: int
    shop_id: int
    suppression: str | None
    shop_name: str
    locale: str


Cursor = tuple[int, datetime, int]  # (`priority`, `queued_at`, `subscription_id`) of the last place seen

NAMED_SUBSCRIPTIONS = "restock.subscriptions"  # the setting in which a transaction's statements hand them on
PRIORITIES = (1, 0)  # every level there is, in the order of the queue


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """One place in the queue of a variant.

    The order is (`priority` descending, `queued_at`, `subscription_id`), or with the last two descending too where who
    came last is served first.
    """

    subscription_id: int
    contact_id: int
    channel: str
    quantity: int
    queued_at: datetime
    market_id: int = 0
    address: str | None = field(default=None, repr=False)
    wakes_at: datetime | None = None
    priority: int = 0

    @property
    def cursor(self) -> Cursor:
        """Where a walk along the queue goes on behind this place."""
        return self.priority, self.queued_at, self.subscription_id


class HistoryKind(StrEnum):
    """What can happen to a subscription and leaves no other row behind."""

    passed_over = "passed_over"  # a wave went by: `reason` is why, the place is kept
    missed = "missed"  # sold out, or taken by others, during the own turn: back to the old place
    returned = "returned"  # a turn whose message never arrived: back to the old place
    declined = "declined"  # "not now": the turn went to the next in line
    lent_on = "lent_on"  # slept too long: the units went to the next in line meanwhile
    cancelled = "cancelled"  # left, or was taken out
    expired = "expired"  # waited too long, or had as many turns as the shop gives
    paused = "paused"  # asked to hear nothing for now: the place is kept
    resumed = "resumed"  # is to be told again
    quantity = "quantity"  # wants another quantity: `units` is the new one


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened. `units` and `free_units`: what was wanted and what was free then, where that matters."""

    subscription_id: int
    kind: HistoryKind
    reason: str | None = None
    event_id: int | None = None
    offer_id: int | None = None
    units: int | None = None
    free_units: int | None = None
    said_by: str | None = None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order: so many units of one variant, and what was paid for them in hundredths."""

    line_id: int
    variant_id: int
    quantity: int
    revenue_cents: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order as far as it concerns people who wait. `ordered_at` is cut to whole seconds by Shopify.

    `customer_id` is Shopify's, None for a guest; the hashes are of every address the buyer gave.
    """

    order_id: int
    ordered_at: datetime
    currency: str
    lines: tuple[OrderLine, ...]
    customer_id: int | None = None
    address_hashes: frozenset[bytes] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A subscription to a variant that may be a buyer's own.

    `by_address`: the buyer gave its address; otherwise the customer id was vouched for by Shopify. `is_shared`: people
    other than that customer stand behind it too.
    """

    subscription_id: int
    variant_id: int
    state: SubscriptionState
    joined_at: datetime
    by_address: bool
    is_shared: bool


@dataclass(frozen=True, slots=True)
class ConfirmationDue:
    """A contact that is to be asked whether it wants to be told. `asked_at` is this asking, and no other's."""

    contact_id: int
    shop_id: int
    channel: str
    asked_at: datetime
