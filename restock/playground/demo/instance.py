"""A throw-away instance: its own ports, its own data directory, no trace afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import urllib3

from restock.config import Settings

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
_SHOWN_LINES = 15
_PACKAGE_HOME = Path(__file__).resolve().parents[3]


class InstanceError(Exception):
    """The instance did not start or did not stay; the message shows its last words."""


class Instance:
    """Start on entering, stop and remove on leaving, whatever happens in between."""

    def __init__(self) -> None:
        self._port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="restock-demo-"))
        self._folder.chmod(0o711)  # started by root, PostgreSQL runs as somebody else, who must get through
        self._log = self._folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Instance:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "restock.cli", "run"],
                cwd=self._folder,  # no .env of anybody's there
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop it in good order
            )
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            self._remove()

    def wait_until_ready(self) -> float:
        """Wait for `/readyz`; return the seconds it took. Raises InstanceError with the instance's last words."""
        started = time.monotonic()
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None:
                raise InstanceError(f"the instance ended while it started.\n{self._last_words()}")
            if time.monotonic() - started > READY_SECONDS:
                raise InstanceError(f"the instance was not ready after {READY_SECONDS:.0f} s.\n{self._last_words()}")
            time.sleep(0.1)
        return time.monotonic() - started

    def _is_ready(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.url}/readyz", timeout=2.0, retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _environment(self) -> dict[str, str]:
        """Take over the machine's environment, but none of Restock's settings: the demo touches nobody's data."""
        ours = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        path = os.pathsep.join(filter(None, (str(_PACKAGE_HOME), environment.get("PYTHONPATH"))))
        return environment | {
            "PYTHONPATH": path,
            "RESTOCK_ENV": "development",
            "RESTOCK_DATA_DIR": str(self._folder / "data"),
            "PORT": str(self._port),
            "SETTLE_SECONDS": "0",
        }

    def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session, hence its own group
            self._process.wait()

    def _remove(self) -> None:
        """Remove the folder, and what had to live elsewhere: a link in the data directory says where."""
        for link in (self._folder / "data").glob("*"):
            if link.is_symlink():
                shutil.rmtree(link.resolve(), ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(f"  {line}" for line in lines[-_SHOWN_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
