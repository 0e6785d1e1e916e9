"""A restock played forward on paper: the planner itself, wave after wave, on a queue that is only read. Pure.

Everybody told keeps the units until their turn ends; so many of them as said are then bought. Only the first people are
remembered one by one, and whoever a later wave may serve, so that a million cost no more memory than a few thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from restock.restocks.rules import can_be_bought, free_units, plan_wave
from restock.restocks.rules.simulated import Bounds, Played, Premise, RunEnd, SimulatedPerson, SimulatedWave
from restock.restocks.rules.walking import earliest
from restock.restocks.values import PassReason, WaveFacts, WavePlan
from restock.subscriptions.values import QueuePlace

Page = Sequence[QueuePlace]
Awaken = Callable[[Page, datetime], Page]  # fills in who sleeps at a moment

_ROUNDING = 1e-9  # shares of ten tenths are a whole
# A later wave may serve these; the others this stock can never serve.
_WAIT_ON = frozenset({PassReason.not_enough_free, PassReason.asleep, PassReason.lent_on})


class _Line:
    """The queue as a dry run sees it: whom it has passed over, then whom it has not come to yet."""

    def __init__(self, pages: Iterator[tuple[Page, WaveFacts]], most_kept: int) -> None:
        self._pages, self._most_kept = pages, most_kept
        self._ahead: Page = ()
        self._kept: list[QueuePlace] = []
        self._known: dict[str, set[int]] = {"tried": set(), "declined": set(), "lent_on": set()}
        self.facts = WaveFacts()
        self.reasons: dict[int, PassReason] = {}  # of those kept in mind
        self.is_read, self.is_overcrowded = False, False

    @property
    def is_empty(self) -> bool:
        return self.is_read and not (self._ahead or self._kept)

    def chunks(self) -> Iterator[tuple[Page, bool]]:
        """Yield the queue from its head, each chunk with whether it is new; what is not looked at is to be put back."""
        if self._kept:
            chunk, self._kept = self._kept, []
            yield chunk, False
        while True:
            ahead, self._ahead = self._ahead or self._read(), ()
            if not ahead:
                return
            yield ahead, True

    def keep(self, place: QueuePlace, reason: PassReason) -> bool:
        """Keep somebody in mind for a later wave; False when there are too many."""
        self.is_overcrowded = self.is_overcrowded or len(self._kept) >= self._most_kept
        if not self.is_overcrowded:
            self._kept.append(place)
            self.reasons[place.subscription_id] = reason
        return not self.is_overcrowded

    def put_back(self, rest: Page, *, is_new: bool) -> None:
        """Put back whom the wave did not come to."""
        if is_new:
            self._ahead = rest
        else:
            self._kept += rest

    def _read(self) -> Page:
        page, facts = next(self._pages, ((), self.facts))
        self.is_read = self.is_read or not page
        for name, known in self._known.items():
            known.update(getattr(facts, name))
        self.facts = WaveFacts(**self._known, closed_markets=facts.closed_markets)
        return page


@dataclass
class _Walk:
    """One walk along the queue."""

    free: int | None
    people: int = 0
    units: int = 0
    passed_over: Counter[PassReason] = field(default_factory=Counter)
    look_at: datetime | None = None  # when the first sleeper who was passed over wakes

    def add(self, plan: WavePlan) -> None:
        self.free = plan.free_left
        self.people += len(plan.offers)
        self.units += sum(turn.units for turn in plan.offers)
        self.passed_over.update(reason for _, reason in plan.passed_over)
        self.look_at = earliest(self.look_at, plan.next_look_at)


@dataclass
class _Turns:
    """The units that turns keep, by when they end; those that end together count once."""

    units: Counter[datetime]

    @property
    def kept_units(self) -> int:
        return self.units.total()

    @property
    def next_end(self) -> datetime | None:
        return min(self.units, default=None)

    def end(self, now: datetime) -> int:
        """End what is over by now; return the units that were kept."""
        return sum(self.units.pop(at) for at in [at for at in self.units if at <= now])


class DryRun:
    """One restock, played forward; used once. `pages` are the queue's, with what is known of each."""

    def __init__(
        self, premise: Premise, pages: Iterator[tuple[Page, WaveFacts]], awaken: Awaken, bounds: Bounds
    ) -> None:
        self._premise, self._awaken, self._bounds = premise, awaken, bounds
        self._line = _Line(pages, bounds.kept)
        self._reading = premise.reading
        self._turns = _Turns(Counter(premise.running))
        self._people: dict[int, SimulatedPerson] = {}
        self._waves: list[SimulatedWave] = []
        self._never: Counter[PassReason] = Counter()
        self._told_by: Counter[str] = Counter()
        self._seen = self._looks = self._wave_count = self._told = self._told_units = self._bought = 0
        self._owed = 0.0  # sales not yet a whole unit
        self._over_at: datetime | None = None

    def play(self) -> Played:
        """Play until nothing more can happen, or a bound is reached."""
        now = self._premise.at
        while True:
            self._end_turns(now)
            walk = self._walk(now)
            self._count_wave(walk, now)
            next_at = earliest(self._turns.next_end, walk.look_at)
            end = self._end(next_at)
            if end is not None or next_at is None:
                return self._result(end or RunEnd.too_few)
            now = next_at

    def _end(self, next_at: datetime | None) -> RunEnd | None:
        bounds = self._bounds
        ends = {
            RunEnd.sold_out: not can_be_bought(self._reading),
            RunEnd.all_told: self._line.is_empty,
            RunEnd.crowd: self._line.is_overcrowded,
            RunEnd.looks: self._looks >= bounds.looks,
            RunEnd.waves: self._wave_count >= bounds.most_waves,
            RunEnd.horizon: next_at is not None and next_at > self._premise.at + bounds.horizon,
        }
        return next((end for end, is_so in ends.items() if is_so), None)

    def _end_turns(self, now: datetime) -> None:
        """Free what turns kept that are over by now, less what was bought."""
        self._owed += self._turns.end(now) * self._premise.bought_share
        if self._reading.units is not None:
            bought = min(int(self._owed + _ROUNDING), self._reading.units)
            self._owed -= bought
            self._bought += bought
            self._reading = replace(self._reading, units=self._reading.units - bought)

    def _walk(self, now: datetime) -> _Walk:
        """Walk the queue once, from its head for as long as something is left to give."""
        policy = self._premise.policy
        walk = _Walk(free_units(self._reading, policy, self._turns.kept_units))
        if walk.free == 0:
            return walk
        for chunk, is_new in self._line.chunks():
            page = self._awaken(chunk, now)
            plan = plan_wave(page, self._reading, walk.free, policy, now, self._line.facts)
            looked = len(plan.offers) + len(plan.passed_over)
            self._looks += looked
            if is_new:
                self._meet(page[:looked])
            self._tell(plan, now)
            self._pass_over(page[:looked], plan)
            self._line.put_back(page[looked:], is_new=is_new)
            walk.add(plan)
            if walk.free == 0 or self._looks >= self._bounds.looks:
                break
        return walk

    def _meet(self, page: Page) -> None:
        """Remember the first in line one by one."""
        for number, place in enumerate(page[: max(0, self._bounds.people - self._seen)], self._seen + 1):
            person = SimulatedPerson(place.subscription_id, number, place.channel, place.quantity)
            self._people[place.subscription_id] = person
        self._seen += len(page)

    def _tell(self, plan: WavePlan, now: datetime) -> None:
        """Keep units from others until each turn ends: it begins when the message leaves."""
        for turn in plan.offers:
            told_at = turn.wakes_at or now
            ends_at = told_at + timedelta(minutes=self._premise.policy.turn_minutes)
            self._turns.units[ends_at] += turn.units
            self._told_by[turn.channel] += 1
            self._line.reasons.pop(turn.subscription_id, None)
            if (person := self._people.get(turn.subscription_id)) is not None:
                told = replace(person, wave=self._wave_count + 1, told_at=told_at, ends_at=ends_at)
                self._people[turn.subscription_id] = told

    def _pass_over(self, looked: Page, plan: WavePlan) -> None:
        why = dict(plan.passed_over)
        for place in looked:
            if (reason := why.get(place.subscription_id)) is None:
                continue
            if (person := self._people.get(place.subscription_id)) is not None:
                self._people[place.subscription_id] = replace(person, passed=reason)
            if reason not in _WAIT_ON or not self._line.keep(place, reason):
                self._line.reasons.pop(place.subscription_id, None)
                self._never[reason] += 1

    def _count_wave(self, walk: _Walk, now: datetime) -> None:
        """Number the walks that told somebody."""
        if not walk.people:
            return
        self._wave_count += 1
        self._told, self._told_units = self._told + walk.people, self._told_units + walk.units
        self._over_at = max(self._turns.units)
        if len(self._waves) < self._bounds.waves:
            passed_over = dict(walk.passed_over)
            self._waves.append(SimulatedWave(self._wave_count, now, walk.people, walk.units, passed_over, walk.free))

    def _result(self, end: RunEnd) -> Played:
        return Played(
            people=tuple(self._people.values()),
            waves=tuple(self._waves),
            wave_count=self._wave_count,
            told=self._told,
            told_units=self._told_units,
            told_by=dict(self._told_by),
            bought_units=self._bought,
            skipped=dict(self._never + Counter(self._line.reasons.values())),
            over_at=self._over_at,
            looks=self._looks,
            ended_by=end,
        )
