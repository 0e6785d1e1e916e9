"""What holds for every queue, every stock and every course of events: properties of the pure planner.

A small model plays the world around it: turns end, people buy, decline, sleep and wake, goods sell out and come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from restock.catalog.values import ReadingSource, StockReading
from restock.restocks.rules import LONGEST_KEPT, capacity, free_units, passed_over, plan_wave, units_wanted
from restock.restocks.values import PassReason, Turn, WaveFacts, WavePlan
from restock.shops.values import NotificationPolicy, QuantityRule, QueueOrder
from restock.subscriptions.values import QueuePlace

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)

policies = st.builds(
    NotificationPolicy,
    factor=st.none() | st.sampled_from([0.5, 1.0, 1.5, 2.0, 5.0]),
    quantity_rule=st.sampled_from(QuantityRule),
)
stocks = st.none() | st.integers(0, 60)
sleeps = st.none() | st.integers(-2, 20).map(lambda hours: NOON + timedelta(hours=hours))
ids = st.sets(st.integers(1, 40), max_size=8)
all_facts = st.builds(WaveFacts, tried=ids, declined=ids, closed_markets=st.sets(st.integers(1, 2)), lent_on=ids)


def reading(units: int | None) -> StockReading:
    return StockReading(1, 2, units is None or units > 0, units, ReadingSource.webhook, NOON)


@st.composite
def queues(draw: st.DrawFn) -> list[QueuePlace]:
    """A queue in its order, with wishes, markets, and people who sleep."""
    wishes = draw(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 2), sleeps), max_size=40))
    return [
        QueuePlace(n, n + 1000, "sms", quantity, NOON + timedelta(seconds=n), market, wakes_at=wakes)
        for n, (quantity, market, wakes) in enumerate(wishes, 1)
    ]


def offered(plan: WavePlan) -> list[int]:
    return [turn.subscription_id for turn in plan.offers]


def could_have(place: QueuePlace, now: StockReading, policy: NotificationPolicy, facts: WaveFacts) -> bool:
    """Said independently: nothing but the others stands between this person and a turn."""
    sleeps = place.wakes_at is not None and place.wakes_at > NOON and capacity(now, policy) is not None
    wakes_too_late = place.wakes_at is not None and place.wakes_at - NOON > LONGEST_KEPT
    return (
        now.sellable
        and (now.units is None or units_wanted(place.quantity, policy) <= now.units)
        and place.market_id not in facts.closed_markets
        and place.subscription_id not in {*facts.tried, *facts.declined}
        and not (sleeps and (wakes_too_late or place.subscription_id in facts.lent_on))
    )


@given(queues(), stocks, st.integers(0, 80), policies, all_facts)
def test_open_offers_never_ask_for_more_than_the_units_times_the_factor(queue, units, kept, policy, facts) -> None:
    now = reading(units)
    plan = plan_wave(queue, now, free_units(now, policy, kept), policy, NOON, facts)
    given_out = sum(turn.units for turn in plan.offers)
    if units is not None and policy.factor is not None:
        assert plan.free_left is not None
        assert plan.free_left >= 0
        assert given_out == 0 or kept + given_out <= math.floor(units * policy.factor)
        assert plan.free_left == max(0, math.floor(units * policy.factor) - kept) - given_out
    else:
        assert plan.free_left is None or not now.sellable


@given(queues(), stocks, st.integers(0, 80), policies, all_facts)
def test_nobody_is_passed_over_without_a_reason_and_nobody_is_named_twice(queue, units, kept, policy, facts) -> None:
    """Whoever is reached is offered or passed over; whoever is not reached stands behind all of those."""
    now = reading(units)
    free = free_units(now, policy, kept)
    plan = plan_wave(queue, now, free, policy, NOON, facts)
    passed = [person for person, _ in plan.passed_over]
    reached = sorted(offered(plan) + passed)
    assert reached == [place.subscription_id for place in queue][: len(reached)]
    assert len(reached) == len(queue) or plan.free_left == 0
    written = passed_over(9, queue, plan, free, policy)
    assert [(entry.subscription_id, entry.reason) for entry in written] == list(plan.passed_over)
    for entry in written:
        if entry.reason == PassReason.not_enough_free:
            assert entry.units > entry.free_units


@given(queues(), stocks, st.integers(0, 80), policies, all_facts)
def test_nobody_goes_before_another_who_would_have_fitted(queue, units, kept, policy, facts) -> None:
    """A second account of the same: one pass in order, each taking what is there."""
    now = reading(units)
    free = free_units(now, policy, kept)
    plan = plan_wave(queue, now, free, policy, NOON, facts)
    expected = []
    for place in queue:
        wanted = units_wanted(place.quantity, policy)
        if could_have(place, now, policy, facts) and (free is None or wanted <= free):
            expected.append(place.subscription_id)
            free = None if free is None else free - wanted
    assert offered(plan) == expected


@given(queues(), st.integers(1, 60), policies, all_facts, st.integers(1, 9))
def test_the_size_of_a_page_changes_nothing(queue, units, policy, facts, size) -> None:
    now = reading(units)
    at_once = plan_wave(queue, now, free_units(now, policy, 0), policy, NOON, facts)
    offers: list[Turn] = []
    passed: list[tuple[int, PassReason]] = []
    looks = []
    free = free_units(now, policy, 0)
    for start in range(0, len(queue), size):
        if free == 0:
            break
        page = plan_wave(queue[start : start + size], now, free, policy, NOON, facts)
        offers, passed, free = [*offers, *page.offers], [*passed, *page.passed_over], page.free_left
        looks += [page.next_look_at] if page.next_look_at else []
    assert (tuple(offers), tuple(passed), free) == (at_once.offers, at_once.passed_over, at_once.free_left)
    assert min(looks, default=None) == at_once.next_look_at


@given(queues(), stocks, policies, all_facts)
def test_whoever_is_passed_over_for_sleep_is_looked_at_on_waking(queue, units, policy, facts) -> None:
    now = reading(units)
    plan = plan_wave(queue, now, free_units(now, policy, 0), policy, NOON, facts)
    wakes = {place.subscription_id: place.wakes_at for place in queue}
    asleep = [wakes[person] for person, why in plan.passed_over if why in (PassReason.asleep, PassReason.lent_on)]
    assert plan.next_look_at == min((at for at in asleep if at is not None), default=None)
    for turn in plan.offers:
        woken = wakes[turn.subscription_id]
        assert turn.wakes_at == (woken if woken is not None and woken > NOON else None)
        if turn.wakes_at is not None and plan.free_left is not None:
            assert turn.wakes_at - NOON <= LONGEST_KEPT


@given(queues(), policies)
def test_everybody_is_offered_at_once_when_there_is_enough(queue, policy) -> None:
    awake = [place for place in queue if place.wakes_at is None]
    assert len(plan_wave(awake, reading(10_000), free_units(reading(10_000), policy, 0), policy, NOON).offers) == len(
        awake
    )


@dataclass
class Person:
    """Somebody in the model. `declines`: how often they still say "not now"; `sleeps_until`: in hours of the model."""

    number: int
    quantity: int
    priority: int
    declines: int
    sleeps_until: int
    state: str = "waiting"
    turns: int = 0


@dataclass
class World:
    """One variant's queue played through, hour by hour, around the pure planner."""

    people: list[Person]
    policy: NotificationPolicy
    units: int = 0
    hour: int = 0
    open: dict[int, int] = field(default_factory=dict)  # person -> units
    kept_until: dict[int, int] = field(default_factory=dict)
    declined: set[int] = field(default_factory=set)
    lent_on: set[int] = field(default_factory=set)
    ever_offered: set[int] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return NOON + timedelta(hours=self.hour)

    def queue(self) -> list[QueuePlace]:
        waiting = [person for person in self.people if person.state == "waiting"]
        sign = -1 if self.policy.order is QueueOrder.newest else 1
        waiting.sort(key=lambda person: (-person.priority, sign * person.number))
        return [
            QueuePlace(
                person.number,
                person.number,
                "sms",
                person.quantity,
                NOON + timedelta(seconds=person.number),
                priority=person.priority,
                wakes_at=NOON + timedelta(hours=person.sleeps_until) if person.sleeps_until > self.hour else None,
            )
            for person in waiting
        ]

    def wave(self) -> None:
        """Plan, and hold the promise of every wave against the world."""
        now = reading(self.units)
        kept = sum(self.open.values())
        facts = WaveFacts(declined=frozenset(self.declined), lent_on=frozenset(self.lent_on))
        plan = plan_wave(self.queue(), now, free_units(now, self.policy, kept), self.policy, self.now, facts)
        for turn in plan.offers:
            assert turn.subscription_id not in self.open
            self.open[turn.subscription_id] = turn.units
            self.person(turn.subscription_id).state = "offered"
            self.ever_offered.add(turn.subscription_id)
            if turn.wakes_at is not None:
                self.kept_until[turn.subscription_id] = self.hour + 12
        if plan.offers and self.policy.factor is not None:
            assert sum(self.open.values()) <= math.floor(self.units * self.policy.factor)

    def person(self, number: int) -> Person:
        return self.people[number - 1]

    def restock(self, units: int) -> None:
        self.units = units
        self.declined.clear()
        self.lent_on.clear()

    def pass_hour(self, buyers: set[int], walk_in: int) -> None:
        """Everybody whose message has arrived decides; strangers buy; who sleeps too long is lent on."""
        self.hour += 1
        self.units = max(0, self.units - walk_in)
        for number in list(self.open):
            person = self.person(number)
            if person.sleeps_until > self.hour:
                if self.kept_until.get(number, self.hour + 1) <= self.hour:
                    self.close(number, "waiting")
                    self.lent_on.add(number)
                continue
            if person.declines:
                person.declines -= 1
                self.declined.add(number)
                self.close(number, "waiting")
            elif number in buyers and self.units >= self.open[number]:
                self.units -= self.open[number]
                self.close(number, "bought")
            else:
                self.close(number, "told")
        if self.units == 0:
            self.sell_out()

    def sell_out(self) -> None:
        """Whoever has a turn now goes back to the old place, as often as the shop gives turns."""
        for number in list(self.open):
            person = self.person(number)
            person.turns += person.sleeps_until <= self.hour
            self.close(number, "expired" if person.turns >= self.policy.max_offers else "waiting")

    def close(self, number: int, state: str) -> None:
        del self.open[number]
        self.kept_until.pop(number, None)
        self.person(number).state = state


