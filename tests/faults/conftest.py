"""An engine of real processes for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.instance import Instance
from tests.faults.town import Town


@pytest.fixture
def instance(clean_database: str, tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path, clean_database)
    yield instance
    instance.close()


@pytest.fixture
def town(instance: Instance) -> Iterator[Town]:
    town = Town(instance)
    yield town
    town.close()
