"""The door through Shopify's app proxy: who is believed, for whom a post is, and whose posts count together."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.shopify.proxy_signature import sign_proxied
from restock.web.guards import Audience, Guard, mount
from restock.web.storefront import ProxyCheck, proxy_blueprint, proxy_signature
from restock.web.storefront.assets import script
from restock.web.storefront.proxy import shopper_address
from tests.web.storefront.conftest import SHOP, Storefront, post_body


@dataclass(frozen=True)
class Proxied:
    """A theme's pages: what they ask reaches the app through Shopify, signed."""

    storefront: Storefront
    client: FlaskClient

    def url(self, path: str, secret: str = "hush", **changes: str) -> str:
        known = {"shop": SHOP, "logged_in_customer_id": "", "path_prefix": "/apps/restock"}
        query = urlencode(known | {"timestamp": str(int(time.time()))} | changes)
        return f"/proxy{path}?{query}&signature={sign_proxied(secret, query.encode())}"

    def post(self, body: Any, customer: str = "", path: str = "/intents", **options: Any) -> TestResponse:
        return self.client.post(self.url(path, logged_in_customer_id=customer), json=body, **options)


@pytest.fixture
def make_proxied(make_storefront: Callable[..., Storefront]) -> Callable[..., Proxied]:
    def make(**overrides: object) -> Proxied:
        storefront = make_storefront(**overrides)
        app: Flask = storefront.app
        check = ProxyCheck(proxy_signature(storefront.services.settings))
        mount(app, proxy_blueprint(storefront.services), Guard(Audience.proxy, check))  # type: ignore[arg-type]
        return Proxied(storefront, app.test_client())

    return make


@pytest.fixture
def proxied(make_proxied: Callable[..., Proxied]) -> Proxied:
    return make_proxied()


@pytest.mark.parametrize("path", ["/intents", "/intents.json"])
def test_a_post_through_the_proxy_is_answered_like_any_other(proxied: Proxied, path: str) -> None:
    answer = proxied.post(post_body(), path=path)
    assert answer.status_code == 201
    assert answer.json is not None
    again = post_body(customer__id=answer.json["customer"]["id"])
    repeated = proxied.post(again, path=path)
    assert (repeated.status_code, (repeated.json or {})["duplicate"]) == (200, True)
    direct = proxied.storefront.post(again)
    assert (direct.json or {}).keys() == (repeated.json or {}).keys()
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-RateLimit-Limit"]


def test_the_shop_is_the_signed_one_whatever_a_header_says(proxied: Proxied) -> None:
    proxied.storefront.services.shops.add("evil.myshopify.com")
    proxied.post(post_body(), headers={"X-Shopify-Shop-Domain": "evil.myshopify.com"})
    assert proxied.storefront.rows("SELECT s.domain FROM contacts c JOIN shops s ON s.id = c.shop_id") == [(SHOP,)]


def test_the_logged_in_customer_is_believed_here_and_nowhere_else(proxied: Proxied) -> None:
    """A body may claim any customer id; only Shopify's signature makes it count."""
    ids = "SELECT shopify_customer_id, verified_customer_id FROM customers ORDER BY created_at"
    proxied.storefront.post(post_body(customer__shopify_customer_id=7))
    proxied.post(post_body(customer__email="grace@example.com", customer__shopify_customer_id=7))
    proxied.post(post_body(customer__email="joan@example.com", customer__shopify_customer_id=7), customer="8")
    assert proxied.storefront.rows(ids) == [(7, None), (7, None), (8, 8)]


def test_a_signed_query_at_the_open_door_vouches_for_nobody(proxied: Proxied) -> None:
    signed = proxied.url("", logged_in_customer_id="8").partition("?")[2]
    answer = proxied.client.post(
        f"/api/v1/intents.json?{signed}", json=post_body(), headers={"X-Shopify-Shop-Domain": SHOP}
    )
    assert answer.status_code == 201
    assert proxied.storefront.rows("SELECT shopify_customer_id, verified_customer_id FROM customers") == [(None, None)]


