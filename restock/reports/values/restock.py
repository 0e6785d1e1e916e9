"""The words of the page of one restock: what it began with, its waves, and what became of each person. Standard
library only; no address but in a line of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from restock.reports.values.latency import EventSpeed
from restock.reports.values.overview import Recovered
from restock.reports.values.subscribers import Bookmark, Goods, SubscriberLine


class Fate(StrEnum):
    """What became of one person in one restock; exactly one of these, in the order in which a page shows them."""

    bought = "bought"
    running = "running"  # told, and it is still their turn
    coming = "coming"  # the message is on its way
    unused = "unused"  # told, and the turn ended without a purchase
    declined = "declined"  # "not now"
    missed = "missed"  # sold out, or bought by others, during the turn
    unanswered = "unanswered"  # handed over, and nobody knows whether it arrived
    came_back = "came_back"  # the message came back, or was reported as spam
    untold = "untold"  # had a turn, and no message went out
    slept = "slept"  # had a turn, and slept until it was lent on
    passed_over = "passed_over"  # never had a turn: others behind went first


@dataclass(frozen=True, slots=True)
class RestockHead:
    """One restock. `units_at_open` None: without limit. `stock_changed_at` None: no webhook was behind it."""

    event_id: int
    goods: Goods
    opened_at: datetime
    stock_changed_at: datetime | None
    units_at_open: int | None
    wave_count: int
    closed_at: datetime | None
    close_reason: str | None
    read_at: datetime | None = None  # the latest reading of the variant, which may be of another restock
    read_source: str | None = None
    read_units: int | None = None
    read_sellable: bool = False


@dataclass(frozen=True, slots=True)
class RestockSums:
    """What is exact at any size: turns given, people a provider has the message of, and what they bought."""

    turns: int
    units: int
    told: int
    recovered: Sequence[Recovered]


@dataclass(frozen=True, slots=True)
class WaveLine:
    """One wave. `units` and `free_units` are what it was planned on; None: without limit."""

    number: int
    planned_at: datetime
    units: int | None
    free_units: int | None
    offered_count: int
    offered_units: int
    passed_over_count: int


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What is recorded of one person in one restock: the last turn, its message, the last note, the purchase."""

    subscription_id: int
    queued_at: datetime
    offer_state: str | None = None
    offer_reason: str | None = None
    offered_at: datetime | None = None
    ends_at: datetime | None = None
    wave_number: int | None = None
    delivery_state: str | None = None
    delivery_reason: str | None = None
    sent_at: datetime | None = None
    finished_at: datetime | None = None
    noted: str | None = None
    noted_reason: str | None = None
    noted_at: datetime | None = None
    bought_at: datetime | None = None

    @property
    def was_in(self) -> bool:
        """The restock came to this person at all."""
        return self.offer_state is not None or self.noted == "passed_over"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one person, why (a stable word of a table, None: nothing more to say) and when."""

    fate: Fate
    reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class RestockPerson:
    """One line of the page. `line` None: the person was erased."""

    facts: PersonFacts
    verdict: Verdict
    line: SubscriberLine | None


@dataclass(frozen=True, slots=True)
class FateCount:
    """How many people share a fate and its reason."""

    fate: Fate
    reason: str | None
    people: int


@dataclass(frozen=True, slots=True)
class FateCounts:
    """What became of everybody; `counted_first` is how many of the queue were looked at, None: all."""

    lines: Sequence[FateCount]
    counted_first: int | None = None

    def of(self, fate: Fate) -> int:
        """Count the people of one fate, whatever the reason."""
        return sum(line.people for line in self.lines if line.fate is fate)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One page of the people of a restock, by their place in the queue. None: nothing lies that way."""

    people: Sequence[RestockPerson]
    before: Bookmark | None = None
    after: Bookmark | None = None


@dataclass(frozen=True, slots=True)
class RestockReport:
    """Everything about one restock. `waves` has the latest first, and not all where there are very many."""

    head: RestockHead
    sums: RestockSums
    speed: EventSpeed | None
    waves: Sequence[WaveLine]
    counts: FateCounts
    page: PeoplePage
