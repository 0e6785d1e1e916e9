"""What a webhook can lead to beside news of the catalog, and for which topics.

An effect happens in the transaction that settles its message, and may happen again when that is rolled back: it must
not touch anything but the database. What has to follow a commit it returns as a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

Body = Mapping[str, Any]
Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Which message it is and whose. `shop_id` None: no shop of ours, neither now nor before."""

    message_id: int
    topic: str
    shop_domain: str
    shop_id: int | None
    triggered_at: datetime


@dataclass(frozen=True)
class Effect:
    """What is done with the messages of some topics.

    `apply` may raise UnreadableBodyError for a body it cannot use, and returns what is to be done after the commit.
    `for_absent_shops`: also for a shop that is unknown or has left.
    """

    topics: frozenset[str]
    apply: Callable[[Session, Origin, Body], Step | None]
    for_absent_shops: bool = False
