"""Restocks played forward on paper, by the planner itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.catalog.values import ReadingSource, StockReading
from restock.restocks.rules import NO_FACTS
from restock.restocks.rules.simulated import Bounds, Played, Premise, RunEnd
from restock.restocks.rules.simulation import DryRun, Page
from restock.restocks.values import PassReason, WaveFacts
from restock.shops.values import PRESETS, NotificationPolicy, PolicyPreset
from restock.subscriptions.values import QueuePlace

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STRICT = NotificationPolicy(factor=1.0, turn_minutes=60)
HOUR = timedelta(hours=1)


def queue(*quantities: int, market: int = 0) -> list[QueuePlace]:
    return [
        QueuePlace(number, number, "email", wanted, NOON + timedelta(seconds=number - 1e6), market)
        for number, wanted in enumerate(quantities, 1)
    ]


def in_pages(people: Sequence[QueuePlace], facts: WaveFacts, size: int) -> Iterator[tuple[Page, WaveFacts]]:
    for start in range(0, len(people), size):
        yield people[start : start + size], facts


def play(
    waiting: Sequence[QueuePlace],
    units: int | None,
    policy: NotificationPolicy = STRICT,
    *,
    facts: WaveFacts = NO_FACTS,
    size: int = 3,
    wakes: dict[int, datetime] | None = None,
    **more: object,
) -> Played:
    reading = StockReading(1, 9, True, units, ReadingSource.admin, NOON)
    bounds = Bounds(**{name: more.pop(name) for name in list(more) if name in Bounds.__dataclass_fields__})  # type: ignore[arg-type]
    premise = Premise(reading, policy, NOON, **more)  # type: ignore[arg-type]

    def awaken(page: Page, now: datetime) -> Page:
        asleep = {person: at for person, at in (wakes or {}).items() if at > now}
        return [replace(place, wakes_at=asleep.get(place.subscription_id)) for place in page]

    return DryRun(premise, in_pages(waiting, facts, size), awaken, bounds).play()


def test_whoever_is_next_is_told_when_the_turns_before_have_ended() -> None:
    played = play(queue(1, 1, 1, 1, 1), 2)
    assert [(p.position, p.wave, p.told_at) for p in played.people] == [
        (1, 1, NOON),
        (2, 1, NOON),
        (3, 2, NOON + HOUR),
        (4, 2, NOON + HOUR),
        (5, 3, NOON + 2 * HOUR),
    ]
    assert [(w.number, w.people, w.units, w.free_left) for w in played.waves] == [
        (1, 2, 2, 0),
        (2, 2, 2, 0),
        (3, 1, 1, 1),
    ]
    assert (played.told, played.ended_by, played.over_at) == (5, RunEnd.all_told, NOON + 3 * HOUR)


def test_who_does_not_fit_is_passed_over_and_comes_first_in_the_next_wave() -> None:
    played = play(queue(1, 2, 1), 2)
    assert [(p.position, p.wave, p.passed) for p in played.people] == [
        (1, 1, None),
        (2, 2, PassReason.not_enough_free),
        (3, 1, None),
    ]
    assert played.waves[0].passed_over == {PassReason.not_enough_free: 1}
    assert played.skipped == {}


def test_who_wants_more_than_there_is_waits_for_another_restock() -> None:
    played = play(queue(9, 1, 9), 2)
    assert (played.told, played.skipped, played.ended_by) == (1, {PassReason.wants_more: 2}, RunEnd.all_told)


def test_what_is_bought_is_gone() -> None:
    played = play(queue(*[1] * 10), 4, bought_share=0.5)
    assert [w.people for w in played.waves] == [4, 2, 1, 1]
    assert (played.told, played.bought_units, played.ended_by) == (8, 4, RunEnd.sold_out)


def test_everybody_at_once_is_one_wave() -> None:
    played = play(queue(*[1] * 10), 3, PRESETS[PolicyPreset.everyone])
    assert (played.wave_count, played.told, played.ended_by) == (1, 10, RunEnd.all_told)
    assert play(queue(*[1] * 10), None).wave_count == 1


def test_a_sleeper_is_told_on_waking_and_keeps_the_units_until_an_hour_later() -> None:
    morning = NOON + timedelta(hours=5)
    played = play(queue(1, 1), 1, wakes={1: morning})
    assert [(p.told_at, p.wave) for p in played.people] == [(morning, 1), (morning + HOUR, 2)]


def test_who_sleeps_too_long_lets_others_go_first() -> None:
    morning = NOON + timedelta(hours=14)
    played = play(queue(1, 1), 1, wakes={1: morning})
    assert [(p.position, p.told_at, p.passed) for p in played.people] == [
        (1, morning, PassReason.asleep),
        (2, NOON, None),
    ]


def test_turns_under_way_keep_their_units() -> None:
    played = play(queue(1, 1), 2, running={NOON + timedelta(minutes=20): 2})
    assert [p.told_at for p in played.people] == [NOON + timedelta(minutes=20)] * 2


def test_who_said_not_now_or_could_not_be_reached_is_skipped_by_that_reason() -> None:
    facts = WaveFacts(tried={1}, declined={2}, closed_markets={7}, lent_on=set())
    played = play([*queue(1, 1, 1), replace(queue(1)[0], subscription_id=4, market_id=7)], 9, facts=facts)
    assert played.skipped == {PassReason.tried: 1, PassReason.declined: 1, PassReason.not_in_market: 1}
    assert played.told == 1


@pytest.mark.parametrize(
    ("people", "units", "bounds", "end"),
    [
        ([1] * 100, 1, {"horizon": 10 * HOUR}, RunEnd.horizon),
        ([1] * 100, 1, {"most_waves": 5}, RunEnd.waves),
        ([1] * 100, None, {"looks": 30}, RunEnd.looks),
        ([1, *[2] * 30], 2, {"kept": 10}, RunEnd.crowd),
    ],
)
def test_a_dry_run_stops_where_it_was_told_to_and_says_so(
    people: list[int], units: int | None, bounds: dict[str, object], end: RunEnd
) -> None:
    assert play(queue(*people), units, **bounds).ended_by is end


def test_so_few_units_that_no_turn_can_be_made_of_them_are_said_so() -> None:
    assert play(queue(1, 1), 1, NotificationPolicy(factor=0.5)).ended_by is RunEnd.too_few
    assert play(queue(2, 2), 3, NotificationPolicy(factor=0.5)).ended_by is RunEnd.too_few


def test_only_the_first_people_and_waves_are_told_one_by_one() -> None:
    played = play(queue(*[1] * 100), 1, people=7, waves=3)
    assert ([p.position for p in played.people], len(played.waves)) == (list(range(1, 8)), 3)
    assert (played.told, played.wave_count) == (100, 100)


@given(
    people=st.lists(st.integers(1, 5), max_size=30),
    units=st.none() | st.integers(1, 8),
    factor=st.sampled_from([None, 0.5, 1.0, 2.0]),
    size=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_nobody_is_told_twice_nobody_is_lost_and_no_turn_keeps_more_than_there_is(
    people: list[int], units: int | None, factor: float | None, size: int, share: float
) -> None:
    policy = replace(STRICT, factor=factor)
    played = play(queue(*people), units, policy, size=size, bought_share=share, people=100, waves=100)
    told = [person for person in played.people if person.wave is not None]
    assert len(told) == played.told == sum(wave.people for wave in played.waves)
    assert played.told_units == sum(wave.units for wave in played.waves) == sum(p.quantity for p in told)
    assert played.told + sum(played.skipped.values()) <= len(people)
    if played.ended_by is RunEnd.all_told:
        assert played.told + sum(played.skipped.values()) == len(people)
    if units is not None and factor is not None:
        assert all(wave.units <= units * factor for wave in played.waves)
        assert all(p.passed is PassReason.wants_more for p in played.people if p.quantity > units)
    assert played == play(queue(*people), units, policy, size=100, bought_share=share, people=100, waves=100)
