"""The first run: it installs into `.venv`, heals, and says in one sentence what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from restock.local import firstrun
from restock.local.firstrun import FirstRunError, Setup

ROOT = Path(__file__).resolve().parents[2]
BASE_PYTHON = os.path.realpath(sys.executable)
APP = "import sys; from importlib.metadata import version; print(sys.prefix, sys.argv[1:], version('pip'))"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a path with spaces whose only requirement every virtual environment already has: pip."""
    home = tmp_path / "my check out"
    home.mkdir()
    pip = subprocess.run(
        [BASE_PYTHON, "-c", "import ensurepip; print(ensurepip.version())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for lock in (firstrun.RUNTIME_LOCK, firstrun.TEST_LOCK):
        (home / lock).write_text(f"pip=={pip} \\\n    --hash=sha256:{'0' * 64}\n")
    (home / "app.py").write_text(APP)
    return home


def run(home: Path, *words: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the first run with the machine's own Python, without uv and without a network."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {before}\n"
        "from pathlib import Path; from restock.local.firstrun import main\n"
        f"sys.exit(main({list(words)!r}, Path({str(home)!r})))"
    )
    clean = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [BASE_PYTHON, "-c", code], env=clean | environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_it_installs_once_follows_the_lock_and_heals_what_failed(checkout: Path) -> None:
    """The life of one environment, start after start."""
    first, second = run(checkout, "shop", "list"), run(checkout, "shop", "list")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith(f"{checkout / '.venv'} ['shop', 'list']")
    assert "Making a virtual environment" in first.stderr
    assert second.stdout == first.stdout
    assert second.stderr == "", "the second start installs nothing and says nothing"
    assert os.access(checkout / ".venv" / "bin" / "restock", os.X_OK)

    lock = checkout / firstrun.RUNTIME_LOCK
    good = lock.read_text()
    lock.write_text(f"{good}# changed\n")
    changed = run(checkout)
    assert "Ready after" in changed.stderr
    assert "Making" not in changed.stderr, "a changed lock is installed on top"

    lock.write_text(f"absent-package==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    failed = run(checkout)
    assert failed.returncode == 1
    assert re.search(r"^The packages could not be installed: .*absent-package.*Check the network", failed.stderr, re.M)
    assert "Traceback" not in failed.stderr

    lock.write_text(good)
    (checkout / ".venv" / "half").touch()
    healed = run(checkout)
    assert healed.returncode == 0, healed.stderr
    assert not (checkout / ".venv" / "half").exists(), "what was interrupted is made anew"
    assert set(json.loads((checkout / ".venv" / ".restock-installed").read_text())) == {firstrun.RUNTIME_LOCK}


def test_a_moved_checkout_is_installed_again(checkout: Path) -> None:
    setup = Setup(checkout)
    setup.python.parent.mkdir(parents=True)
    setup.python.touch()
    (setup.venv / ".restock-installed").write_text(
        json.dumps({firstrun.RUNTIME_LOCK: setup._fingerprint(firstrun.RUNTIME_LOCK)})
    )
    assert setup.is_ready(firstrun.RUNTIME_LOCK)
    moved = checkout.with_name("moved")
    shutil.move(checkout, moved)
    assert not Setup(moved).is_ready(firstrun.RUNTIME_LOCK)


def test_without_ensurepip_it_names_the_one_line_to_run(checkout: Path) -> None:
    bare = run(checkout, before="sys.modules['ensurepip'] = None")
    assert bare.returncode == 1
    assert "Traceback" not in bare.stderr
    assert not (checkout / ".venv").exists()
    if Path("/etc/debian_version").exists():
        assert "apt-get install -y python3-venv" in bare.stderr


def test_an_old_python_is_told_so(checkout: Path) -> None:
    old = run(checkout, before="sys.version_info = (3, 9, 2)")
    assert old.returncode == 1
    assert old.stderr == "Restock needs Python 3.11 or newer and this is 3.9.2: run it with a newer one.\n"


def test_no_bootstrap_runs_in_the_python_at_hand_and_names_what_it_lacks(checkout: Path) -> None:
    bare = run(checkout, "shop", "list", before="sys.modules['restock.cli'] = None", RESTOCK_NO_BOOTSTRAP="1")
    assert bare.returncode == 1
    assert "pip install --require-hashes -r requirements.lock" in bare.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written_to_is_named(checkout: Path) -> None:
    checkout.chmod(0o500)
    with pytest.raises(FirstRunError, match="cannot be written to"):
        Setup(checkout).prepare(firstrun.RUNTIME_LOCK)
    checkout.chmod(0o700)


def test_it_is_readable_by_pythons_too_old_to_run_us_and_needs_the_standard_library_alone() -> None:
    """What runs before the check of Python's version may not stumble over newer words."""
    import ast

    for path in ("app.py", "restock/__init__.py", "restock/local/__init__.py", "restock/local/firstrun.py"):
        tree = ast.parse((ROOT / path).read_text(), feature_version=(3, 8))
        imported = {
            node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert imported <= set(sys.stdlib_module_names) | {"restock"}