def test_a_later_claim_never_replaces_what_shopify_vouched_for(proxied: Proxied) -> None:
    answer = proxied.post(post_body(), customer="8")
    handle = (answer.json or {})["customer"]["id"]
    proxied.storefront.post(post_body(customer__id=handle, customer__shopify_customer_id=9))
    assert proxied.storefront.rows("SELECT verified_customer_id FROM customers") == [(8,)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/intents"),
        ("GET", "/config.json"),
        ("GET", "/restock.js"),
        ("GET", "/sw.js"),
        ("GET", "/sw.js?shop=x"),
    ],
)
def test_what_shopify_did_not_sign_is_refused(proxied: Proxied, method: str, path: str) -> None:
    answer = proxied.client.open(f"/proxy{path}", method=method, json=post_body() if method == "POST" else None)
    assert answer.status_code == 401
    assert (answer.json or {})["error"]["code"] == "UNAUTHORIZED"
    assert proxied.storefront.rows("SELECT count(*) FROM intents") == [(0,)]


def test_an_old_signature_and_another_secret_are_refused(proxied: Proxied) -> None:
    late = proxied.url("/config.json", timestamp=str(int(time.time()) - 100))
    assert proxied.client.get(late).status_code == 401
    assert proxied.client.get(proxied.url("/config.json", secret="other")).status_code == 401


def test_the_secret_before_a_rotation_is_accepted_for_a_while(make_proxied: Callable[..., Proxied]) -> None:
    proxied = make_proxied(shopify_api_secret="new", shopify_old_api_secret="hush")
    assert proxied.client.get(proxied.url("/config.json")).status_code == 200


def test_a_shop_without_the_app_is_not_found_and_no_shop_at_all_is_a_fault(proxied: Proxied) -> None:
    assert proxied.client.get(proxied.url("/config.json", shop="nobody.myshopify.com")).status_code == 404
    assert proxied.client.get(proxied.url("/config.json", shop="evil.example.com")).status_code == 400


def test_config_and_scripts_are_those_of_the_signed_shop(proxied: Proxied) -> None:
    config = proxied.client.get(proxied.url("/config.json", locale="fr-CA"))
    assert config.json is not None
    assert (config.json["shop"], config.json["locale"]) == (SHOP, "fr")
    assert proxied.client.get(proxied.url("/restock.js")).mimetype == "text/javascript"
    version = config.json["sdk_version"]
    assert "immutable" in proxied.client.get(proxied.url("/restock.js", v=version)).headers["Cache-Control"]


def test_a_service_worker_is_looked_for_again_each_time(proxied: Proxied) -> None:
    """Its scope is its own folder, /apps/restock/: no header that Shopify would strip is needed."""
    worker = proxied.client.get(proxied.url("/sw.js"))
    assert worker.mimetype == "text/javascript"
    assert worker.headers["Cache-Control"] == "no-cache"
    assert b"notificationclick" in worker.data


def test_faults_are_named_as_at_the_open_door(proxied: Proxied) -> None:
    answer = proxied.post(post_body(customer__email="nonsense"))
    assert answer.status_code == 400
    assert (answer.json or {})["error"]["details"][0]["field"] == "customer.email"
    plain = proxied.client.post(proxied.url("/intents"), data="{}", content_type="text/plain")
    assert plain.status_code == 415  # so that no form of another page can post here


@pytest.mark.usefixtures("within_one_minute")
def test_shoppers_behind_shopify_are_not_lumped_together(make_proxied: Callable[..., Proxied]) -> None:
    proxied = make_proxied(intent_limit_client=2)
    statuses = [
        proxied.post(post_body(), headers={"X-Forwarded-For": f"198.41.30.{number}"}).status_code for number in range(5)
    ]
    assert set(statuses) == {201}
    nameless = [proxied.post(post_body()).status_code for _ in range(5)]
    assert set(nameless) == {201}  # nobody's address is known: the shop's limit holds, and the contact's


