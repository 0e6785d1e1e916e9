"""The playground's page and what it asks for, served over real HTTP with real, signed webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import text

from restock.config import Settings
from restock.playground.outbox import OutboxWriter
from restock.playground.store import LOCATIONS, PRODUCTS, SHOP_DOMAIN, VARIANTS
from restock.web.app import create_app
from tests.playground.conftest import Store

MEDIUM = 45_120_000_102
HARBOUR = LOCATIONS[0].id
SHOPPER = {"X-Shopify-Shop-Domain": SHOP_DOMAIN}


def intent(email: str, quantity: int = 1) -> dict[str, object]:
    wanted = {"shopify_variant_id": str(MEDIUM), "shopify_product_id": str(VARIANTS[MEDIUM][0].id), "channel": "email"}
    return {"intent": {**wanted, "quantity": quantity, "source": "api"}, "customer": {"email": email}}


def inbox_count(store: Store) -> int:
    with store.services.database.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM inbox_messages")).scalar_one())


def test_production_has_no_such_route(make_settings: Callable[..., Settings], database_url: str) -> None:
    app = create_app(
        make_settings(
            restock_env="production",
            database_url=database_url,
            redis_url="redis://:password@127.0.0.1:1/0",
            secret_key="a-signing-secret-for-tests-only-0001",
        )
    )
    assert not [rule for rule in app.url_map.iter_rules() if "playground" in rule.rule]
    assert app.test_client().get("/playground").status_code == 404


def test_the_page_shows_every_product_and_runs_nothing_inline(store: Store) -> None:
    answer = store.client.get("/playground")
    assert answer.status_code == 200
    assert all(product.title in answer.text for product in PRODUCTS)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", answer.text)


def test_a_link_from_a_message_opens_its_variant(store: Store) -> None:
    page = store.client.get("/playground?variant=45120000202").text
    assert re.search(r'value="45120000202" checked', page)
    assert page.index("Cove Enamel Mug") < page.index("Lookout Beanie")  # the chosen product comes first


def test_an_unknown_variant_opens_the_page_all_the_same(store: Store) -> None:
    assert store.client.get("/playground?variant=nonsense").status_code == 200
    assert store.client.get("/playground?variant=1").status_code == 200


def test_the_first_visit_stocks_the_shelves_once(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    sent = inbox_count(store)
    assert sent == len(PRODUCTS) + len(VARIANTS) * len(LOCATIONS)
    state = store.client.get("/playground/state").get_json()
    assert {int(name) for name in state["variants"]} == set(VARIANTS)
    large = state["variants"]["45120000103"]
    assert list(large["levels"].values()) == [4, 2]
    store.client.get("/playground")
    assert inbox_count(store) == sent


def test_the_counter_sends_a_signed_webhook(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    body = {"variant_id": str(MEDIUM), "location_id": str(HARBOUR), "available": 3}
    answer = store.client.post("/playground/stock", json=body)
    assert answer.get_json()["status"] == 200
    assert answer.get_json()["topic"] == "inventory_levels/update"
    store.apply_webhooks()
    state = store.client.get("/playground/state").get_json()
    assert state["variants"][str(MEDIUM)]["levels"] == {str(HARBOUR): 3, str(LOCATIONS[1].id): 0}


def test_faults_of_the_counter_are_named_all_at_once(store: Store) -> None:
    answer = store.client.post("/playground/stock", json={"variant_id": 1, "location_id": 2, "available": 1000})
    assert answer.status_code == 400
    fields = [detail["field"] for detail in answer.get_json()["error"]["details"]]
    assert fields == ["variant_id", "location_id", "available"]
    answer = store.client.post("/playground/stock", json={"available": "-1"})
    assert [detail["code"] for detail in answer.get_json()["error"]["details"]] == ["NOT_A_NUMBER"] * 3


@pytest.mark.parametrize("path", ["stock", "shoppers", "browser", "policy", "orders", "shopify"])
def test_another_sites_form_changes_nothing(store: Store, path: str) -> None:
    answer = store.client.post(f"/playground/{path}", data="{}", content_type="text/plain")
    assert answer.status_code == 415


def test_the_form_posts_a_real_intent_and_the_queue_tells_why_each_waits(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    for email, quantity in (("ada@example.com", 2), ("bo@example.com", 1)):
        answer = store.client.post("/api/v1/intents.json", json=intent(email, quantity), headers=SHOPPER)
        assert answer.status_code == 201
    queue = store.client.get(f"/playground/state?variant={MEDIUM}").get_json()["queue"]
    assert [(place["who"], place["position"], place["quantity"]) for place in queue["waiting"]] == [
        ("a•••@example.com", 1, 2),
        ("b•••@example.com", 2, 1),
    ]
    assert queue["waiting"][1]["reason"] == "Waits: 1 ahead, wanting 2 units. Stock has not been read yet."


def test_sample_shoppers_are_taken_by_the_real_api(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    shoppers = store.client.post("/playground/shoppers", json={"count": 5}).get_json()["shoppers"]
    assert {shopper["channel"] for shopper in shoppers} == {"email", "sms"}  # no push service runs here
    for shopper in shoppers:
        wanted = {"shopify_variant_id": MEDIUM, "shopify_product_id": VARIANTS[MEDIUM][0].id, "source": "api"}
        body = {"intent": {**wanted, "channel": shopper["channel"]}, "customer": shopper["customer"]}
        answer = store.client.post("/api/v1/intents.json", json=body, headers=SHOPPER)
        assert answer.status_code == 201, answer.text
    assert store.client.post("/playground/shoppers", json={"count": 11}).status_code == 400


def test_the_policy_can_be_chosen(store: Store) -> None:
    store.client.get("/playground")
    assert store.client.get("/playground/state").get_json()["policy"] == "strict"
    assert store.client.post("/playground/policy", json={"policy": "everyone"}).status_code == 200
    assert store.client.get("/playground/state").get_json()["policy"] == "everyone"
    assert store.client.post("/playground/policy", json={"policy": "whatever"}).status_code == 400


def test_a_hostile_message_stays_a_text(store: Store) -> None:
    """An e-mail's page can run no script, and its HTML never travels inside the page's own data."""
    store.client.get("/playground")
    outbox = OutboxWriter(store.services.settings.restock_data_dir / "outbox")
    html = "<html><head></head><body><script>alert(1)</script></body></html>"
    content = {"from": "a@localhost", "subject": "<img src=x>", "text": "t", "html": html, "headers": []}
    outbox.append("email", "ada@example.com", content)
    answer = store.client.get("/playground/outbox?after=0")
    assert answer.mimetype == "application/json"
    (message,) = answer.get_json()["messages"]
    assert message["has_page"]
    assert "html" not in message
    page = store.client.get(f"/playground/outbox/{message['id']}/email")
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert "allow-scripts" not in page.headers["Content-Security-Policy"]
    assert "script-src" not in page.headers["Content-Security-Policy"]  # default-src 'none' stands
    assert '<base target="_top">' in page.text
    assert store.client.get("/playground/outbox/99/email").status_code == 404


def test_a_poll_that_brings_nothing_new_is_empty(store: Store) -> None:
    store.client.get("/playground")
    first = store.client.get("/playground/outbox?after=0")
    again = store.client.get("/playground/outbox?after=0", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_store_gets_a_token_the_way_a_merchants_shop_does(store: Store) -> None:
    store.client.get("/playground")
    assert store.shopify.desk.calls["exchange"] == 1
    store.client.get("/playground")
    assert store.shopify.desk.calls["exchange"] == 1
    shopify = store.client.get("/playground/state").get_json()["shopify"]
    assert (shopify["access"], shopify["installed"], shopify["webhooks"]) == ("granted", True, "once")


def test_a_sold_unit_is_an_order_and_a_missing_one_cannot_be_sold(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    large = {"variant_id": "45120000103", "email": "ada@example.com"}
    assert store.client.post("/playground/orders", json=large).get_json()["number"] == 1001
    state = store.client.get("/playground/state").get_json()
    assert list(state["variants"]["45120000103"]["levels"].values()) == [3, 2]
    answer = store.client.post("/playground/orders", json={"variant_id": str(MEDIUM)})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "CONFLICT")
    assert store.client.post("/playground/orders", json={"variant_id": "1"}).status_code == 400


def test_a_lost_webhook_is_said_to_be_lost_and_the_store_still_knows_its_stock(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    assert store.client.post("/playground/shopify", json={"webhooks": "never"}).get_json()["webhooks"] == "never"
    body = {"variant_id": str(MEDIUM), "location_id": str(HARBOUR), "available": 3}
    assert store.client.post("/playground/stock", json=body).get_json()["status"] is None
    state = store.client.get("/playground/state").get_json()
    assert state["variants"][str(MEDIUM)]["levels"][str(HARBOUR)] == 3
    assert not state["variants"][str(MEDIUM)]["sellable"]


def test_the_panel_knows_its_words_only(store: Store) -> None:
    store.client.get("/playground")
    for change in ({"api": "down"}, {"lag": True}, {"webhooks": "twice"}):
        ((name, word),) = change.items()
        assert store.client.post("/playground/shopify", json=change).get_json()[name] == word
    answer = store.client.post("/playground/shopify", json={"api": "sleepy"})
    assert (answer.status_code, answer.get_json()["error"]["details"][0]["field"]) == (400, "api")


def test_a_removed_app_stays_removed_until_it_is_installed_again(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    assert store.client.post("/playground/shopify", json={"installed": False}).get_json()["installed"] is False
    store.apply_webhooks()
    store.services.shops.memory.forget(SHOP_DOMAIN)
    store.client.get("/playground")
    shop = store.services.shops.find(SHOP_DOMAIN)
    assert shop is not None
    assert not shop.is_installed
    assert store.client.post("/playground/shopify", json={"installed": True}).get_json()["access"] == "granted"
    shop = store.services.shops.find(SHOP_DOMAIN)
    assert shop is not None
    assert shop.is_installed


def test_a_shopify_that_is_away_closes_the_counter_not_the_page(store: Store) -> None:
    store.client.get("/playground")
    store.apply_webhooks()
    store.shopify.close()
    assert store.client.get("/playground").status_code == 200
    state = store.client.get("/playground/state").get_json()
    assert state["shopify"] is None
    assert list(state["variants"]["45120000103"]["levels"].values()) == [4, 2]  # as last told
    body = {"variant_id": str(MEDIUM), "location_id": str(HARBOUR), "available": 3}
    assert store.client.post("/playground/stock", json=body).status_code == 503
