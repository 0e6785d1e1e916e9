"""Ties the life of a child process to its parent's, so that nothing outlives the one who started it.

On Linux the kernel does it; elsewhere a small watcher does. It must never signal a process that we did not start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None
_WATCHER = 'read -r _; kill -s "$0" -- "$1" 2>/dev/null'  # ends its read when the parent's end of the pipe closes
_WATCH_SECONDS = 0.5


class StartError(Exception):
    """Something on this machine keeps a part from starting; the message is one sentence that says how to mend it."""


def start_tied(
    argv: Sequence[str | Path],
    *,
    last_signal: signal.Signals,
    output: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    group: int | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that gets `last_signal` when this process is gone.

    `keep` are open files that it inherits.
    Call it from the main thread: the kernel takes the end of the starting thread for the end of the parent.
    """
    process = subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
        preexec_fn=_tie_to(os.getpid(), last_signal),  # noqa: PLW1509 - two system calls, nothing a thread could hold
        user=user,
        group=group,
        pass_fds=keep,
        extra_groups=None if user is None else [],
    )
    if not LINUX:
        _watch_from_outside(process.pid, last_signal)
    return process


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, grace_seconds: float = 10.0) -> int:
    """End one process with the first signal that works, and return its exit code; SIGKILL comes last."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(grace_seconds)
    return process.wait()


def tie_forks() -> None:
    """Make every later fork of this process (a web worker, for one) die with it."""
    os.register_at_fork(after_in_child=tie_this_process)


def tie_this_process(parent: int | None = None) -> None:
    """Make this process die at once when its parent does; at once, too, if `parent` is already gone."""
    known = os.getppid() if parent is None else parent
    if LINUX:
        _tie_to(known, signal.SIGKILL)()
    else:
        threading.Thread(target=_watch_parent, args=(known,), name="lifeline", daemon=True).start()


def _tie_to(parent: int, number: signal.Signals) -> Callable[[], None]:
    """Prepare what a new process runs: no import, no lock, nothing that a fork could have left half-done."""

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:  # the parent went before the kernel was told
                os._exit(1)

    return tie


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _watch_from_outside(pid: int, number: signal.Signals) -> None:
    """Leave a shell waiting on a pipe that only this process holds open."""
    name = number.name.removeprefix("SIG")
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", _WATCHER, name, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    _watchers.append(watcher)


_watchers: list[subprocess.Popen[bytes]] = []  # kept: collecting one would close its pipe
