"""An inbox and a shop on a real, empty database, and a sender of webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from restock.database import Database
from restock.inbox.service import InboxService
from restock.inbox.service.shop_news import shop_effects
from restock.inbox.values import InboxMessage, Received
from restock.shops.service import ShopService

SAMPLES = Path(__file__).parent.parent / "contracts" / "webhooks"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)

Send = Callable[..., Received]


@pytest.fixture
def inbox(database: Database, shops: ShopService) -> InboxService:
    return InboxService(database, 0, shop_effects(shops))


@pytest.fixture
def send(inbox: InboxService) -> Send:
    """Store one webhook; each call is a new delivery unless it names a `webhook_id`."""
    numbers = count(1)

    def send(topic: str, body: object, at: datetime | None = NOON, **more: str) -> Received:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {"shop_domain": "demo.myshopify.com", "webhook_id": f"w{next(numbers)}"} | more
        return inbox.receive(InboxMessage(topic=topic, body=raw, triggered_at=at, **known))

    return send


def sample(topic: str) -> dict[str, object]:
    return json.loads((SAMPLES / f"{topic.replace('/', '.')}.json").read_text())
