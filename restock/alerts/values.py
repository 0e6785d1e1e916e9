"""The words of what shops are told. Standard library only; no shopper is ever named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from restock.channels.alerts.values import AlertKind


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
class Missed:
    """An address of a shop's own that the last message to it did not reach. `comes_yet`: it is still tried."""

    address: str = field(repr=False)
    since: datetime
    reason: str | None
    comes_yet: bool


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
