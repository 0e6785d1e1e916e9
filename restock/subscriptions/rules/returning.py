"""Who goes back to the old place after a turn that was none: sold out, or passed on. Pure."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ToldIntent:
    """A wish that was closed by being told. `has_newer`: the same customer has an open one for the same thing."""

    id: uuid.UUID
    customer_id: uuid.UUID
    channel: str
    has_newer: bool


@dataclass(frozen=True, slots=True)
class ToldPlace:
    """Somebody who was told, and the place they had. `has_left`: the address may not be written to any more.

    `newer_id`: the same address waits for the same thing again.
    """

    subscription_id: int
    contact_id: int
    variant_id: int
    market_id: int
    queued_at: datetime
    priority: int
    has_left: bool
    newer_id: int | None
    intents: tuple[ToldIntent, ...] = ()


@dataclass(frozen=True, slots=True)
class Returns:
    """Who is put `back` in line, whose newer wish inherits (queued_at, priority), and which intents are open again."""

    back: tuple[int, ...]
    heirs: Mapping[int, tuple[datetime, int]]
    intents: tuple[uuid.UUID, ...]


def decide_returns(places: Sequence[ToldPlace]) -> Returns:
    """Decide for each address once: the older place is kept, by whichever of its wishes waits.

    Who has left stays told, and so does an address whose every customer has taken the wish to another one.
    """
    groups: dict[tuple[int, int, int], list[ToldPlace]] = defaultdict(list)
    for place in sorted(places, key=lambda place: (place.queued_at, place.subscription_id)):
        if not place.has_left:
            groups[place.contact_id, place.variant_id, place.market_id].append(place)
    back: list[int] = []
    heirs: dict[int, tuple[datetime, int]] = {}
    reopened: dict[tuple[uuid.UUID, int, int, str], uuid.UUID] = {}
    for group in groups.values():
        first = group[0]
        newer_id = next((place.newer_id for place in group if place.newer_id is not None), None)
        if newer_id is not None:
            heirs[newer_id] = (first.queued_at, max(place.priority for place in group))
            continue
        wanted = next((place for place in group if _is_still_wanted(place)), None)
        if wanted is not None:
            back.append(wanted.subscription_id)
            for intent in wanted.intents:
                if not intent.has_newer:
                    key = (intent.customer_id, wanted.variant_id, wanted.market_id, intent.channel)
                    reopened.setdefault(key, intent.id)
    return Returns(tuple(back), heirs, tuple(reopened.values()))


def _is_still_wanted(place: ToldPlace) -> bool:
    return not place.intents or any(not intent.has_newer for intent in place.intents)
