"""The program's own delivery worker, watched: where its CPU time goes, sampled from beside it.

`python -m tests.benchmarks.fanout.worker FILE` runs `restock worker deliveries` and writes what was seen to FILE when
it ends. A thread looks 100 times a second at what the worker's threads are doing and how much CPU each has used since;
nothing in the program is changed. It sees a thread where that lets others run: what comes between two calls of the
system is told of at the second. What only developers have is kept from it, so that its memory is an installation's.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import defaultdict
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

LOOK_SECONDS = 0.01
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

    A look is kept cheap, for the worker pays for it: code is known by its identity, since comparing it reads all of it.
    Stacks are written out at the end: thousands of them in words would pass for the worker's own memory.
    """

    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stacks: dict[tuple[int, ...], float] = field(default_factory=lambda: defaultdict(float))
    _over: threading.Event = field(default_factory=threading.Event)
    _code: dict[int, CodeType] = field(default_factory=dict)  # kept, so that its identity stays its own
    _stage: dict[int, str | None] = field(default_factory=dict)
    _clocks: dict[int, int] = field(default_factory=dict)  # of each thread, open to be read again and again

    def run(self) -> None:
        spent = self._cpu_by_thread()  # what came before is nobody's
        while not self._over.wait(LOOK_SECONDS):
            # Read whole before anything else: a generator that has been left meanwhile says no more who called it.
            stacks = {ident: self._look(frame) for ident, frame in sys._current_frames().items()}
            seen = self._cpu_by_thread()
            for ident, now in seen.items():
                used, (stage, codes) = now - spent.get(ident, 0), stacks.get(ident, (START, ()))
                if used > 0 and ident != threading.get_ident() and stage != START:
                    self.stages[stage] += used / 1e9
                    self.stacks[codes] += used / 1e9
            spent = seen

    def stop(self) -> None:
        self._over.set()

    def written(self) -> dict[str, float]:
        """Write stacks out by their names; those of the same names are one."""
        written: dict[str, float] = defaultdict(float)
        for codes, seconds in self.stacks.items():
            names = (f"{Path(code.co_filename).stem}.{code.co_name}" for code in map(self._code.__getitem__, codes))
            written[";".join(names)] += seconds
        return written

    def _look(self, frame: FrameType | None) -> tuple[str, tuple[int, ...]]:
        """Name what a stack is about, outside every drain RQ's; and what runs in it, outermost first."""
        found: str | None = None
        codes: list[int] = []
        while frame is not None:
            code = frame.f_code
            known = id(code)
            if known not in self._code:
                self._code[known], self._stage[known] = code, stage_of(code)
            found = found or self._stage[known]
            codes.append(known)
            frame = frame.f_back
        return found or RQ, tuple(codes[::-1])

    def _cpu_by_thread(self) -> dict[int, int]:
        """Read what each thread has used, in nanoseconds; 0 for one that has ended."""
        threads = {one.ident: one.native_id for one in threading.enumerate()}
        for ended in self._clocks.keys() - threads.values():
            os.close(self._clocks.pop(ended))
        return {ident: self._cpu(native) for ident, native in threads.items() if ident and native}

    def _cpu(self, native_id: int) -> int:
        try:
            if native_id not in self._clocks:
                self._clocks[native_id] = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY)
            return int(os.pread(self._clocks[native_id], 64, 0).split()[0])
        except OSError:
            return 0


def stage_of(code: CodeType) -> str | None:
    """Name what a function is for; None: whoever called it says so."""
    for (path, name), stage in STAGES.items():
        if code.co_name == name and code.co_filename.endswith(path):
            return stage
    return None


def main() -> None:
    """Work until SIGTERM; the start is nobody's time."""
    watch = Watch()
    settings = load_light_settings()
    looking = threading.Thread(target=watch.run, name="watch", daemon=True)
    looking.start()
    run_worker("deliveries", settings)
    watch.stop()
    looking.join()  # a look on its way would still be written down while all of them are read
    Path(sys.argv[1]).write_text(json.dumps({"stages": watch.stages, "stacks": watch.written()}))


if __name__ == "__main__":
    main()
