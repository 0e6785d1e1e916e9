"""Cases of sharing a restock out (docs/cases.md) that no other test shows as they stand."""

from __future__ import annotations

from tests.restocks.store import Store


def sell(store: Store, count: int) -> None:
    """Let so many of those who hold an open offer buy a unit each, as orders say it."""
    store.sql(
        """
        WITH buyer AS (SELECT id, subscription_id FROM offers WHERE state = 'open' ORDER BY id LIMIT :count),
        sold AS (UPDATE subscriptions SET state = 'purchased', open_offer_id = NULL, ended_at = now()
            WHERE id IN (SELECT subscription_id FROM buyer))
        UPDATE offers SET state = 'bought' WHERE id IN (SELECT id FROM buyer)
        """,
        count=count,
    )


def end_turns(store: Store, minutes: int) -> None:
    """Let the turns' time go by, and whatever follows happen."""
    store.pass_time("offers", "ends_at", minutes * 60 + 1)
    while store.restocks.end_turns():
        pass
    store.plan()


def test_case_31_eighty_units_are_eighty_turns_and_what_is_left_goes_on_after_them(store: Store) -> None:
    people = store.join(1000)
    store.set(policy="strict")
    store.restock(80)
    assert store.offered() == people[:80]
    store.send()
    sell(store, 40)
    store.restock(40)
    assert store.sql("SELECT count(*) FROM offers") == [(80,)], "the others' turns are not over"
    end_turns(store, 120)
    assert store.offered() == people[80:120]


def test_case_32_twelve_hours_a_turn_is_a_setting(store: Store) -> None:
    people = store.join(80)
    store.set(policy="strict", policy__turn_minutes="720")
    store.restock(10)
    store.send()
    sell(store, 4)
    store.restock(6)
    end_turns(store, 719)
    assert store.sql("SELECT count(*) FROM offers") == [(10,)]
    end_turns(store, 1)
    assert store.offered() == people[10:16]


def test_case_33_five_turns_for_each_unit_are_waves_of_twenty_five_an_hour(store: Store) -> None:
    people = store.join(100)
    store.set(policy__factor="5", policy__turn_minutes="60")
    store.restock(5)
    for wave in range(4):
        assert store.offered() == people[wave * 25 : wave * 25 + 25]
        store.send()
        end_turns(store, 60)
    assert store.sql("SELECT number, offered_count FROM waves ORDER BY number") == [(n, 25) for n in (1, 2, 3, 4)]


def test_case_34_ten_units_times_five_are_fifty(store: Store) -> None:
    people = store.join(80)
    store.set(policy__factor="5")
    store.restock(10)
    assert store.offered() == people[:50]


def test_case_35_of_three_units_one_person_gets_two_and_the_third_goes_to_a_smaller_wish(store: Store) -> None:
    store.set(policy="strict")
    (first, *_) = store.join(6, quantity=2)
    (small,) = store.join(1, quantity=1)
    store.restock(3)
    assert store.offered() == [first, small]


def test_case_36_a_not_now_gives_the_turn_to_the_next_at_once(store: Store) -> None:
    """And the place is kept: the next restock is offered to the same person first."""
    first, second = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.send()
    (delivery,) = store.sql("SELECT id FROM deliveries")[0]
    assert store.restocks.decline(int(str(delivery)))
    store.plan()
    assert store.offered() == [second]
    store.send()
    sell(store, 1)
    store.restock(0)
    store.restock(1)
    assert store.offered() == [first]
