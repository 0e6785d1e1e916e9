"""Starts the parts, passes on what they print, notices when one ends, and ends them in good order.

On Linux a part is a fork of the supervisor, which has loaded the program once for all of them; elsewhere, where
forking a loaded program is not safe, it is a fresh process. It must never leave one behind.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from restock.local.crew.console import Console
from restock.local.crew.parts import Part
from restock.local.lifeline import LINUX, start_tied, tie_this_process

GRACE_SECONDS = 10.0
TIED = "RESTOCK_TIED"  # set for every part: what it forks dies with it
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_LINE = 65_536

RunCommand = Callable[[Sequence[str]], int]


class Process(Protocol):
    """What we need of a child: its number, and its exit code once it has ended."""

    pid: int

    def poll(self) -> int | None: ...


class Forked:
    """A child made by `fork`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if found else None
        return self._code


@dataclass
class Running:
    """One part that was started."""

    part: Part
    process: Process
    output: int
    unfinished: bytes = b""


@dataclass(frozen=True)
class Ended:
    """A part that ended: negative codes are signals, as in `subprocess`."""

    part: Part
    code: int


class Crew:
    """The running parts."""

    def __init__(self, console: Console, run_command: RunCommand) -> None:
        self._console = console
        self._run_command = run_command
        self._running: list[Running] = []
        self._selector = selectors.DefaultSelector()

    def start(self, part: Part, environment: Mapping[str, str]) -> None:
        """Start one part in a session of its own. Call it from the main thread."""
        reading, writing = os.pipe()
        complete = {**os.environ, **environment, TIED: "1"}
        process = self._fork(part, complete, writing) if LINUX else _spawn(part, complete, writing)
        os.close(writing)
        running = Running(part, process, reading)
        self._running.append(running)
        self._selector.register(reading, selectors.EVENT_READ, running)

    def turn(self, seconds: float) -> Ended | None:
        """Pass on what was printed within this time; return at once when a part has ended."""
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for running in self._running:
            code = running.process.poll()
            if code is not None:
                self._running.remove(running)
                self._read_rest(running)
                return Ended(running.part, code)
        return None

    def run_to_end(self, part: Part, environment: Mapping[str, str]) -> int:
        """Start one part and return its exit code; other parts must not be running."""
        self.start(part, environment)
        while (ended := self.turn(1.0)) is None:
            pass
        return ended.code

    def end(self, in_a_hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask every part to finish, the last one started first; after the grace, or in a hurry, end it by force."""
        for running in reversed(self._running):
            self._signal(running, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while self._running and time.monotonic() < deadline and not in_a_hurry():
            self.turn(0.1)
        for running in list(self._running):
            self._console.line(running.part.name, "did not finish in time; ended by force")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)
        while self._running:
            self.turn(0.1)

    def _signal(self, running: Running, number: signal.Signals) -> None:
        if running.process.poll() is None:
            os.kill(running.process.pid, number)

    def _read(self, running: Running) -> bool:
        """Print the whole lines that came; False at the end of the output."""
        came = os.read(running.output, _LONGEST_LINE)
        *lines, running.unfinished = (running.unfinished + came).split(b"\n")
        if not came or len(running.unfinished) >= _LONGEST_LINE:
            lines, running.unfinished = [*lines, running.unfinished], b""
        for line in lines:
            if line.strip():
                self._console.line(running.part.name, line.decode(errors="replace").rstrip())
        if not came:
            with contextlib.suppress(KeyError):
                self._selector.unregister(running.output)
        return bool(came)

    def _read_rest(self, running: Running) -> None:
        """Print what a part wrote last; whatever it forked may still hold the other end, so never wait for it."""
        while _has_output(running.output) and self._read(running):
            pass
        with contextlib.suppress(KeyError):
            self._selector.unregister(running.output)
        os.close(running.output)

    def _fork(self, part: Part, environment: Mapping[str, str], output: int) -> Process:
        sys.stdout.flush()
        supervisor = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)  # a handler of ours must not run in the child
        pid = os.fork()
        if pid == 0:
            self._become(part, environment, output, supervisor, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return Forked(pid)

    def _become(
        self, part: Part, environment: Mapping[str, str], output: int, supervisor: int, mask: set[int]
    ) -> NoReturn:
        """Turn this fork into the part; never returns into the supervisor's code."""
        code = 1
        try:
            tie_this_process(supervisor)
            os.setsid()
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _connect_output(output)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["restock", *part.words]
            code = self._run_command(part.words)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException:  # noqa: BLE001 - the outer door of this process
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _has_output(output: int) -> bool:
    """Say whether there is something to read right now."""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        return bool(selector.select(0))


def _connect_output(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)


def _spawn(part: Part, environment: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    home = Path(__file__).resolve().parents[3]
    path = os.pathsep.join(filter(None, (str(home), environment.get("PYTHONPATH"))))
    return start_tied(
        [sys.executable, "-m", "restock.cli", *part.words],
        last_signal=signal.SIGKILL,
        output=output,
        environment={**environment, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )
