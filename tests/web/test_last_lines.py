"""The access log's last lines are written when its process ends in order."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, sys
from restock.web.access_log import LineWriter

def serve():
    LineWriter().add("the last line")

if sys.argv[1] == "itself":
    serve()
else:
    process = multiprocessing.get_context(sys.argv[1]).Process(target=serve)
    process.start()
    process.join()
"""


@pytest.mark.parametrize("process", ["itself", "fork"])
def test_a_line_added_right_before_the_end_is_written(process: str) -> None:
    """The server's worker is a forked process, in which atexit never comes."""
    if process == "fork" and sys.platform != "linux":
        pytest.skip("only Linux forks the server's worker")
    ended = subprocess.run([sys.executable, "-c", PROGRAM, process], capture_output=True, text=True, check=True)
    assert ended.stdout == "the last line"