people_of = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=14
).map(lambda rows: [Person(n, *row) for n, row in enumerate(rows, 1)])
worlds = st.builds(
    World,
    people_of,
    st.builds(
        NotificationPolicy,
        factor=st.none() | st.sampled_from([1.0, 1.5, 2.0]),
        order=st.sampled_from(QueueOrder),
        quantity_rule=st.sampled_from(QuantityRule),
    ),
)
hours = st.lists(st.tuples(st.sets(st.integers(1, 14)), st.integers(0, 4), st.none() | st.integers(0, 12)), max_size=30)


@settings(max_examples=150, deadline=None)
@given(worlds, hours)
def test_everybody_is_offered_in_the_end_when_stock_suffices(world, course) -> None:
    """Whatever happened before, and however the promise of each wave is kept meanwhile."""
    for buyers, walk_in, restock in course:
        if restock is not None:
            world.restock(restock)
        world.wave()
        world.pass_hour(buyers, walk_in)
    world.restock(100)
    for _ in range(120):
        world.wave()
        world.pass_hour(set(), 0)
        if world.hour % 24 == 0:
            world.restock(100)
    assert {person.number for person in world.people} == world.ever_offered
    assert {person.state for person in world.people} <= {"told", "bought", "expired"}
    assert all(person.turns <= world.policy.max_offers for person in world.people)
    assert world.open == {}


@settings(max_examples=100, deadline=None)
@given(worlds)
def test_without_anything_happening_people_are_told_in_the_order_of_the_queue(world) -> None:
    """One unit at a time, everybody wanting one and awake: the order of turns is the order of the queue."""
    for person in world.people:
        person.quantity, person.declines, person.sleeps_until = 1, 0, 0
    expected, told = [place.subscription_id for place in world.queue()], []
    world.restock(1)
    while world.queue():
        world.wave()
        told += list(world.open)
        for number in list(world.open):
            world.close(number, "told")
    assert told == expected
