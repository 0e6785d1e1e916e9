"""The program's own delivery worker, watched: where its CPU time goes, sampled from beside it.

`python -m tests.benchmarks.fanout.worker FILE` runs `restock worker deliveries` and writes what was seen to FILE when
it ends. A thread looks 200 times a second at what the worker's threads are doing and how much CPU each has used since;
nothing in the program is changed. It sees a thread where that lets others run: what comes between two calls of the
system is told of at the second. What only developers have is kept from it, so that its memory is an installation's.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

# Libraries load them where they find them; requirements.lock has neither.
ONLY_DEVELOPERS_HAVE = ("rich", "greenlet")
if __name__ == "__main__":
    for tool in ONLY_DEVELOPERS_HAVE:
        sys.modules[tool] = None  # type: ignore[assignment]

from restock.light_settings import load_light_settings  # noqa: E402
from restock.worker.main import run_worker  # noqa: E402

LOOK_SECONDS = 0.005
START, RQ = "start", "rq"
# The innermost of these in a stack says what the time is for.
STAGES = {
    ("service/envelopes.py", "seal_envelopes"): "build",
    ("email/message.py", "compose"): "build",
    ("email/channel.py", "_write"): "build",
    ("service/claiming.py", "claim"): "claim",
    ("service/recording.py", "record"): "record",
    ("service/recording.py", "launch"): "record",
    ("streams/flying.py", "done"): "record",
    ("streams/flying.py", "exception"): "record",
    ("email/smtp_pool.py", "_dial_beside"): "send",
    ("streams/stream.py", "run"): "send",
    ("service/sending.py", "drain"): "other",
    ("futures/thread.py", "_worker"): "other",
    ("worker/process.py", "adopt"): START,
    ("worker/main.py", "_settle_memory"): START,
}


@dataclass
class Watch:
    """What was seen of all threads but its own: CPU seconds by stage, and by stack.

    A stack is kept as what ran in it, outermost first: written out, thousands of them would pass for the worker's own.
    """

    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stacks: dict[tuple[CodeType, ...], float] = field(default_factory=lambda: defaultdict(float))
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        spent = _cpu_by_thread()  # what came before is nobody's
        while not self._over.wait(LOOK_SECONDS):
            # Read whole before anything else: a generator that has been left meanwhile says no more who called it.
            stacks = {ident: (stage_of(frame), _codes(frame)) for ident, frame in sys._current_frames().items()}
            seen = _cpu_by_thread()
            for ident, now in seen.items():
                used, (stage, codes) = now - spent.get(ident, 0.0), stacks.get(ident, (START, ()))
                if used > 0 and ident != threading.get_ident() and stage != START:
                    self.stages[stage] += used
                    self.stacks[codes] += used
            spent = seen

    def stop(self) -> None:
        self._over.set()


def _cpu_by_thread() -> dict[int, float]:
    threads = {one.ident: one.native_id for one in threading.enumerate()}
    return {ident: _cpu_seconds(native) for ident, native in threads.items() if ident and native}


def _cpu_seconds(native_id: int) -> float:
    """Read what a thread has used; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def stage_of(frame: FrameType | None) -> str:
    """Name what a stack is about; outside every drain it is RQ's."""
    while frame is not None:
        code = frame.f_code
        for (path, name), stage in STAGES.items():
            if code.co_name == name and code.co_filename.endswith(path):
                return stage
        frame = frame.f_back
    return RQ


def _codes(frame: FrameType | None) -> tuple[CodeType, ...]:
    codes: list[CodeType] = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    return tuple(codes[::-1])


def _written(stacks: Mapping[tuple[CodeType, ...], float]) -> dict[str, float]:
    """Write stacks out by their names; those of the same names are one."""
    written: dict[str, float] = defaultdict(float)
    for codes, seconds in stacks.items():
        written[";".join(f"{Path(code.co_filename).stem}.{code.co_name}" for code in codes)] += seconds
    return written


def main() -> None:
    """Work until SIGTERM; the start is nobody's time."""
    watch = Watch()
    settings = load_light_settings()
    looking = threading.Thread(target=watch.run, name="watch", daemon=True)
    looking.start()
    run_worker("deliveries", settings)
    watch.stop()
    looking.join()  # a look on its way would still be written down while all of them are read
    Path(sys.argv[1]).write_text(json.dumps({"stages": watch.stages, "stacks": _written(watch.stacks)}))


if __name__ == "__main__":
    main()
