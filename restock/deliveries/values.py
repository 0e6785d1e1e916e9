"""The words of a delivery. Standard library only."""

from __future__ import annotations

from enum import StrEnum


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
    channel_off = "channel_off"  # the shop has switched the channel off
