"""An address cannot be probed: new, waiting, unsubscribed or dead, the answer and the work behind it are the same."""

from __future__ import annotations

import psycopg
import pytest

from restock.subscriptions.values import SuppressionReason
from tests.web.storefront.conftest import Storefront, post_body


def _prepare(storefront: Storefront, standing: str) -> None:
    if standing == "new":
        return
    storefront.post(post_body())
    ((contact_id, shop_id),) = storefront.rows("SELECT id, shop_id FROM contacts")
    if standing == "unsubscribed":
        storefront.services.subscriptions.unsubscribe(contact_id)
    elif standing != "waiting":
        with storefront.services.database.transaction() as session:
            storefront.services.subscriptions.suppress(session, shop_id, contact_id, SuppressionReason(standing))


STANDINGS = ["new", "waiting", "unsubscribed", "stopped", "bounced", "complained", "gone"]


FIELDS = ["id", "status", "channel", "quantity", "source", "shopify_variant_id", "shopify_product_id"]
FIELDS += ["shopify_market_id", "optin_confirmed", "created_at", "updated_at", "customer_id"]


@pytest.mark.parametrize("standing", STANDINGS)
def test_the_answer_is_the_same_for_every_standing(storefront: Storefront, standing: str) -> None:
    _prepare(storefront, standing)
    answer = storefront.post(post_body(intent__quantity=7))
    assert answer.status_code == 201
    assert list(answer.json) == ["intent", "customer"]
    assert list(answer.json["intent"]) == FIELDS
    intent = answer.json["intent"]
    assert (intent["status"], intent["optin_confirmed"], intent["quantity"]) == ("active", False, 7)
    assert intent["created_at"] == intent["updated_at"]
    assert {name for name, _ in answer.headers} >= {"X-RateLimit-Remaining", "Access-Control-Allow-Origin"}


def test_every_standing_costs_one_statement(storefront: Storefront) -> None:
    """Counted by the server itself."""
    counts = set()
    for standing in STANDINGS:
        storefront.rows("DELETE FROM suppressions")
        storefront.rows("DELETE FROM contacts")
        _prepare(storefront, standing)
        before = _statements(storefront)
        storefront.post(post_body())
        counts.add(_statements(storefront) - before)
    assert counts == {1}


def _statements(storefront: Storefront) -> int:
    """Count the executions of the posts' statement on this thread's connection."""
    connection: psycopg.Connection[tuple[int]] = storefront.services.database.hot()
    return connection.execute(
        "SELECT coalesce(sum(generic_plans + custom_plans), 0)::int FROM pg_prepared_statements "
        "WHERE statement LIKE 'WITH customer%%'"
    ).fetchone()[0]


def test_a_strangers_answer_never_carries_anothers_id(storefront: Storefront) -> None:
    ids = {storefront.post(post_body()).json["customer"]["id"] for _ in range(5)}
    assert len(ids) == 5


def test_no_answer_and_no_fault_repeats_the_address(storefront: Storefront) -> None:
    for body in (post_body(), post_body(intent__quantity=0), post_body(customer__email="canary@exa mple.com")):
        answer = storefront.post(body)
        assert b"ada@" not in answer.data
        assert b"canary" not in answer.data
