"""A process whose settings a child has read knows what one knows that has read them itself, and tells its faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from restock.config import load_settings
from restock.light_settings import LightSettings, Secret, values_of

ROOT = Path(__file__).parent.parent
EVERYTHING = {
    "RESTOCK_ENV": "production",
    "DATABASE_URL": "postgresql://nobody:canary@127.0.0.1:1/none",
    "REDIS_URL": "redis://:canary@127.0.0.1:1",
    "SECRET_KEY": "canary-a-signing-secret-00001, canary-a-signing-secret-00002",
    "APP_URL": "https://restock.example.com/",
    "SMTP_URL": "smtp://ada:canary@127.0.0.1:1",
    "SMS_COUNTRIES": "us,ca",
    "WORKERS": "3",
}
ASK = """
import sys
from restock.light_settings import load_light_settings, values_of
from restock.errors import ConfigurationError
try:
    settings = load_light_settings()
except ConfigurationError as error:
    sys.exit(str(error))
alone = dict(vars(settings))
print("pydantic" in sys.modules, "canary" in f"{settings} {alone['secret_key']} {alone['database_url']}")
from restock.config import load_settings
print(alone == values_of(load_settings()))
"""


def ask(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let a new process read its settings."""
    words = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, "-c", ASK], env=words, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("environment", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_a_process_knows_all_its_settings_without_what_checks_them(tmp_path: Path, environment: dict[str, str]) -> None:
    assert ask(tmp_path, environment).stdout.split() == ["False", "False", "True"]


def test_a_file_of_settings_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKERS=99")
    assert ask(tmp_path, {}).stderr == "WORKERS: must be at most 64\n"


def test_every_fault_is_told_as_by_whoever_reads_them_itself(tmp_path: Path) -> None:
    found = ask(tmp_path, {"RESTOCK_ENV": "production", "DATABASE_URL": "mysql://canary@h/d", "WORKERS": "1.5"})
    assert found.returncode == 1
    assert [line.partition(":")[0] for line in found.stderr.splitlines()] == ["DATABASE_URL", "WORKERS"]
    assert "canary" not in found.stderr


def test_light_settings_are_never_changed_and_print_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary-a-signing-secret-00001")
    values = values_of(load_settings())
    settings = LightSettings(values)
    assert values["secret_key"] == (Secret("canary-a-signing-secret-00001"),)
    assert "canary" not in f"{settings!r} {values['secret_key']}"
    with pytest.raises(AttributeError, match="never changed: workers"):
        settings.workers = 1


@pytest.mark.parametrize(
    "first",
    [
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import os; os.fork = lambda: (_ for _ in ()).throw(BlockingIOError(11, 'no more processes'))",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import os; whole = os.fork; os.fork = lambda: (child := whole()) or os._exit(9)",
        "import pickle; whole = pickle.dumps; pickle.dumps = lambda value: whole(value)[:-20]",
    ],
    ids=["children are nobody's", "no child can be made", "there is a thread", "the child is killed", "it is cut off"],
)
def test_settings_are_read_where_a_child_cannot_be_waited_for_or_made(tmp_path: Path, first: str) -> None:
    """Supervisors may leave SIGCHLD ignored, and containers limit processes: neither is a fault of the settings."""
    words = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "WORKERS": "3"}
    ask_once = "from restock.light_settings import load_light_settings; print(load_light_settings().workers)"
    found = subprocess.run(
        [sys.executable, "-c", f"{first}\n{ask_once}"],
        env=words,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout, found.stderr) == ("3\n", "")
