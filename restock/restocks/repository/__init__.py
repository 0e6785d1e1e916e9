"""Every query on restocks, split by use case. What two workers may do at once is one conditional statement each.

Locks on rows that others see are taken in the order contacts, deliveries, offers, event, subscriptions, intents, lane;
keep to it in every new statement. A row of an event is locked FOR NO KEY UPDATE: new offers and waves refer to it
without waiting.
"""

from __future__ import annotations

from restock.restocks.repository.events import (
    claim_event,
    close_event,
    count_in,
    due,
    end_walk,
    go_on,
    lock_open_event,
    open_event,
    over_too_soon,
    put_off,
    replan,
    replan_shop,
    replan_variant,
    running_wave,
    start_wave,
)
from restock.restocks.repository.offers import (
    accept_offers,
    add_offers,
    cut_short,
    drop_offers,
    end_offers,
    has_open_turn,
    named_accepted,
    open_units,
    return_offers,
    turns_taken,
)

__all__ = [
    "accept_offers",
    "add_offers",
    "claim_event",
    "close_event",
    "count_in",
    "cut_short",
    "drop_offers",
    "due",
    "end_offers",
    "end_walk",
    "go_on",
    "has_open_turn",
    "lock_open_event",
    "named_accepted",
    "open_event",
    "open_units",
    "over_too_soon",
    "put_off",
    "replan",
    "replan_shop",
    "replan_variant",
    "return_offers",
    "running_wave",
    "start_wave",
    "turns_taken",
]
