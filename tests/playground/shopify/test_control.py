"""The control API: several shops on one fake, faults named, and no other site let in."""

from __future__ import annotations

import pytest
import urllib3

from restock.playground.shopify.control import panel
from restock.playground.shopify.control.client import ControlRefusedError, ShopifyAwayError, ShopifyControl
from restock.playground.store import SHOP_DOMAIN, VARIANTS
from tests.playground.shopify.conftest import KEY, SECRET, Shopify

OTHER = "other.myshopify.com"


def test_shops_are_strangers_to_each_other(shopify: Shopify) -> None:
    shopify.control.add_shop(OTHER, seed=True, currency="USD")
    shopify.control.set_level(OTHER, 45_120_000_101, 81_230_001, 5)
    assert shopify.control.shop(SHOP_DOMAIN)["levels"]["45120000101"]["81230001"] == 0
    token = shopify.exchange()[1]["access_token"]
    url = f"{shopify.server.url}/{OTHER}/admin/api/2026-10/graphql.json"
    answer = urllib3.request(
        "POST", url, json={"query": "{ shop { name } }"}, headers={"X-Shopify-Access-Token": token}
    )
    assert answer.status == 401


def test_a_shop_can_be_named_by_the_host_header(shopify: Shopify) -> None:
    body = {"client_id": KEY, "client_secret": SECRET, "grant_type": "refresh_token", "refresh_token": "x"}
    url = f"{shopify.server.url}/admin/oauth/access_token"
    answer = urllib3.request("POST", url, json=body, headers={"Host": SHOP_DOMAIN})
    assert answer.json()["error"] == "invalid_grant"
    assert urllib3.request("POST", url, json=body, headers={"Host": "nobody.myshopify.com"}).status == 404


def test_what_is_unknown_is_named(shopify: Shopify) -> None:
    for deed in (
        lambda: shopify.control.shop("nobody.myshopify.com"),
        lambda: shopify.control.set_level(SHOP_DOMAIN, 1, 81_230_001, 5),
        lambda: shopify.control.deed(SHOP_DOMAIN, "dance"),
        lambda: shopify.control.deed(SHOP_DOMAIN, "products", product_id=VARIANTS[45_120_000_101][0].id, colour="red"),
        lambda: shopify.control.trouble("boredom"),
    ):
        with pytest.raises(ControlRefusedError):
            deed()


def test_another_sites_page_cannot_send_a_deed(shopify: Shopify) -> None:
    url = f"{shopify.server.url}/control/shops/{SHOP_DOMAIN}/uninstall"
    assert urllib3.request("POST", url, body="{}", headers={"Content-Type": "text/plain"}).status == 415
    assert shopify.control.shop(SHOP_DOMAIN)["is_installed"]


def test_a_fake_that_is_away_is_a_sentence() -> None:
    with pytest.raises(ShopifyAwayError, match="start the whole program"):
        ShopifyControl("http://127.0.0.1:1").overview()


@pytest.mark.parametrize("words", [panel.WEBHOOKS, panel.API])
def test_the_panels_words_are_read_back_as_they_were_set(shopify: Shopify, words: dict[str, dict[str, object]]) -> None:
    for word, meant in words.items():
        shopify.control.faults(**meant)
        assert panel.word_for(words, shopify.control.overview()["faults"]) == word
    if words is panel.WEBHOOKS:
        shopify.control.faults(copies=7)
        assert panel.word_for(words, shopify.control.overview()["faults"]) == "custom"
