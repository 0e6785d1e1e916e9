"""The words of what shops are told. Standard library only; no shopper is ever named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AlertKind(StrEnum):
    """What a message to a shop is about."""

    new = "new"  # somebody has signed up
    digest = "digest"
    waitlist = "waitlist"  # so many wait for one variant


@dataclass(frozen=True, slots=True)
class VariantLine:
    """How many people wait for one variant, and how many units they want. `title` names product and variant."""

    title: str
    people: int
    units: int


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """What a message tells. Of a digest: `since` when, and what happened; of a waitlist: its one line.

    `told` and `bought` count messages and units. `broken` counts texts that cannot be sent as written, `down` names
    channels whose provider takes nothing.
    """

    count: int = 0
    people: int = 0
    units: int = 0
    since: str = ""
    top: Sequence[VariantLine] = ()
    told: int = 0
    bought: int = 0
    broken: int = 0
    down: Sequence[str] = ()
    weekly: bool = False

    @property
    def is_empty(self) -> bool:
        """There is nothing to tell: nobody came, nobody waits, nothing was sent or bought, nothing is wrong."""
        return not (self.count or self.people or self.told or self.bought or self.broken or self.down)


@dataclass(frozen=True, slots=True)
class DueAlert:
    """A claimed message to one address of a shop's own. `in_doubt`: nobody knows whether it was handed over before."""

    id: int
    shop_id: int
    kind: AlertKind
    dedupe_key: str
    facts: Mapping[str, Any]
    attempt: int
    doubts: int
    created_at: datetime
    is_wanted: bool
    shop_name: str
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShopTurn:
    """How far one shop's telling has come, held by whoever moves it on; `now` is the database's time."""

    shop_id: int
    now: datetime
    counted_until: datetime
    looked_until: datetime
    next_new_at: datetime
    digest_from: datetime
    next_digest_at: datetime | None
    rhythm: str | None
