"""Failpoints: armed by the environment alone, never in production, and a process that meets its own dies at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from restock.config import load_settings
from restock.errors import ConfigurationError
from restock.failpoints import FAILPOINTS, VARIABLE, failpoint, failpoint_faults

NAME = next(iter(FAILPOINTS))


def died(wish: str, times: int, **environment: str) -> bool:
    """Pass the first failpoint so many times in a process of its own; say whether that killed it."""
    program = f"from restock.failpoints import failpoint\nfor _ in range({times}): failpoint({NAME!r})"
    known = {"PATH": os.environ["PATH"], VARIABLE: wish} | environment
    ended = subprocess.run([sys.executable, "-c", program], env=known, check=False, capture_output=True)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


@pytest.mark.parametrize(
    ("wish", "times", "dies"),
    [(NAME, 1, True), (f"{NAME}:3", 3, True), (f"{NAME}:3", 2, False), ("", 5, False), ("check.claimed", 5, False)],
)
def test_a_process_dies_at_the_failpoint_it_is_armed_with_and_not_before(wish: str, times: int, dies: bool) -> None:
    assert died(wish, times) is dies


@pytest.mark.parametrize("wish", ["no.such.place", f"{NAME}:0", f"{NAME}:x", f"{NAME}:-1"])
def test_a_faulty_wish_arms_nothing_and_stops_the_start(wish: str) -> None:
    assert died(wish, 5) is False
    (sentence,) = failpoint_faults({VARIABLE: wish}, is_production=False)
    assert sentence.startswith(VARIABLE)


def test_in_production_nothing_can_be_armed_and_the_program_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert died(NAME, 5, RESTOCK_ENV="production") is False
    monkeypatch.setenv("RESTOCK_ENV", "production")
    monkeypatch.setenv(VARIABLE, NAME)
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is for the fault tests only"):
        load_settings()


def test_unarmed_failpoints_do_nothing() -> None:
    assert failpoint_faults({}, is_production=True) == []
    for name in FAILPOINTS:
        failpoint(name)