@pytest.mark.usefixtures("within_one_minute")
def test_a_forged_header_does_not_make_a_new_shopper(make_proxied: Callable[..., Proxied]) -> None:
    proxied = make_proxied(intent_limit_client=2)
    chains = [f"8.8.{number}.8, 198.41.30.7" for number in range(4)]
    statuses = [proxied.post(post_body(), headers={"X-Forwarded-For": chain}).status_code for chain in chains]
    assert statuses == [201, 201, 429, 429]


@pytest.mark.usefixtures("within_one_minute")
def test_a_logged_in_customer_counts_wherever_the_posts_come_from(make_proxied: Callable[..., Proxied]) -> None:
    proxied = make_proxied(intent_limit_client=2)
    statuses = [
        proxied.post(post_body(), "8", headers={"X-Forwarded-For": f"198.41.30.{number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [201, 201, 429]


@pytest.mark.parametrize(
    ("header", "hops", "address"),
    [
        ("198.41.30.7", 0, "198.41.30.7"),
        ("8.8.8.8, 198.41.30.7", 0, "198.41.30.7"),
        ("198.41.30.7, 23.227.38.74", 1, "198.41.30.7"),
        ("8.8.8.8, 198.41.30.7, 23.227.38.74, 10.0.0.3", 2, "198.41.30.7"),
        ("198.41.30.7, 10.1.2.3", 0, "198.41.30.7"),
        ("2606:4700::1111", 0, "2606:4700::1111"),
        ("8.8.8.8, nonsense", 0, None),
        ("8.8.8.8", 1, None),
        ("8.8.8.8", 3, None),
        ("127.0.0.1", 0, None),
        ("", 0, None),
        (",".join(["8.8.8.8"] * 100), 0, "8.8.8.8"),
    ],
)
def test_the_shopper_is_whom_shopify_wrote_down_last(header: str, hops: int, address: str | None) -> None:
    assert shopper_address({"HTTP_X_FORWARDED_FOR": header}, hops) == address


def test_where_a_post_came_from_is_the_shopper_not_shopify(proxied: Proxied) -> None:
    proxied.post(post_body(), headers={"X-Forwarded-For": "198.41.30.7"})
    proxied.post(post_body(customer__email="grace@example.com"))
    hashes = [row[0] for row in proxied.storefront.rows("SELECT ip_hash FROM consents ORDER BY id")]
    assert hashes[0] is not None
    assert hashes[1] is None


_THEME = """
globalThis.window = globalThis;
globalThis.document = { currentScript: { src: "https://kettle.example/SOURCE_PATH?v=1" },
                        documentElement: { lang: "de" } };
globalThis.localStorage = { getItem: () => null, setItem: () => {} };
const asked = [];
globalThis.fetch = async (url, options) => {
  asked.push(url, options.credentials);
  return { status: 200, ok: true, json: async () => ({ customer: { id: "c" } }), headers: new Headers() };
};
SOURCE
await Restock.notify({ shop: "kettle.myshopify.com", variantId: 1, productId: 2, channel: "email", email: "a@b.c" });
await Restock.config("kettle.myshopify.com");
console.log(JSON.stringify(asked));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(
    ("source_path", "asked"),
    [
        ("apps/restock/restock.js", ["/apps/restock/intents", "/apps/restock/config.json?locale=de"]),
        ("a/b-i-s/restock.js", ["/a/b-i-s/intents", "/a/b-i-s/config.json?locale=de"]),
        (
            "storefront/restock.js",
            ["/api/v1/intents.json", "/storefront/config.json?shop=kettle.myshopify.com&locale=de"],
        ),
    ],
)
def test_the_script_of_a_theme_asks_through_the_proxy_it_came_from(source_path: str, asked: list[str]) -> None:
    """It never names the shop there: Shopify's own parameter would come twice and be refused."""
    source, _ = script("restock.js")
    page = _THEME.replace("SOURCE_PATH", source_path).replace("SOURCE", source.decode())
    done = subprocess.run(
        ["node", "--input-type=module", "-e", page], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found[::2] == [f"https://kettle.example{path}" for path in asked]
    assert set(found[1::2]) == {"same-origin"}  # a shopper's own cookies tell Shopify who is logged in
