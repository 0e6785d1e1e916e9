"""The program's own delivery worker, watched: where its CPU time goes, sampled from beside it.

`python -m tests.benchmarks.fanout.worker FILE` runs `restock worker deliveries` and writes what was seen to FILE when
it ends. A thread looks 200 times a second at what the worker's thread is doing and how much CPU it has used since;
nothing in the program is changed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from restock.config import load_settings
from restock.worker.main import run_worker

LOOK_SECONDS = 0.005
START, RQ = "start", "rq"
# The innermost of these in a stack says what the time is for.
STAGES = {
    ("service/envelopes.py", "seal_envelopes"): "build",
    ("email/message.py", "compose"): "build",
    ("email/channel.py", "_write"): "build",
    ("service/claiming.py", "claim"): "claim",
    ("service/recording.py", "record"): "record",
    ("service/sending.py", "_send"): "send",
    ("service/sending.py", "drain"): "other",
    ("worker/process.py", "adopt"): START,
    ("worker/main.py", "_settle_memory"): START,
}


@dataclass
class Watch:
    """What was seen of one thread: CPU seconds by stage, and by stack."""

    thread: int
    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stacks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        clock = time.pthread_getcpuclockid(self.thread)
        spent = time.clock_gettime(clock)
        while not self._over.wait(LOOK_SECONDS):
            frame, now = sys._current_frames().get(self.thread), time.clock_gettime(clock)
            if frame is not None and now > spent and stage_of(frame) != START:
                self.stages[stage_of(frame)] += now - spent
                self.stacks[";".join(_names(frame))] += now - spent
            spent = now

    def stop(self) -> None:
        self._over.set()


def stage_of(frame: FrameType | None) -> str:
    """Name what a stack is about; outside every drain it is RQ's."""
    while frame is not None:
        code = frame.f_code
        for (path, name), stage in STAGES.items():
            if code.co_name == name and code.co_filename.endswith(path):
                return stage
        frame = frame.f_back
    return RQ


def _names(frame: FrameType | None) -> list[str]:
    names: list[str] = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{Path(code.co_filename).stem}.{code.co_name}")
        frame = frame.f_back
    return names[::-1]


def main() -> None:
    """Work until SIGTERM; the start is nobody's time."""
    sys.setswitchinterval(LOOK_SECONDS / 10)  # or time would be told of wherever the worker waits next
    watch = Watch(threading.get_ident())
    settings = load_settings()
    threading.Thread(target=watch.run, name="watch", daemon=True).start()
    run_worker("deliveries", settings)
    watch.stop()
    Path(sys.argv[1]).write_text(json.dumps({"stages": watch.stages, "stacks": watch.stacks}))


if __name__ == "__main__":
    main()
