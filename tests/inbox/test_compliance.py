"""Compliance webhooks: believed only where the body agrees with the headers, which nobody signed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.inbox.rules.compliance import read_request
from restock.inbox.rules.fields import UnreadableBodyError
from restock.inbox.service import InboxService
from restock.privacy.values import Identity, NewRequest, RequestKind
from restock.shops.values import Shop
from tests.inbox.conftest import Send, sample

SHOP = "demo.myshopify.com"
WHO = {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"}


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (
            "customers/data_request",
            NewRequest(
                SHOP,
                RequestKind.data_request,
                Identity(191167, "john@example.com", "555-625-1199", (299938, 280263, 220458)),
                9999,
            ),
        ),
        (
            "customers/redact",
            NewRequest(
                SHOP,
                RequestKind.customer_redact,
                Identity(191167, "john@example.com", "555-625-1199", (299938, 280263, 220458)),
            ),
        ),
        ("shop/redact", NewRequest(SHOP, RequestKind.shop_redact)),
    ],
)
def test_shopifys_own_samples_are_read(topic: str, expected: NewRequest) -> None:
    assert read_request(topic, SHOP, sample(topic)) == expected


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("shop/redact", {"shop_domain": "other.myshopify.com"}, "other_shop"),
        ("shop/redact", {"customer": WHO, "orders_to_redact": []}, "other_topic"),
        ("customers/redact", {"customer": WHO, "data_request": {"id": 1}}, "other_topic"),
        ("customers/data_request", {"customer": WHO, "orders_to_redact": []}, "other_topic"),
        ("customers/redact", {"shop_id": 1}, "nobody_named"),
        ("customers/redact", {"customer": {"id": None, "email": None, "phone": ""}}, "nobody_named"),
        ("customers/redact", {"customer": "ada"}, "bad_customer"),
        ("customers/redact", {"customer": {"id": "x"}}, "bad_id"),
        ("customers/redact", {"customer": WHO, "orders_to_redact": {"1": 2}}, "bad_orders"),
    ],
)
def test_a_body_that_disagrees_is_refused(topic: str, body: Mapping[str, object], reason: str) -> None:
    with pytest.raises(UnreadableBodyError) as refused:
        read_request(topic, SHOP, body)
    assert refused.value.reason == reason


@pytest.mark.parametrize("topic", ["orders/create", "customers/update", "shop/update", "unheard/of"])
def test_a_body_that_may_tell_of_a_person_goes_with_its_effect(
    inbox: InboxService, send: Send, shop: Shop, database: Database, topic: str
) -> None:
    send(topic, {"id": 5, "email": "ada@example.com", "currency": "EUR", "line_items": []})
    inbox.apply_due()
    with database.transaction() as session:
        assert session.execute(text("SELECT body, state <> 'received' FROM inbox_messages")).one() == (b"", True)


def test_news_of_goods_keep_their_bodies(inbox: InboxService, send: Send, shop: Shop, database: Database) -> None:
    send("products/create", sample("products/create"))
    inbox.apply_due()
    with database.transaction() as session:
        assert len(session.execute(text("SELECT body FROM inbox_messages")).scalar_one()) > 100
