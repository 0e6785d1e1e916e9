"""Our own way: the product's rules themselves decide; only its tables are replaced by a few dictionaries.

Every decision comes from `restock.restocks.rules`, never a copy of it. Must keep everything that knows the planner's
signature in `_plan`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from restock.catalog.values import ReadingSource, StockReading
from restock.restocks import rules
from restock.restocks.values import CloseReason, Turn, WaveFacts, WavePlan
from restock.shops.values import PRESETS, NotificationPolicy, PolicyPreset
from restock.subscriptions.values import QueuePlace
from tests.benchmarks.policies.people import DAY
from tests.benchmarks.policies.sharing import Look, Place, Told

_START = datetime(2026, 3, 2, tzinfo=UTC)  # minute 0 of every story
_SETTLE_MINUTES = 10 / 60  # SETTLE_SECONDS as it comes
SEND_HOURS = (8 * 60.0, 21 * 60.0)


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our presets, or what a merchant makes of one. `by_day`: messages leave within SEND_HOURS only."""

    name: str
    title: str
    policy: NotificationPolicy
    by_day: bool = False
    settle_minutes: float = _SETTLE_MINUTES

    def begin(self) -> OurRun:
        return OurRun(self.policy, self.by_day)


@dataclass(slots=True)
class _Open:
    """An open offer; `ends_at` None: its message has not left yet, so its turn has not begun."""

    units: int
    ends_at: float | None


@dataclass(slots=True)
class OurRun:
    """One story under our rules: the event, the open offers, how often each person had a turn."""

    policy: NotificationPolicy
    by_day: bool = False
    _event_is_open: bool = False
    _offers: dict[int, _Open] = field(default_factory=dict)
    _turns: dict[int, int] = field(default_factory=dict)
    _declined: set[int] = field(default_factory=set)  # in the open event
    _came_back: list[int] = field(default_factory=list)

    def look(self, now: float, units: int, queue: Sequence[Place], *, is_restock: bool) -> Look:
        """End turns whose time is over, follow the reading, and plan a wave while the restock is on."""
        for person_id in [one for one, offer in self._offers.items() if (offer.ends_at or now + 1) <= now]:
            del self._offers[person_id]
        reading = _reading(units, now)
        match rules.detect_restock(
            reading, self.policy, len(queue), event_is_open=self._event_is_open, open_turns=len(self._offers)
        ):
            case rules.Open():
                self._event_is_open = True
                self._declined.clear()
            case rules.Close(reason):
                self._close(reason)
        return self._wave(reading, now, queue) if self._event_is_open else Look((), None)

    def may_leave(self, person_id: int, units: int) -> bool:
        """Look once more before a message that waited leaves; one that is not true any more gives the offer back."""
        offer = self._offers.get(person_id)
        if offer is not None and offer.units <= units:
            return True
        if self._offers.pop(person_id, None) is not None:
            self._turns[person_id] -= 1
            self._came_back.append(person_id)
        return False

    def bought(self, person_id: int) -> None:
        self._offers.pop(person_id, None)

    def declined(self, person_id: int) -> bool:
        """Pass an open turn on; the person keeps the place and is left alone until the next restock."""
        if self._offers.pop(person_id, None) is None:
            return False
        self._declined.add(person_id)
        self._came_back.append(person_id)
        return True

    def came_back(self) -> Sequence[int]:
        found, self._came_back = self._came_back, []
        return found

    def stands_back(self) -> Set[int]:
        return self._declined

    def _close(self, reason: CloseReason) -> None:
        """Sold out in somebody's turn: back to the old place, unless that was the last turn there is."""
        self._event_is_open = False
        self._declined.clear()
        if reason is CloseReason.sold_out:
            self._came_back += [one for one in self._offers if self._turns[one] < self.policy.max_offers]
            self._offers.clear()

    def _wave(self, reading: StockReading, now: float, queue: Sequence[Place]) -> Look:
        room = rules.free_units(reading, self.policy, sum(offer.units for offer in self._offers.values()))
        told = []
        for turn in self._plan(reading, now, queue, room).offers:
            told.append(self._offer(turn, now, room))
            room = None if room is None else room - turn.units
        ends = [offer.ends_at for offer in self._offers.values() if offer.ends_at is not None]
        return Look(tuple(told), min(ends, default=None))

    def _offer(self, turn: Turn, now: float, room: int | None) -> Told:
        person_id = turn.subscription_id
        leaves_at = None if turn.wakes_at is None else (turn.wakes_at - _START).total_seconds() / 60
        self._offers[person_id] = _Open(turn.units, (leaves_at or now) + self.policy.turn_minutes)
        self._turns[person_id] = self._turns.get(person_id, 0) + 1
        return Told(person_id, room, leaves_at)

    def _plan(self, reading: StockReading, now: float, queue: Sequence[Place], free: int | None) -> WavePlan:
        """Ask the planner: the one place that knows how."""
        wakes_at = _opening(now) if self.by_day else None
        page = [_place(place, wakes_at) for place in queue]
        facts = WaveFacts(declined=frozenset(self._declined))
        return rules.plan_wave(page, reading, free, self.policy, _moment(now), facts)


def _place(place: Place, wakes_at: datetime | None) -> QueuePlace:
    number = place.person.id
    return QueuePlace(number, number, "email", place.person.quantity, _moment(place.queued_at), wakes_at=wakes_at)


def _opening(now: float) -> datetime | None:
    """Say when SEND_HOURS open next; None: they are open."""
    opens, closes = SEND_HOURS
    hour = now % DAY
    if opens <= hour < closes:
        return None
    return _moment(now - hour + opens + (DAY if hour >= closes else 0.0))


def _reading(units: int, now: float) -> StockReading:
    return StockReading(1, 1, units > 0, units, ReadingSource.admin, _moment(now))


def _moment(minutes: float) -> datetime:
    return _START + timedelta(minutes=minutes)


FAIR = PRESETS[PolicyPreset.fair]
DEFAULT = Ours("fair", "ours: fair (the default)", FAIR)
OURS: tuple[Ours, ...] = (
    DEFAULT,
    Ours("fair-by-day", "ours: fair, messages from 8 to 21", FAIR, by_day=True),
    Ours("strict", "ours: strict", PRESETS[PolicyPreset.strict]),
    Ours("everyone", "ours: everyone at once", PRESETS[PolicyPreset.everyone]),
)
