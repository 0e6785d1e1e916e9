"""Identifiers: nobody gets one twice, in no process."""

from __future__ import annotations

import subprocess
import sys

# A process of its own forks: this one has threads.
_IN_TWO_PROCESSES = """
import os
from restock.ids import new_handle_hex, new_request_id

def make():
    return [made() for made in (new_handle_hex, new_request_id) for _ in range(600)]

before = make()[:3]
if child := os.fork():
    before += make()
    os.waitpid(child, 0)  # so that they do not print at the same time
else:
    before = make()
print(*before)
"""


def test_a_child_makes_no_identifier_its_parent_makes() -> None:
    script = [sys.executable, "-c", _IN_TWO_PROCESSES]
    made = subprocess.run(script, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert len(set(made)) == len(made) == 2 * 1200 + 3
