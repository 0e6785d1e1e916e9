"""Reading everything held on a person: the columns the registry calls exported, table by table."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.privacy.rules.registry import REGISTRY
from restock.privacy.values import Belongings

Rows = list[dict[str, object]]

# What to call each table in the file a merchant hands on, and which of its rows are the person's.
SECTIONS: Sequence[tuple[str, str, str]] = (
    ("contacts", "contacts", "id = ANY(:contacts)"),
    ("customers", "customers", "id = ANY(:handles)"),
    ("subscriptions", "subscriptions", "id = ANY(:subscriptions)"),
    (
        "intents",
        "intents",
        """id = ANY(ARRAY(
            SELECT id FROM intents WHERE subscription_id = ANY(:subscriptions)
            UNION ALL SELECT id FROM intents WHERE customer_id = ANY(:handles) AND closed_at IS NULL
            UNION ALL SELECT id FROM intents WHERE customer_id = ANY(:handles) AND closed_at IS NOT NULL
        ))""",
    ),
    (
        "consents",
        "consents",
        "contact_id = ANY(:contacts) OR (contact_id = ANY(:shared_contacts) AND customer_id = ANY(:handles))",
    ),
    ("offers", "offers", "subscription_id = ANY(:subscriptions)"),
    ("history", "subscription_events", "subscription_id = ANY(:subscriptions)"),
    (
        "messages",
        "deliveries",
        """id = ANY(ARRAY(
            SELECT d.id FROM offers o JOIN deliveries d ON d.offer_id = o.id
            WHERE o.subscription_id = ANY(:subscriptions)
            UNION ALL SELECT id FROM deliveries WHERE contact_id = ANY(:contacts) AND offer_id IS NULL
        ))""",
    ),
    ("suppressions", "suppressions", "shop_id = :shop_id AND address_hash = ANY(:hashes)"),
    (
        "purchases",
        "purchases",
        "shop_id = :shop_id AND (subscription_id = ANY(:subscriptions) OR order_id = ANY(:orders))",
    ),
    ("marketing_writes", "marketing_writes", "contact_id = ANY(:contacts)"),
)


def read_everything(session: Session, shop_id: int, found: Belongings) -> dict[str, Rows]:
    """Read every exported column of every row of a person, as JSON can hold it, under the names of the file."""
    values = {
        "shop_id": shop_id,
        "contacts": list(found.person.contacts),
        "shared_contacts": list(found.person.shared_contacts),
        "handles": list(found.person.handles),
        "subscriptions": list(found.subscription_ids),
        "hashes": list(found.hashes),
        "orders": list(found.order_ids),
    }
    return {name: _read(session, table, where, values) for name, table, where in SECTIONS}


def _read(session: Session, table: str, where: str, values: Mapping[str, object]) -> Rows:
    columns = ", ".join(REGISTRY[table].exported)
    query = text(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY 1")  # noqa: S608 (names of our own)
    named = {key: value for key, value in values.items() if f":{key}" in where}
    return [{key: _plain(value) for key, value in row.items()} for row in session.execute(query, named).mappings()]


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case bytes() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case dict() | list():
            return json.loads(json.dumps(value, default=str))
        case _:
            return value
