"""Dry runs on a real queue: they say what would happen, and change nothing."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from restock.errors import ValidationError
from restock.restocks.rules.simulated import Bounds, RunEnd
from restock.restocks.service.simulating import Simulating
from restock.restocks.service.simulating.preview import Previewing, Reach
from restock.restocks.values import PassReason
from restock.shops.values import PRESETS, PolicyPreset
from tests.restocks.store import VARIANT, Store

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SUM = "SELECT coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {} t"


def checksum(store: Store) -> str:
    """A number that changes with any value of any row of any table."""
    tables = [str(name) for (name,) in store.sql(_TABLES)]
    sums = [(name, str(store.one(_SUM.format(name)))) for name in tables]
    return hashlib.sha256(repr(sums).encode()).hexdigest()


@pytest.fixture
def simulating(store: Store) -> Simulating:
    return Simulating(store.database, page_size=2)


@pytest.fixture
def previewing(store: Store, simulating: Simulating) -> Previewing:
    return Previewing(store.database, simulating)


def test_the_dry_run_tells_what_the_planner_then_does(store: Store, simulating: Simulating) -> None:
    store.set(policy="strict")
    people = [*store.join(2), *store.join(1, quantity=2), *store.join(3)]
    told = simulating.simulate(store.shop, VARIANT, 3)
    first = [person.subscription_id for person in told.played.people if person.wave == 1]
    assert (told.waiting, told.not_reached) == (6, 0)
    store.restock(3)
    assert store.offered() == first == [people[0], people[1], people[3]]


def test_a_dry_run_changes_no_value_of_any_row(store: Store, simulating: Simulating, previewing: Previewing) -> None:
    store.join(5)
    store.restock(2)
    before = checksum(store)
    simulating.simulate(store.shop, VARIANT, 3)
    simulating.simulate(store.shop, VARIANT, None, PRESETS[PolicyPreset.everyone])
    previewing.preview_settings(store.shop, {"policy": "everyone"})
    assert checksum(store) == before
    store.sql("UPDATE subscriptions SET quantity = quantity + 1")
    assert checksum(store) != before


def test_turns_under_way_keep_their_units_in_a_dry_run_too(store: Store, simulating: Simulating) -> None:
    store.set(policy="strict")
    store.join(4)
    store.restock(2)
    store.send()
    played = simulating.simulate(store.shop, VARIANT, 2)
    assert [wave.people for wave in played.played.waves] == [2]
    assert played.played.waves[0].at > played.at + timedelta(minutes=118)


def test_who_could_not_be_reached_in_this_restock_is_skipped_in_its_dry_run(
    store: Store, simulating: Simulating
) -> None:
    store.join(2)
    store.restock(1)
    store.sql("UPDATE offers SET state = 'returned', reason = 'refused' WHERE id = (SELECT min(id) FROM offers)")
    store.sql("UPDATE subscriptions SET open_offer_id = NULL")
    assert simulating.simulate(store.shop, VARIANT, 9).played.skipped == {PassReason.tried: 1}


@pytest.mark.parametrize(
    ("units", "settings", "end"),
    [
        (0, {}, RunEnd.no_stock),
        (3, {"policy__minimum_units": "5"}, RunEnd.below_minimum),
        (None, {"policy__minimum_units": "5"}, RunEnd.all_told),
    ],
)
def test_it_is_said_why_no_restock_would_begin(
    store: Store, simulating: Simulating, units: int | None, settings: dict[str, str], end: RunEnd
) -> None:
    store.join(1)
    store.set(**settings)
    assert simulating.simulate(store.shop, VARIANT, units).played.ended_by is end


def test_where_nobody_waits_nothing_happens(store: Store, simulating: Simulating) -> None:
    found = simulating.simulate(store.shop, VARIANT, 5)
    assert (found.waiting, found.played.told, found.played.ended_by) == (0, 0, RunEnd.nobody_waits)


def test_another_policy_another_hour_and_another_share_can_be_tried(store: Store, simulating: Simulating) -> None:
    store.join(10)
    everyone = simulating.simulate(store.shop, VARIANT, 1, PRESETS[PolicyPreset.everyone])
    assert (everyone.played.told, everyone.played.wave_count) == (10, 1)
    later = simulating.simulate(store.shop, VARIANT, 1, at=everyone.at + timedelta(days=1))
    assert later.played.waves[0].at == everyone.at + timedelta(days=1)
    assert simulating.simulate(store.shop, VARIANT, 1, bought_share=1).played.ended_by is RunEnd.sold_out
    with pytest.raises(ValueError, match="share"):
        simulating.simulate(store.shop, VARIANT, 1, bought_share=2)


def test_the_first_people_only_are_named_and_progress_is_told(store: Store, simulating: Simulating) -> None:
    store.join(7)
    seen: list[int] = []
    found = simulating.simulate(store.shop, VARIANT, None, bounds=Bounds(people=3), progress=seen.append)
    assert (len(found.played.people), found.played.told) == (3, 7)
    assert seen == [2, 4, 6, 7]


def test_who_sleeps_is_told_in_the_morning(store: Store, simulating: Simulating) -> None:
    store.set(send_hours__email="9-10")
    store.join(1)
    night = simulating.simulate(store.shop, VARIANT, 1).at.replace(hour=22) + timedelta(days=1)
    (person,) = simulating.simulate(store.shop, VARIANT, 1, at=night).played.people
    assert person.told_at is not None
    assert (person.told_at.hour, person.told_at - night) == (9, person.told_at - night)


def test_changed_settings_say_whom_they_would_tell_now(store: Store, previewing: Previewing) -> None:
    store.set(policy="strict")
    store.join(10)
    store.restock(2)
    found = previewing.preview_settings(store.shop, {"policy": "everyone"})
    assert (found.before, found.after, found.held, found.open_variants) == (0, 8, 0, 1)
    assert [(one.variant_id, one.before, one.after) for one in found.top] == [(VARIANT, 0, 8)]
    assert not store.sql("SELECT 1 FROM shops WHERE settings::text LIKE '%everyone%'")


@pytest.mark.parametrize("changes", [{"policy": "everyone"}, {"policy.factor": "2.5"}, {"policy.order": "newest"}])
def test_what_a_preview_counts_is_told_at_the_next_step_after_the_save(
    store: Store, previewing: Previewing, changes: dict[str, str]
) -> None:
    store.set(policy="strict")
    store.join(10)
    store.restock(3)
    counted = previewing.preview_settings(store.shop, changes).after
    before = len(store.offered())
    store.shop = store.shops.change_settings(store.shop.domain, changes)
    store.plan()
    assert len(store.offered()) - before == counted


def test_what_the_change_alone_would_begin_is_held_and_counted_apart(store: Store, previewing: Previewing) -> None:
    store.set(policy__minimum_units="5", policy__factor="2")
    store.join(10)
    store.restock(2)
    found = previewing.preview_settings(store.shop, {"policy.minimum_units": ""})
    assert (found.before, found.after, found.held, found.held_variants) == (0, 0, 4, 1)
    store.set(policy__minimum_units="")
    store.restock(2)
    assert store.restocks.what_would_open(store.shop.id).variant_count == 1


def test_other_locations_are_counted_by_what_was_told(store: Store, previewing: Previewing) -> None:
    store.join(9)
    store.restock(2)
    assert previewing.preview_settings(store.shop, {"expire_days": "9"}).open_variants == 1
    found = previewing.preview_settings(store.shop, {"locations": "77"})
    assert (found.after, found.open_variants, found.unread_variants) == (0, 0, 0)
    store.sql("UPDATE stock_readings SET source = 'admin'")
    assert previewing.preview_settings(store.shop, {"locations": "77"}).unread_variants == 1


def test_a_preview_names_every_fault_at_once(store: Store, previewing: Previewing) -> None:
    with pytest.raises(ValidationError) as refused:
        previewing.preview_settings(store.shop, {"policy": "x", "expire_days": "0", "colour": "red"})
    assert {fault.field for fault in refused.value.faults} == {"policy", "expire_days", "colour"}


def test_a_long_queue_is_counted_up_to_a_bound(store: Store, previewing: Previewing) -> None:
    store.join(10)
    store.restock(2)
    found = previewing.preview_settings(store.shop, {"policy": "everyone"}, Reach(looks=4))
    assert (found.after, found.at_least) == (4, True)
    store.join(10, variant=7)
    store.restock(2, variant=7)
    assert previewing.preview_settings(store.shop, {"policy": "everyone"}, Reach(variants=1)).at_least


def test_a_stranger_s_queue_is_no_part_of_it(store: Store, simulating: Simulating, previewing: Previewing) -> None:
    other = store.shops.add("other")
    store.join(3, shop=other)
    assert simulating.simulate(store.shop, VARIANT, 3).waiting == 0
    assert previewing.preview_settings(store.shop, {"policy": "everyone"}).top == ()
