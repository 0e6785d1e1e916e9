"""Starts the program's processes from one that has loaded it already: 0.1 s of work for each instead of 2 s.

A process is what `restock WORDS` runs, with an environment of its own, and dies with the nursery, which dies with us.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0


class Process:
    """One started process; its exit code is negative for the signal that ended it."""

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.name = name
        self._ended = threading.Event()
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._code

    def wait(self, timeout: float) -> int:
        """Return the exit code; raises TimeoutError."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"{self.name} did not end")
        assert self._code is not None
        return self._code

    def terminate(self) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and every child of it as a power cut would."""
        for pid in [*children(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(30)

    def say_where(self) -> None:
        """Have it write into its log where each of its threads is."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)

    def has_ended(self, code: int) -> None:
        self._code = code
        self._ended.set()


class Nursery:
    """Make processes; `close` ends all of them. From the main thread alone.

    `more` is added to the nursery's own environment, and thereby to what its processes have loaded.
    """

    def __init__(self, folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> None:
        ours, theirs = socket.socketpair()
        self._log = folder / f"nursery{len(more)}.log"
        log = self._log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", str(theirs.fileno())],
            cwd=_ROOT,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
        )
        log.close()
        theirs.close()
        self._socket = ours
        self._lines = ours.makefile("r")
        self._known: dict[int, Process] = {}
        self._fresh: list[int] = []
        self._is_over = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        """Run `restock WORDS` in a process of its own, with this environment and nothing else."""
        wish = json.dumps({"words": list(words), "environment": dict(environment), "log": str(log)})
        with self._news:
            self._socket.sendall(wish.encode() + b"\n")
            self._news.wait_for(lambda: self._fresh or self._is_over, _START_SECONDS)
            if not self._fresh:
                raise RuntimeError(f"the nursery does not answer: {self._log.read_text()}")
            pid = self._fresh.pop()
            process = self._known.setdefault(pid, Process(pid, " ".join(words)))
            process.name = " ".join(words)
        return process

    def close(self) -> None:
        for process in list(self._known.values()):
            process.terminate()
        for process in list(self._known.values()):
            with contextlib.suppress(TimeoutError):
                process.wait(5)
            if process.poll() is None:
                process.kill()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait(timeout=30)
        self._reader.join(timeout=5)
        self._lines.close()
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._lines:
                pid, _, code = line.partition(" ")
                with self._news:
                    known = self._known.setdefault(int(pid), Process(int(pid), ""))
                    if code.strip():
                        known.has_ended(int(code))
                    else:
                        self._fresh.append(int(pid))
                    self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()


def children(pid: int) -> list[int]:
    """List the processes below one, the deepest first."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                found += [*children(int(child)), int(child)]
    return found


def _serve(connection: socket.socket) -> None:
    """Fork on request, and tell of every end."""
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pending = b""
    while True:
        ready, _, _ = select.select([connection.fileno(), awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _tell_ends(connection)
        if connection.fileno() in ready:
            heard = connection.recv(65_536)
            if not heard:
                return
            *wishes, pending = (pending + heard).split(b"\n")
            for wish in wishes:
                pid = _fork(json.loads(wish), connection, (awake, waker))
                connection.sendall(f"{pid}\n".encode())


def _tell_ends(connection: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection.sendall(f"{pid} {os.waitstatus_to_exitcode(status)}\n".encode())


def _fork(wish: Mapping[str, object], connection: socket.socket, pipe: tuple[int, int]) -> int:
    from restock.cli import main
    from restock.failpoints import arm
    from restock.local.lifeline import tie_this_process

    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        tie_this_process(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.close()
        for end in pipe:
            os.close(end)
        log = os.open(str(wish["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(wish["environment"])  # type: ignore[call-overload]
        random.seed()
        arm(os.environ)
        faulthandler.register(signal.SIGUSR1)
        code = main(wish["words"])  # type: ignore[arg-type]
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _load() -> None:
    """Import all that any of the processes uses, and whatever is imported only when something is first made."""
    import granian  # noqa: F401

    import restock.commands.parts
    import restock.worker.main
    import restock.worker.sweeper  # noqa: F401
    from restock.config import Settings
    from restock.web.app import create_app

    known: dict[str, object] = {
        "database_url": "postgresql://nobody@127.0.0.1:1/none",
        "redis_url": "redis://127.0.0.1:1/0",
        "secret_key": "a-key-for-tests-only-000001",
        "smtp_url": "smtp://127.0.0.1:1",
        "twilio_account_sid": "AC" + "7" * 32,
        "twilio_auth_token": "a-twilio-token-for-tests",
        "twilio_from": "+447700900000",
        "vapid_private_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        "vapid_subject": "mailto:ada@example.com",
    }
    create_app(Settings(_env_file=None, **known))  # type: ignore[call-arg, arg-type]


if __name__ == "__main__":
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
