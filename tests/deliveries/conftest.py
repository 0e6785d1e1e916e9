"""The small store, empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.restocks.store import Store


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    yield store
    store.close()
