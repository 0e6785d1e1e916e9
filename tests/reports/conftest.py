"""A small store on a real database, and a terminal beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.restocks.store import KEY, Store


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    """The shop `demo`, whose channel remembers what it was handed."""
    store = Store(clean_database)
    yield store
    store.close()


@pytest.fixture
def terminal(store: Store, clean_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """A terminal in which the store's servers are set."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": clean_database,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": KEY,
        "SMTP_URL": "smtp://127.0.0.1:1",
        "RESTOCK_DATA_DIR": str(tmp_path / "data"),
    }.items():
        monkeypatch.setenv(name, value)
    return store
