"""Folders that every user of the machine can reach (pytest's own are private), and a look at running processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder, with a space in its name, that others may pass through."""
    root = Path(tempfile.mkdtemp(prefix="restock tests "))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)
