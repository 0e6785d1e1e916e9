"""A test of a notification finds a browser by an address that its owner has signed up with in that same browser."""

from __future__ import annotations

from restock.channels.values import ChannelName
from tests.web.storefront.test_storefront_intents import ENDPOINT, PUSH_KEYS
from tests.web.test_people_turns import SHOP, VARIANT, Turns, turns  # noqa: F401 (a fixture)


def post(turns: Turns, channel: str, handle: str | None = None, **customer: object) -> str:  # noqa: F811
    """Sign up as the storefront does, which remembers its handle; return that."""
    body = {
        "intent": {"shopify_variant_id": VARIANT, "shopify_product_id": 2, "channel": channel},
        "customer": {"id": handle, **customer},
    }
    answer = turns.client.post("/api/v1/intents.json", json=body, headers={"X-Shopify-Shop-Domain": SHOP})
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json["customer"]["id"])  # type: ignore[index]


def browser(turns: Turns, name: str, handle: str | None) -> int:  # noqa: F811
    """Allow notifications in a browser; return its contact."""
    post(turns, "push", handle, push={"endpoint": f"{ENDPOINT}-{name}", "keys": PUSH_KEYS})
    return int(turns.rows(f"SELECT id FROM contacts WHERE address = '{ENDPOINT}-{name}'")[0][0])


def found(turns: Turns, address: str) -> int | None:  # noqa: F811
    return turns.services.previews.contact_of(turns.shop, ChannelName.push, address)


def test_the_browser_that_asked_last_beside_an_address_is_found_and_no_strangers(turns: Turns) -> None:  # noqa: F811
    ada = post(turns, "email", email="ada@example.com")
    browser(turns, "stranger", None)
    assert found(turns, "ada@example.com") is None, "she has no browser yet"
    first = browser(turns, "first", ada)
    assert found(turns, "ada@example.com") == first
    turns.rows("UPDATE intents SET created_at = created_at - interval '1 hour', closed_at = now() RETURNING 1")
    turns.rows("UPDATE subscriptions SET state = 'cancelled' RETURNING 1")
    assert found(turns, " Ada@Example.com ") == first, "what she waited for may be over"
    second = browser(turns, "second", ada)
    assert found(turns, "ada@example.com") == second
    turns.rows(f"UPDATE contacts SET suppression = 'gone' WHERE id = {second} RETURNING 1")
    assert found(turns, "ada@example.com") == first, "one that is gone is passed over"
    for nobody in ("bo@example.com", f"{ENDPOINT}-first", "", "ada"):
        assert found(turns, nobody) is None


def test_another_shops_browser_is_never_found(turns: Turns) -> None:  # noqa: F811
    browser(turns, "own", post(turns, "email", email="ada@example.com"))
    other = turns.services.shops.add("other.myshopify.com")
    assert turns.services.previews.contact_of(other, ChannelName.push, "ada@example.com") is None


def test_a_test_is_queued_for_that_browser_alone(turns: Turns) -> None:  # noqa: F811
    own = browser(turns, "own", post(turns, "email", email="ada@example.com"))
    contact_id = found(turns, "ada@example.com")
    assert contact_id is not None
    assert turns.services.deliveries.queue_test(turns.shop.id, contact_id, ChannelName.push)
    assert turns.rows("SELECT channel, contact_id FROM deliveries WHERE kind = 'test'") == [("push", own)]
