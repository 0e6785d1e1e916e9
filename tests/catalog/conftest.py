"""Two shops on a real, empty database."""

from __future__ import annotations

import pytest
from flask import Flask

from restock.database import Database, init_database
from restock.links import Vault
from restock.shops.service import ShopService
from restock.shops.values import Shop


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


@pytest.fixture
def shop(shops: ShopService) -> Shop:
    return shops.add("demo")


@pytest.fixture
def other_shop(shops: ShopService) -> Shop:
    return shops.add("other")
