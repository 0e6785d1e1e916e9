"""The first run: makes `.venv`, installs the hash-pinned requirements, and goes on inside it.

Standard library only, and readable by a Python 3.8: nothing else is there yet. It must never install outside
`.venv`, and never need a tool that Python does not bring.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

OLDEST_PYTHON = (3, 11)
RUNTIME_LOCK = "requirements.lock"
TEST_LOCK = "requirements-dev.lock"  # holds everything of the runtime lock too
_AGAIN = "RESTOCK_FIRST_RUN_DONE"
_COMMAND = """#!/bin/sh
# The `restock` command of this checkout; it finds the checkout by its own place.
home=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}" exec "$home/.venv/bin/python" -m restock.cli "$@"
"""


class FirstRunError(Exception):
    """The set-up cannot go on; the message is a sentence that says what to do."""


class Setup:
    """The virtual environment of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.log = self.venv / "install.log"
        self._stamp = self.venv / ".restock-installed"
        self._unfinished = self.venv / ".restock-installing"

    def is_ready(self, lock: str) -> bool:
        """Say whether exactly this lock is installed, for this Python, at this place."""
        try:
            stamp = json.loads(self._stamp.read_text())
        except (OSError, ValueError):
            return False
        return self.python.exists() and bool(stamp.get(lock) == self._fingerprint(lock))

    def prepare(self, lock: str) -> None:
        """Make the environment and install the lock, unless that is done; heals an interrupted attempt."""
        if self.is_ready(lock):
            return
        if not os.access(self.venv if self.venv.exists() else self.root, os.W_OK):
            raise FirstRunError(f"{self.root} cannot be written to: make it yours, or copy it to a folder that is.")
        with _one_at_a_time(self.root):
            if not self.is_ready(lock):
                started = time.monotonic()
                self._make_venv()
                self._install(lock)
                _say(f"Ready after {time.monotonic() - started:.0f} s.")

    def _make_venv(self) -> None:
        if self._unfinished.exists() or not self._works():
            _say(f"Making a virtual environment in {self.venv}")
            shutil.rmtree(self.venv, ignore_errors=True)
            if not self._made_by_uv():
                self._made_by_python()

    def _works(self) -> bool:
        """Say whether the environment's own Python runs, is of this version, and can be installed into."""
        probe = "import sys; print(sys.version_info[:2] == {}); import {}".format(
            tuple(sys.version_info[:2]), "site" if shutil.which("uv") else "pip"
        )
        with contextlib.suppress(OSError):
            asked = subprocess.run([str(self.python), "-c", probe], capture_output=True, text=True, check=False)
            return asked.returncode == 0 and asked.stdout.strip() == "True"
        return False

    def _made_by_uv(self) -> bool:
        uv = shutil.which("uv")
        command = [uv or "", "venv", "--quiet", "--seed", "--python", sys.executable, str(self.venv)]
        return uv is not None and subprocess.run(command, check=False).returncode == 0

    def _made_by_python(self) -> None:
        if importlib.util.find_spec("ensurepip") is None:
            raise FirstRunError(_without_venv())
        command = [sys.executable, "-m", "venv", str(self.venv)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            said = (made.stdout + made.stderr).strip()
            if "ensurepip" in said:
                raise FirstRunError(_without_venv())
            raise FirstRunError(f"The virtual environment could not be made: {said.splitlines()[-1] if said else '?'}")

    def _install(self, lock: str) -> None:
        self._unfinished.touch()
        self._stamp.unlink(missing_ok=True)
        if not self._installed_by_uv(lock):
            self._installed_by_pip(lock)
        command = self.venv / "bin" / "restock"
        command.write_text(_COMMAND)
        command.chmod(0o755)
        locks = {RUNTIME_LOCK, lock}
        self._stamp.write_text(json.dumps({name: self._fingerprint(name) for name in sorted(locks)}))
        self._unfinished.unlink()

    def _installed_by_uv(self, lock: str) -> bool:
        uv = shutil.which("uv")
        if uv is None:
            return False
        _say(f"Installing {_count(self.root / lock)} packages with uv")
        command = [uv, "pip", "install", "--require-hashes", "--python", str(self.python), "-r", str(self.root / lock)]
        if subprocess.run(command, check=False).returncode == 0:
            return True
        _say("uv could not; trying pip")
        return False

    def _installed_by_pip(self, lock: str) -> None:
        command = [str(self.python), "-m", "pip", "install", "--require-hashes", "--use-pep517", "--no-input"]
        command += ["--disable-pip-version-check", "--no-color", "--progress-bar", "off", "-r", str(self.root / lock)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PIP_USER": "0"}
        with self.log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            self._show_progress(process, _count(self.root / lock))
        finally:
            if process.poll() is None:
                process.terminate()
        if process.wait() != 0:
            raise FirstRunError(
                f"The packages could not be installed: {_reason(self.log.read_text(errors='replace'))} "
                f"(all of it: {self.log}). Check the network and the disk, then run the same command again."
            )

    def _show_progress(self, process: subprocess.Popen[bytes], total: int) -> None:
        """Count what pip collects and then what it unpacks, until it ends."""
        line = Counter()
        already = len(self._unpacked())
        while process.poll() is None:
            said = self.log.read_text(errors="replace")
            collected = re.findall(r"^Collecting ([\w.-]+)", said, re.MULTILINE)
            if "\nInstalling collected packages" in said:
                line.show("Installing", len(self._unpacked()) - already, total, "")
            elif collected:
                line.show("Downloading", len(collected), total, collected[-1])
            time.sleep(0.2)
        line.close()

    def _unpacked(self) -> list[Path]:
        return list(self.venv.glob("lib/python*/site-packages/*.dist-info"))

    def _fingerprint(self, lock: str) -> str:
        place = f"{sys.version_info[:2]} {self.venv}"  # an environment neither moves nor changes its Python
        return hashlib.sha256((self.root / lock).read_bytes() + place.encode()).hexdigest()


class Counter:
    """One line that counts: rewritten in place on a terminal, a line for every ten packages elsewhere."""

    def __init__(self) -> None:
        self._shown = ""
        self._terminal = sys.stderr.isatty()

    def show(self, verb: str, done: int, total: int, name: str) -> None:
        text = f"{verb} {min(max(done, 0), total)} of {total}{': ' if name else ''}{name}"
        if self._terminal and text != self._shown:
            print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)
            self._shown = text
        elif not self._terminal and f"{verb}{done // 10}" != self._shown:
            print(f"  {text}", file=sys.stderr, flush=True)
            self._shown = f"{verb}{done // 10}"

    def close(self) -> None:
        if self._terminal and self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Prepare what is missing, then run the command (`run` by default; `test` is the test suite)."""
    chosen = list(sys.argv[1:] if words is None else words)
    home = (root or Path(__file__).parent.parent.parent).resolve()
    try:
        _check_system()
        if not _complete_here(home, TEST_LOCK if chosen[:1] == ["test"] else RUNTIME_LOCK):
            setup = Setup(home)
            setup.prepare(TEST_LOCK if chosen[:1] == ["test"] else RUNTIME_LOCK)
            os.environ[_AGAIN] = "1"
            _become([str(setup.python), str(home / "app.py"), *chosen])
        return _hand_over(chosen, home)
    except FirstRunError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("\nStopped; the next start goes on from here.")
        return 130


def _hand_over(words: list[str], home: Path) -> int:
    if words[:1] == ["test"]:
        os.chdir(home)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile the same files anew
        _become([sys.executable, "-m", "pytest", *(words[1:] or _whole_suite())])
    try:
        from restock.cli import main as run_command  # everything it needs is installed by now
    except ModuleNotFoundError as error:
        raise FirstRunError(
            f"{error.name} is not installed: run `pip install --require-hashes -r {RUNTIME_LOCK}`, "
            "or unset RESTOCK_NO_BOOTSTRAP and let the first run do it."
        ) from None
    return run_command(words or ["run"])


def _whole_suite() -> list[str]:
    """More processes than cores, for many tests wait; the long files are first, so no process ends with one."""
    return ["-n", str((os.cpu_count() or 1) + 2), "--dist", "loadfile", "--no-loadscope-reorder"]


def _become(command: list[str]) -> NoReturn:
    """Replace this process, so that signals and the exit code stay with the one the user started."""
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - an argument list; no shell is wanted


def _check_system() -> None:
    if os.name != "posix":
        raise FirstRunError("Restock runs on Linux and macOS: on Windows, start it inside WSL.")
    if sys.version_info < OLDEST_PYTHON:
        needed, found = (".".join(map(str, version)) for version in (OLDEST_PYTHON, sys.version_info[:3]))
        raise FirstRunError(f"Restock needs Python {needed} or newer and this is {found}: run it with a newer one.")


def _complete_here(home: Path, lock: str) -> bool:
    """Say whether this very Python can run the command: told so, already inside, or a complete environment."""
    if os.environ.pop(_AGAIN, "") or os.environ.get("RESTOCK_NO_BOOTSTRAP") == "1":
        return True
    if Path(sys.prefix).resolve() == home / ".venv":
        return Setup(home).is_ready(lock)
    return sys.prefix != sys.base_prefix and _has_all(home / lock)


def _has_all(lock: Path) -> bool:
    """Look up every pin that holds on all systems."""
    pins = re.findall(r"^([\w.-]+)==(\S+) \\$", lock.read_text(), re.MULTILINE)
    try:
        return all(metadata.version(name) == version for name, version in pins)
    except metadata.PackageNotFoundError:
        return False


def _count(lock: Path) -> int:
    return len(re.findall(r"^[\w.-]+==", lock.read_text(), re.MULTILINE))


def _reason(log: str) -> str:
    """Find the line of pip's log that tells most."""
    for pattern in (r"^ERROR: (.*No space left.*)$", r".*(Temporary failure in name resolution|Name or service).*"):
        if found := re.search(pattern, log, re.MULTILINE):
            return found.group(1)
    errors = re.findall(r"^ERROR: (.+)$", log, re.MULTILINE)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return str((errors or lines or ["pip said nothing"])[0 if errors else -1])


def _without_venv() -> str:
    if Path("/etc/debian_version").exists():
        return "This Python cannot make virtual environments; install what is missing: apt-get install -y python3-venv"
    return "This Python lacks the module ensurepip, which virtual environments need: install a complete Python."


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep two first starts apart; the lock is on the folder itself and leaves nothing behind."""
    import fcntl  # not on every system, and by now we know that it is on this one

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
