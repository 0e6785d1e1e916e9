"""A shop service on a real, empty database."""

from __future__ import annotations

import pytest
from flask import Flask

from restock.database import Database, init_database
from restock.links import Vault
from restock.shops.service import ShopService


@pytest.fixture
def database(clean_database: str):
    app = Flask("restock")
    init_database(app, clean_database)
    database = Database(app, clean_database)
    yield database
    database.dispose()


@pytest.fixture
def shops(database: Database) -> ShopService:
    return ShopService(database, Vault(["a-key-for-tests-only-000001"]))
