"""Several processes share one sender's pace, and one of them is killed in the middle of it.

Run with `-m`, a database, a rate and the seconds, it is one of them: it prints when each segment may leave.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from flask import Flask

from restock.database import Database, init_database
from restock.deliveries.limits import repository
from restock.deliveries.limits.service import BURST_SECONDS
from tests.benchmarks.stage import OURS, open_stage

_ASKED_FOR = [1, 2, 1, 1, 2, 1, 1, 1]  # the segments of the messages each asks for at once
_SENDER = "MG" + "0a" * 16


def handed_over(rate: float, seconds: float, workers: int) -> tuple[list[float], float]:
    """Return when each segment was handed over, by all workers, and how many may leave at once beyond the rate."""
    with open_stage() as stage:
        command = [sys.executable, "-m", "tests.benchmarks.fanout.sms_pace", stage.database_url(OURS)]
        command += [str(rate), str(seconds)]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
        time.sleep(seconds / 2)
        processes[0].send_signal(signal.SIGKILL)
        said = [process.communicate()[0] for process in processes]
    times = sorted(float(line) for text in said for line in text.splitlines())
    return times, BURST_SECONDS * rate + max(_ASKED_FOR) - 1


def _work(url: str, rate: float, seconds: float) -> None:
    app = Flask("pace")
    init_database(app, url)
    database = Database(app, url)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with database.transaction() as session:
            granted = repository.take(session, "sms", _SENDER, rate, BURST_SECONDS, _ASKED_FOR)
        now = time.monotonic()
        if granted:
            print("\n".join([f"{now:.6f}"] * sum(_ASKED_FOR[:granted])), flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    _work(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
