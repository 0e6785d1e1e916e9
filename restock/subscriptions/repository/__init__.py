"""Every query of the waiting people, split by use case. Racing writes are one conditional statement each.

Locks are taken in the order customers, contacts, subscriptions, intents, stock; keep to it in every new statement.
"""

from __future__ import annotations

from restock.subscriptions.repository.confirmations import take_confirmations_due
from restock.subscriptions.repository.queue import (
    attach_offers,
    mark_notified,
    queue_page,
    release_offers,
    waiting_count,
    waiting_variants,
)

__all__ = [
    "attach_offers",
    "mark_notified",
    "queue_page",
    "release_offers",
    "take_confirmations_due",
    "waiting_count",
    "waiting_variants",
]
