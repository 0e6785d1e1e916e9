"""The app proxy: signed as Shopify signs, and stripped of what Shopify strips."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
import urllib3

from restock.playground.fake_http import Answer
from restock.playground.shopify.proxy import proxy_signature
from restock.playground.store import SHOP_DOMAIN
from tests.playground.shopify.conftest import SECRET, Shopify

# notes of Shopify's documentation: the same parameters, with somebody logged in and with nobody
_KNOWN = {
    "1": "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb",
    "": "e072b6d7e6622d85912a5214b860d3100dc1e73d9bc29f43796ac8c9ff8093cb",
}


@pytest.mark.parametrize("customer", _KNOWN)
def test_it_signs_as_shopifys_documentation_does(customer: str) -> None:
    query = (
        "extra=1&extra=2&shop=shop-name.myshopify.com&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555"
        f"&logged_in_customer_id={customer}"
    )
    assert proxy_signature(parse_qsl(query, keep_blank_values=True), "hush") == _KNOWN[customer]


def test_a_request_is_forwarded_signed_and_without_cookies(shopify: Shopify) -> None:
    shopify.door.reply = Answer(200, b"self.x", {"Content-Type": "text/javascript", "Set-Cookie": "a=b", "ETag": "1"})
    url = f"{shopify.server.url}/{SHOP_DOMAIN}/apps/restock/sw.js?v=2&shop=forged.myshopify.com&signature=no"
    answer = urllib3.request(
        "GET", url, headers={"Cookie": "c=d", "Accept-Language": "fr", "X-Playground-Customer-Id": "9"}, timeout=60
    )
    assert (answer.status, answer.data, answer.headers["Content-Type"]) == (200, b"self.x", "text/javascript")
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["ETag"] == "1"
    (heard,) = shopify.door.heard()
    assert heard.path == "/proxy/sw.js"
    assert "cookie" not in heard.headers
    assert heard.headers["accept-language"] == "fr"
    given = parse_qsl(heard.query, keep_blank_values=True)
    facts = dict(given)
    assert (facts["shop"], facts["logged_in_customer_id"], facts["path_prefix"]) == (SHOP_DOMAIN, "9", "/apps/restock")
    unsigned = [(name, value) for name, value in given if name != "signature"]
    assert facts["signature"] == proxy_signature(unsigned, SECRET)


def test_a_post_keeps_its_body_and_an_app_that_is_away_is_a_502(shopify: Shopify) -> None:
    url = f"{shopify.server.url}/{SHOP_DOMAIN}/apps/restock/intents"
    urllib3.request("POST", url, json={"intent": {}}, timeout=60)
    assert shopify.door.heard()[0].body == b'{"intent":{}}'
    shopify.door.close()
    assert urllib3.request("POST", url, json={}, timeout=60, retries=False).status == 502
