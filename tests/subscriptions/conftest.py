"""The subscription service on a real, empty database, with two shops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from restock.channels.values import ChannelName
from restock.database import Database
from restock.ids import address_hash
from restock.shops.service import ShopService
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import ContactFacts, Provenance, RegisteredIntent, Signup, SuppressionReason
from tests.opened import kept

VARIANT, PRODUCT = 111, 222


@pytest.fixture
def database(clean_database: str) -> Database:
    database = kept(clean_database)
    for table in ("shops", "contacts", "subscriptions"):  # so that a test can name the first row
        database.hot().execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1, false)")
    return database


@pytest.fixture
def shop(shops: ShopService) -> Shop:
    return shops.add("kettle.myshopify.com")


@pytest.fixture
def other_shop(shops: ShopService) -> Shop:
    return shops.add("teapot.myshopify.com")


@pytest.fixture
def service(database: Database) -> SubscriptionService:
    return SubscriptionService(database, settle_seconds=10)


Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def rows(database: Database) -> Rows:
    """Run one statement and return its rows, empty when it has none."""

    def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = database.hot().execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    return run


def signup(address: str = "ada@example.com", variant_id: int = VARIANT, **facts: Any) -> Signup:
    """One post by e-mail."""
    contact = ContactFacts(ChannelName.email, address, address_hash("email", address))
    known: dict[str, Any] = {"product_id": PRODUCT, "market_id": 0, "quantity": 1, "source": "api", "contact": contact}
    return Signup(variant_id=variant_id, **(known | facts))


Register = Callable[..., RegisteredIntent]


@pytest.fixture
def register(service: SubscriptionService, shop: Shop) -> Register:
    """Post to the first shop, or to `shop=`."""

    def post(address: str = "ada@example.com", variant_id: int = VARIANT, **facts: Any) -> RegisteredIntent:
        return service.register(facts.pop("shop", shop), signup(address, variant_id, **facts), Provenance())

    return post


Suppress = Callable[[SuppressionReason], None]


@pytest.fixture
def suppress(service: SubscriptionService, shop: Shop, database: Database, rows: Rows) -> Suppress:
    """Suppress the address of ada@example.com in the first shop, as deliveries do."""

    def run(reason: SuppressionReason) -> None:
        with database.transaction() as session:
            service.suppress(session, shop.id, contact_id_of(rows), reason)

    return run


def subscription_of(rows: Rows, address: str) -> tuple[Any, ...]:
    """Read (state, end_reason, quantity) of the newest subscription of an address."""
    return rows(
        "SELECT s.state, s.end_reason, s.quantity FROM subscriptions s JOIN contacts c ON c.id = s.contact_id "
        "WHERE c.address = %s ORDER BY s.id DESC LIMIT 1",
        address,
    )[0]


def contact_id_of(rows: Rows, address: str = "ada@example.com") -> int:
    return int(rows("SELECT id FROM contacts WHERE address = %s", address)[0][0])
