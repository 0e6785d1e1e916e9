"""`restock bench planning` runs from end to end; how fast a busy machine is here says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.whole_app,
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc"),
]


def test_a_small_crowd_is_planned_and_other_shops_are_served_meanwhile(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "planning", "--n", "3000", "--json", str(result)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr  # 1: a goal was missed, as it may be on a busy machine
    assert result.exists(), ran.stderr
    rounds = json.loads(result.read_text())["rounds"]
    walked, limited, unlimited = rounds
    assert (walked["walked"], walked["offered"]) == (3000, 0)
    assert 0 < limited["offered"] < 3000
    assert limited["offered"] + unlimited["offered"] == 3000
    assert all(one["others"] for one in rounds)
    assert "people/s" in ran.stdout
