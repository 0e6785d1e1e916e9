"""Every query of the waiting people, split by use case. Racing writes are one conditional statement each.

Locks are taken in the order customers, contacts, subscriptions, intents, stock; keep to it in every new statement.
"""

from __future__ import annotations

from restock.subscriptions.repository.confirmations import (
    confirm,
    contact_view,
    purge_unconfirmed,
    take_confirmations_due,
)
from restock.subscriptions.repository.endings import expire_due, is_missing_again, suppress, unsubscribe
from restock.subscriptions.repository.erasing import drop_ended, sweep_orphans
from restock.subscriptions.repository.history import add_history, add_passed_over, add_paused_over
from restock.subscriptions.repository.queue import (
    attach_offers,
    is_waited_for,
    mark_notified,
    named_notified,
    queue_page,
    release_offers,
    waiting_markets,
    waiting_variants,
)
from restock.subscriptions.repository.returning import expire_used_up, hold_contacts, return_to_place

__all__ = [
    "add_history",
    "add_passed_over",
    "add_paused_over",
    "attach_offers",
    "confirm",
    "contact_view",
    "drop_ended",
    "expire_due",
    "expire_used_up",
    "hold_contacts",
    "is_missing_again",
    "is_waited_for",
    "mark_notified",
    "named_notified",
    "purge_unconfirmed",
    "queue_page",
    "release_offers",
    "return_to_place",
    "suppress",
    "sweep_orphans",
    "take_confirmations_due",
    "unsubscribe",
    "waiting_markets",
    "waiting_variants",
]
