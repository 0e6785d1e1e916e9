"""The policy simulator: its model of a shop keeps its books, and says what it says by the seed alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.shops.values import NotificationPolicy
from tests.benchmarks.policies.command import POLICIES, main
from tests.benchmarks.policies.measures import beats, play
from tests.benchmarks.policies.ours import DEFAULT, OURS, Ours
from tests.benchmarks.policies.people import Person, Restock, Scenario, World, draw
from tests.benchmarks.policies.picture import picture
from tests.benchmarks.policies.results import Results
from tests.benchmarks.policies.rivals import RIVALS
from tests.benchmarks.policies.scenarios import IN_TURN, SCENARIOS
from tests.benchmarks.policies.sharing import Policy
from tests.benchmarks.policies.shop import Books, Shop

ANYTHING = st.builds(
    Scenario,
    name=st.just("any"),
    title=st.just("anything"),
    restocks=st.lists(st.builds(Restock, at=st.floats(0, 6000), units=st.integers(1, 12)), min_size=1, max_size=3).map(
        lambda found: tuple(sorted(found, key=lambda restock: restock.at))
    ),
    waiting=st.integers(0, 25),
    joining=st.integers(0, 4),
    quantities=st.dictionaries(st.integers(1, 5), st.integers(1, 3), min_size=1),
    opening_minutes=st.sampled_from([2.0, 45.0, 600.0]),
    willing=st.floats(0, 1),
    declining=st.floats(0, 1),
    outside_a_day=st.sampled_from([0.0, 12.0]),
    sleeps=st.booleans(),
)
names = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)


def tell(policy: Policy, scenario: Scenario, seed: int = 1) -> Books:
    return Shop(draw(scenario, seed), policy).tell()


@given(scenario=ANYTHING, seed=st.integers(0, 3), policy=st.sampled_from(POLICIES))
def test_units_are_neither_lost_nor_invented_and_nobody_is_served_untold(
    scenario: Scenario, seed: int, policy: Policy
) -> None:
    world = draw(scenario, seed)
    books = Shop(world, policy).tell()
    assert books.arrived_units == books.bought_units + books.outside_units + books.shelf_units
    assert books.shelf_units >= 0
    assert books.bought_units == sum(world.people[number - 1].quantity for number in books.served)
    assert books.served | books.disappointed <= books.told
    assert books.messages >= len(books.told)


@names
def test_the_same_seed_tells_the_same_story(policy: Policy) -> None:
    assert tell(policy, SCENARIOS["restocks"]) == tell(policy, SCENARIOS["restocks"])
    assert tell(policy, SCENARIOS["restocks"], seed=2) != tell(policy, SCENARIOS["restocks"])


@given(seed=st.integers(0, 10_000), turn_minutes=st.integers(56, 600))
def test_at_factor_one_nobody_is_disappointed_where_only_those_whose_turn_it_is_buy(
    seed: int, turn_minutes: int
) -> None:
    strict = Ours("strict", "", NotificationPolicy(factor=1, turn_minutes=turn_minutes))
    small = replace(IN_TURN, waiting=60, restocks=(Restock(600, 7),))
    assert tell(strict, small, seed).disappointed == set()


@pytest.mark.parametrize("policy", [one for one in OURS if not one.by_day], ids=lambda policy: policy.name)
def test_within_one_restock_our_queue_is_never_turned_round(policy: Ours) -> None:
    for name in ("few", "mixed", "outside", "night"):
        assert tell(policy, SCENARIOS[name]).inversions == 0


def test_no_modelled_policy_is_better_than_the_default_on_both_counts() -> None:
    """Disappointed people and units unsold after a day, on these seeds, in every kind of restock."""
    results = Results(play(SCENARIOS.values(), (*RIVALS, DEFAULT), seeds=10), 10)
    assert results.beaten_by() == []


def test_a_policy_beats_another_by_being_better_somewhere_and_worse_nowhere() -> None:
    scenario = SCENARIOS["few"]
    at_once, hourly, half_daily = play([scenario], RIVALS[:3], seeds=3)
    assert beats(hourly, at_once)
    assert not beats(at_once, hourly)
    assert not beats(hourly, hourly)
    assert not beats(half_daily, hourly), "it disappoints fewer and sells less"


@pytest.mark.parametrize(
    ("name", "told"),
    [("at-once", [1, 2, 3, 4]), ("hourly", [1, 2, 3]), ("five-fold", [1, 2, 3, 4]), ("threshold", [1, 2, 4])],
)
def test_the_models_tell_whom_their_documentation_says(name: str, told: list[int]) -> None:
    """Three units; four people who never open wait for 2, 2, 4 and 1: people are counted, or everyone by themselves."""
    assert sorted(_first_wave(name)) == told


def test_ours_counts_units_and_lets_a_smaller_wish_go_first() -> None:
    assert sorted(_first_wave("strict")) == [1, 4]


def test_a_place_is_kept_when_it_sells_out_during_the_turn() -> None:
    """Two are told of two units, an outsider takes one and the first buys the other: the second is told first again."""
    scenario = Scenario("place", "", (Restock(600, 2), Restock(2000, 1)), waiting=3, sleeps=False)
    first, second, third = (_person(number, opens=minutes) for number, minutes in ((1, 20.0), (2, 50.0), (3, 20.0)))
    books = Shop(World(scenario, (first, second, third), (605.0,)), OURS[2]).tell()
    assert books.disappointed == {2}
    assert books.served == {1, 2}
    assert (books.messages, books.told) == (3, {1, 2}), "the third is next only after the second"


def test_a_not_now_passes_the_turn_on_at_once() -> None:
    scenario = Scenario("not now", "", (Restock(600, 1),), waiting=2, sleeps=False)
    first = replace(_person(1, opens=5), is_willing=False, declines=True)
    shop = Shop(World(scenario, (first, _person(2, opens=5)), ()), OURS[2])
    assert shop.tell().served == {2}


def test_a_message_waits_for_the_morning_and_is_checked_again_then() -> None:
    """By day only, one unit late in the evening: an outsider takes it in the night, so nobody is told of it."""
    scenario = Scenario("night", "", (Restock(22.5 * 60, 1),), waiting=1, sleeps=False)
    by_day = next(one for one in OURS if one.by_day)
    assert Shop(World(scenario, (_person(1, opens=5),), (1400.0,)), by_day).tell().messages == 0
    assert Shop(World(scenario, (_person(1, opens=5),), ()), by_day).tell().served == {1}


def test_the_command_prints_goals_and_writes_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seeds", "2", "--json", str(tmp_path / "r.json"), "--svg", str(tmp_path / "p.svg")]
    assert main(words) in (0, 1)
    said = capsys.readouterr().out
    assert "models of what other systems' public documentation says" in said
    assert said.count("(goal 0)") == 3
    assert {row["policy"] for row in json.loads((tmp_path / "r.json").read_text())["scores"]} == {
        policy.name for policy in POLICIES
    }
    ElementTree.fromstring((tmp_path / "p.svg").read_text())


def test_the_picture_shows_every_policy_and_says_what_is_a_model() -> None:
    drawn = picture(Results(play([SCENARIOS["few"]], POLICIES, seeds=1), 1))
    assert all(policy.title in drawn for policy in POLICIES)
    assert "models of other systems" in drawn
    assert "prefers-color-scheme: dark" in drawn


def _first_wave(name: str) -> set[int]:
    policy = next(one for one in POLICIES if one.name == name)
    scenario = Scenario("first", "", (Restock(600, 3),), waiting=4)
    people = tuple(_person(number, quantity) for number, quantity in enumerate((2, 2, 4, 1), start=1))
    shop = Shop(World(scenario, people, ()), policy)
    shop.tell_until(601)
    return shop.books.told


def _person(number: int, quantity: int = 1, opens: float = 1e6) -> Person:
    return Person(number, number, quantity, True, False, (opens,) * 8, 1, True, False)
