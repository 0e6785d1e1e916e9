"""Whose waiting an order ends, and which message it is owed to. Pure.

A sale is called recovered only where the message was there before the order; whoever bought without having been told
is taken off the list all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from restock.subscriptions.values import Listed, SubscriptionState

CLOCKS_DIFFER = timedelta(seconds=2)  # Shopify cuts an order's time to whole seconds, and two clocks are never one
_WAITING = frozenset({SubscriptionState.pending, SubscriptionState.active})


@dataclass(frozen=True, slots=True)
class Told:
    """The last turn of a subscription whose message a provider accepted."""

    offer_id: int
    event_id: int
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Bought:
    """The buyer is known: end these subscriptions; `subscription_id` is the one the purchase is written to.

    `credit` is the message the sale is owed to, None where none was there before the order.
    """

    subscription_id: int
    close: tuple[int, ...]
    credit: Told | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """Nobody on the list bought it: nothing is kept of the order."""


def match_purchase(
    ordered_at: datetime, listed: Sequence[Listed], told: Mapping[int, Told], window: timedelta
) -> Bought | Stranger:
    """Decide about one line of an order, given who of the variant's list may be the buyer.

    `told` by subscription; `window` is how long after a message a purchase is still owed to it. Who joined after the
    order waits for the next one.
    """
    latest = ordered_at + CLOCKS_DIFFER
    own = [one for one in listed if _is_own(one, latest, told.get(one.subscription_id), window)]
    if not own:
        return Stranger()
    credits_ = {one.subscription_id: told[one.subscription_id] for one in own if _earned(one, latest, told, window)}
    if credits_:
        subscription_id = max(credits_, key=lambda one: (credits_[one].told_at, -one))
    else:
        subscription_id = min(own, key=lambda one: (one.joined_at, one.subscription_id)).subscription_id
    close = tuple(sorted(one.subscription_id for one in own))
    return Bought(subscription_id, close, credits_.get(subscription_id))


def _is_own(one: Listed, latest: datetime, told: Told | None, window: timedelta) -> bool:
    """Say whether the order ends this subscription: joined before it, the buyer's alone, waiting or lately told."""
    if one.joined_at > latest or (one.is_shared and not one.by_address):
        return False
    return one.state in _WAITING or (told is not None and latest - told.told_at <= window + CLOCKS_DIFFER)


def _earned(one: Listed, latest: datetime, told: Mapping[int, Told], window: timedelta) -> bool:
    found = told.get(one.subscription_id)
    return found is not None and timedelta(0) <= latest - found.told_at <= window + CLOCKS_DIFFER
