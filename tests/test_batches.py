"""Who is written with whom, and what becomes of a batch that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from restock.batches import MOST, Batches
from restock.errors import UnavailableError
from restock.statements import Lane

LONG = 60.0


class Store:
    """Stands where the database stands; the first item written alone waits until the others have come."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self.connections = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def connect(self) -> Any:
        self.connections += 1
        return SimpleNamespace(closed=False, close=lambda: None)

    def write_many(self, _connection: Any, items: Sequence[str]) -> list[str | None]:
        self.together.append(list(items))
        if self.fault is not None:
            raise self.fault
        return [None if item.startswith("odd") else f"{item} together" for item in items]

    def write_one(self, item: str) -> str:
        if item == "first":
            self.begun.set()
            assert self.go_on.wait(LONG)
        self.alone.append(item)
        return f"{item} alone"

    def batches(self, **options: float) -> Batches[str, str]:
        return Batches([Lane(self.connect)], self.write_many, self.write_one, **options)


def behind_the_first(store: Store, *items: str, keys: Callable[[str], Any] = lambda item: {item}) -> list[Future[str]]:
    """Let all items come, in this order, while `first` is being written."""
    batches = store.batches()
    pool = ThreadPoolExecutor(len(items) + 1)
    futures = [pool.submit(batches.write, "first", {"first"})]
    assert store.begun.wait(LONG)
    for count, item in enumerate(items, 1):
        futures.append(pool.submit(batches.write, item, keys(item)))
        until_waiting(batches, count)
    store.go_on.set()
    pool.shutdown()
    return futures


def until_waiting(batches: Batches[str, str], count: int) -> None:
    deadline = time.monotonic() + LONG
    while len(batches._waiting) < count:  # the only way to see that it has come
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_that_comes_alone_is_written_alone_and_opens_no_connection() -> None:
    store = Store()
    batches = store.batches()
    assert [batches.write(item, {item}) for item in ("a", "b")] == ["a alone", "b alone"]
    assert (store.together, store.connections) == ([], 0)


def test_those_who_come_meanwhile_are_written_together_in_the_order_they_came() -> None:
    store = Store()
    futures = behind_the_first(store, "a", "b", "c")
    assert [future.result() for future in futures] == ["first alone", "a together", "b together", "c together"]
    assert store.together == [["a", "b", "c"]]


def test_two_that_share_a_key_are_never_in_one_batch() -> None:
    """The second goes with the next, and one that shares a key with it does not overtake it."""
    store = Store()
    behind_the_first(store, "a1", "b1", "a2", "c1", "a3", "c2", keys=lambda item: {item[0]})
    assert store.together == [["a1", "b1", "c1"], ["a2", "c2"]]
    assert store.alone == ["first", "a3"]


def test_a_batch_has_an_upper_bound() -> None:
    store = Store()
    behind_the_first(store, *[f"item {number}" for number in range(MOST + 3)])
    assert [len(batch) for batch in store.together] == [MOST, 3]


def test_what_a_batch_leaves_out_is_done_alone() -> None:
    store = Store()
    futures = behind_the_first(store, "a", "odd", "odd too")
    assert [future.result() for future in futures[1:]] == ["a together", "odd alone", "odd too alone"]


@pytest.mark.parametrize("fault", [psycopg.OperationalError("lost"), psycopg.errors.DeadlockDetected("circle")])
def test_a_batch_that_fails_is_taken_apart(fault: Exception) -> None:
    store = Store(fault)
    futures = behind_the_first(store, "a", "b", "c")
    assert [future.result() for future in futures[1:]] == ["a alone", "b alone", "c alone"]


def test_a_fault_of_ours_reaches_one_caller_and_holds_up_nobody() -> None:
    store = Store(KeyError("ours"))
    first, leader, *others = behind_the_first(store, "a", "b", "c")
    assert first.result() == "first alone"
    assert isinstance(leader.exception(), KeyError)
    assert [future.result() for future in others] == ["b alone", "c alone"]


def test_a_failure_of_one_alone_is_its_callers() -> None:
    def refuse(item: str) -> str:
        raise ValueError(item)

    batches: Batches[str, str] = Batches([Lane(Store().connect)], Store().write_many, refuse)
    for item in ("a", "b"):  # the second finds the lane free again
        with pytest.raises(ValueError, match=item):
            batches.write(item, {item})


def test_nobody_waits_for_ever() -> None:
    """With the one before stuck, the caller is told to come back, and the item is not written behind its back."""
    store = Store()
    batches = store.batches(patience_seconds=0.05)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(batches.write, "first", {"first"})
        assert store.begun.wait(LONG)
        with pytest.raises(UnavailableError) as caught:
            batches.write("late", {"late"})
        store.go_on.set()
        assert stuck.result() == "first alone"
    assert caught.value.retry_after_seconds
    assert (store.alone, store.together) == (["first"], [])
