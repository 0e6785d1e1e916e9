"""The words of the inbox. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class InboxState(StrEnum):
    """What became of a webhook."""

    received = "received"  # waits for its effects
    applied = "applied"  # its effects are in the tables
    kept = "kept"  # nothing to do for it yet: unknown topic, or a shop that has not the app
    failed = "failed"  # its body could not be understood, after several tries


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One webhook as it came. `body` is the exact bytes; `triggered_at` None when absent or unreadable."""

    shop_domain: str
    webhook_id: str
    topic: str
    body: bytes = field(repr=False)
    triggered_at: datetime | None = None
    event_id: str | None = None
    api_version: str | None = None


class Received(StrEnum):
    """What storing a webhook came to."""

    new = "new"  # stored now
    duplicate = "duplicate"  # stored before
