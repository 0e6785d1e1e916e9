"""Whether a person's yes to marketing is written into the shop's own customer list, and when to try again. Pure.

A no wins, ours or Shopify's, however old: a form that was sent never makes a yes of it. Alerts about stock are another
matter; nothing here touches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from restock.channels.values import ChannelName
from restock.shopify.values import MarketingState, ShopCustomer

LADDER_SECONDS = (60, 600, 3_600, 21_600, 86_400)


@dataclass(frozen=True, slots=True)
class OurWord:
    """What we know of a contact. `marketing`: None, granted or refused; `suppression`: why it is not written to."""

    channel: ChannelName
    marketing: str | None
    suppression: str | None
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class WriteYes:
    """Write the yes to the customer there is."""


@dataclass(frozen=True, slots=True)
class AddAndWriteYes:
    """The shop has no such customer: add one, then write the yes."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing. `reason` is a stable word; `is_done`: Shopify says yes already."""

    reason: str
    is_done: bool = False


def objection(ours: OurWord) -> Leave | None:
    """Say why Shopify need not even be asked; None when it is to be asked."""
    if ours.channel is ChannelName.push:
        return Leave("no_address")
    if ours.marketing != "granted":
        return Leave("refused")
    return Leave("suppressed") if ours.suppression is not None else None


def decide_write_back(ours: OurWord, customer: ShopCustomer | None) -> WriteYes | AddAndWriteYes | Leave:
    """Decide by what we know and what Shopify says; `customer` None: the shop has none with this address."""
    if (no := objection(ours)) is not None:
        return no
    if customer is None:
        return AddAndWriteYes()
    theirs = customer.email_marketing if ours.channel is ChannelName.email else customer.sms_marketing
    match theirs:
        case None | MarketingState.not_subscribed | MarketingState.pending:
            return WriteYes()
        case MarketingState.subscribed:
            return Leave("subscribed_already", is_done=True)
        case MarketingState.unsubscribed | MarketingState.redacted | MarketingState.invalid:
            return Leave(f"shopify_{theirs.value}")
        case _:
            assert_never(theirs)


def retry_seconds(attempts: int) -> int | None:
    """Say how long to wait after the `attempts`-th failure, counted from 1; None: give up."""
    return LADDER_SECONDS[attempts - 1] if attempts <= len(LADDER_SECONDS) else None
