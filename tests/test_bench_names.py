"""`restock bench` says which benchmarks there are, whatever it was asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]


def test_one_that_is_not_there_is_answered_with_those_that_are() -> None:
    command = [sys.executable, "-m", "restock.cli", "bench", "nope"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("There is no benchmark 'nope'.")
    named = ran.stderr.splitlines()[2:]
    assert [line.split()[0] for line in named] == [*BENCHMARKS, *COMMANDS, "all"]
    assert all(len(line.split()) > 5 for line in named), "each with what it is about"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_with_options_of_its_own_says_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert f"usage: restock bench {name}" in said
    assert "--json" in said
