"""Folders that every user of the machine can reach (pytest's own are private), and a look at running processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from restock.config import Settings
from restock.local.postgres import start_postgres
from restock.local.sockets import leave_socket_folder, socket_folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder, with a space in its name, that others may pass through."""
    root = Path(tempfile.mkdtemp(prefix="restock tests "))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)
    for home in (root / "valkey", root / "data" / "valkey"):  # whoever was killed could not leave in good order
        leave_socket_folder(socket_folder(home, "valkey.sock", plain=True))


@pytest.fixture(scope="session")
def _new_cluster() -> Iterator[Path]:
    """A data folder of PostgreSQL as a first start leaves it."""
    root = Path(tempfile.mkdtemp(prefix="restock-tests-"))
    start_postgres(root / "postgres", durable=False).stop()
    yield root / "postgres"
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def data_folder(open_folder: Path, _new_cluster: Path) -> Path:
    """A data directory whose PostgreSQL has been made already, to save every test that second."""
    data = open_folder / "data"
    data.mkdir(mode=0o700)
    subprocess.run(["cp", "-a", _new_cluster, data / "postgres"], check=True)
    return data


@pytest.fixture
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An environment without settings, in a folder without `.env`; what a command adds to it goes again."""
    before = dict(os.environ)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)
