"""Every query of the waiting people, split by use case. Racing writes are one conditional statement each.

Locks are taken in the order customers, contacts, subscriptions, intents, stock; keep to it in every new statement.
"""

from __future__ import annotations

from restock.subscriptions.repository.confirmations import confirm, contact_view, take_confirmations_due
from restock.subscriptions.repository.endings import expire_due, suppress, unsubscribe
from restock.subscriptions.repository.erasing import drop_ended, sweep_orphans
from restock.subscriptions.repository.history import add_history
from restock.subscriptions.repository.queue import (
    attach_offers,
    mark_notified,
    queue_page,
    release_offers,
    waiting_count,
    waiting_markets,
    waiting_variants,
)

__all__ = [
    "add_history",
    "attach_offers",
    "confirm",
    "contact_view",
    "drop_ended",
    "expire_due",
    "mark_notified",
    "queue_page",
    "release_offers",
    "suppress",
    "sweep_orphans",
    "take_confirmations_due",
    "unsubscribe",
    "waiting_count",
    "waiting_markets",
    "waiting_variants",
]
