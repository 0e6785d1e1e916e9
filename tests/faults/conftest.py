"""An engine of real processes for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.instance import Instance


@pytest.fixture
def instance(clean_database: str, tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(clean_database, tmp_path)
    yield instance
    instance.close()
