"""Work beside whoever starts it: one at a time, waited for, and a failure ends only itself."""

from __future__ import annotations

import threading
import time

import pytest

from restock.beside import Beside


def test_while_some_is_under_way_no_other_begins_and_a_wait_tells_when_it_ended() -> None:
    beside, may_end, begun = Beside("counting"), threading.Event(), []

    def work() -> None:
        begun.append(threading.current_thread().name)
        may_end.wait(10)

    beside.start(work)
    beside.start(work)
    assert not beside.wait(0.01)
    may_end.set()
    assert beside.wait(10)
    assert begun == ["counting"]


def test_what_failed_may_be_started_again() -> None:
    beside, ended = Beside("failing"), []

    def fail() -> None:
        raise RuntimeError("cut off")

    beside.start(fail)
    assert beside.wait(10)
    beside.start(lambda: ended.append(time.monotonic()))
    assert beside.wait(10)
    assert len(ended) == 1


def test_what_found_no_thread_may_be_started_again() -> None:
    """A machine out of memory or threads gets over it; the work must not stay away until the process ends."""
    beside, ended = Beside("crowded"), []
    usual = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError, match="thread"):
            beside.start(lambda: None)
    finally:
        threading.stack_size(usual)
    beside.start(lambda: ended.append(1))
    assert beside.wait(10)
    assert ended == [1]


def test_nothing_started_is_nothing_to_wait_for() -> None:
    assert Beside("idle").wait(0)
