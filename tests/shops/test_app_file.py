"""shopify.app.toml by the rules of Shopify's CLI, and by what the program really does.

`shopify app config validate` needs a login; these are its rules, as its source and documentation state them.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections import Counter
from typing import Any

import pytest
from flask import Flask

from restock.config import Settings
from restock.inbox.rules.consents import CONSENT_TOPICS
from restock.inbox.rules.orders import ORDER_TOPICS
from restock.inbox.rules.topics import READERS
from restock.inbox.service.shop_news import shop_effects
from restock.shops.rules.topics import ALL_TOPICS, TOPICS_BY_SCOPE
from restock.shops.service import ShopService
from restock.web.app import create_app
from tests.architecture.sources import ROOT

ONLY_KEPT = {"app_subscriptions/update"}  # nothing depends on a plan; who asks what a shop pays finds the webhook
COMPLIANCE = {"customers/data_request", "customers/redact", "shop/redact"}
SCOPE_OF_TOPIC = {
    "inventory_levels": "read_inventory",
    "inventory_items": "read_products",  # or read_inventory
    "variants": "read_products",
    "products": "read_products",
    "app": None,
    "app_subscriptions": None,
    "shop": None,
}
KNOWN_SCOPES = re.compile(r"(read|write)_[a-z_]+")
URI = re.compile(r"/[^\s]*[^/\s]|https://[^\s]+[^/\s]|pubsub://[^\s:]+:[^\s]+|arn:aws:events:[^\s]+")


@pytest.fixture(scope="module")
def app_file() -> dict[str, Any]:
    return tomllib.loads((ROOT / "shopify.app.toml").read_text())


@pytest.fixture(scope="module")
def subscriptions(app_file: dict[str, Any]) -> list[dict[str, Any]]:
    return app_file["webhooks"]["subscriptions"]


def _required(app_file: dict[str, Any]) -> set[str]:
    return set(app_file["access_scopes"]["scopes"].split(","))


def _topics(subscriptions: list[dict[str, Any]]) -> set[str]:
    return {topic for one in subscriptions for topic in one.get("topics", ())}


@pytest.fixture
def web_app(settings: Settings) -> Flask:
    return create_app(settings)


def test_nothing_is_missing_and_nothing_is_unknown(app_file: dict[str, Any]) -> None:
    assert set(app_file) <= {
        *("client_id", "name", "handle", "application_url", "embedded", "extension_directories", "web_directories"),
        *("access_scopes", "auth", "webhooks", "app_proxy"),
    }
    assert re.fullmatch(r"[0-9a-f]{32}", app_file["client_id"])
    assert 0 < len(app_file["name"]) <= 30
    assert re.fullmatch(r"[a-z0-9-]{1,256}", app_file["handle"])
    assert app_file["application_url"].startswith("https://")
    assert app_file["embedded"] is True
    assert app_file["auth"]["redirect_urls"]
    assert all(url.startswith("https://") for url in app_file["auth"]["redirect_urls"])
    assert app_file["extension_directories"] == ["restock/storefront/extensions/*"]


def test_scopes_are_named_once_and_installation_needs_no_redirects(app_file: dict[str, Any]) -> None:
    section = app_file["access_scopes"]
    assert set(section) == {"scopes", "optional_scopes"}, "no use_legacy_install_flow"
    named = [*section["scopes"].split(","), *section["optional_scopes"]]
    assert all(KNOWN_SCOPES.fullmatch(scope) for scope in named)
    assert max(Counter(named).values()) == 1
    assert _required(app_file) == {"read_products", "read_inventory", "write_app_proxy"}


def test_webhooks_have_one_version_and_each_topic_one_address(
    app_file: dict[str, Any], subscriptions: list[dict[str, Any]]
) -> None:
    assert app_file["webhooks"]["api_version"] == Settings.model_fields["shopify_api_version"].default
    told = Counter()
    for one in subscriptions:
        assert set(one) <= {"topics", "compliance_topics", "uri", "filter", "include_fields", "name"}
        assert one.get("topics") or one.get("compliance_topics")
        assert URI.fullmatch(one["uri"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,50}", one.get("name", "x"))
        told.update((topic, one["uri"], one.get("filter")) for topic in one.get("topics", ()))
        assert not set(one.get("topics", ())) & COMPLIANCE
    assert max(told.values()) == 1


def test_each_compliance_topic_is_there_once(subscriptions: list[dict[str, Any]]) -> None:
    told = Counter(topic for one in subscriptions for topic in one.get("compliance_topics", ()))
    assert told == dict.fromkeys(COMPLIANCE, 1)


def test_every_topic_is_covered_by_a_scope_that_every_shop_grants(
    app_file: dict[str, Any], subscriptions: list[dict[str, Any]]
) -> None:
    for topic in _topics(subscriptions):
        scope = SCOPE_OF_TOPIC[topic.split("/")[0]]
        assert scope is None or scope in _required(app_file), topic


def test_topics_of_optional_scopes_are_subscribed_to_shop_by_shop(
    app_file: dict[str, Any], subscriptions: list[dict[str, Any]]
) -> None:
    assert set(TOPICS_BY_SCOPE) <= set(app_file["access_scopes"]["optional_scopes"])
    assert not _topics(subscriptions) & ALL_TOPICS
    assert ALL_TOPICS == ORDER_TOPICS | CONSENT_TOPICS, "what is asked for leads to something"


def test_every_topic_leads_to_something(subscriptions: list[dict[str, Any]], shops: ShopService) -> None:
    effects = {topic for effect in shop_effects(shops) for topic in effect.topics}
    assert _topics(subscriptions) - effects - set(READERS) == ONLY_KEPT
    assert effects <= _topics(subscriptions), "an effect nobody is told of"


def test_webhooks_and_proxy_go_where_somebody_answers(
    app_file: dict[str, Any], subscriptions: list[dict[str, Any]], web_app: Flask
) -> None:
    posts = {rule.rule for rule in web_app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {one["uri"] for one in subscriptions} <= posts
    proxy = app_file["app_proxy"]
    assert set(proxy) == {"url", "prefix", "subpath"}
    assert proxy["prefix"] in {"a", "apps", "community", "tools"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,30}", proxy["subpath"])
    assert proxy["subpath"] not in {"admin", "services", "password", "login"}
    assert any(rule.rule.startswith(f"{proxy['url']}/") for rule in web_app.url_map.iter_rules())


def test_the_development_server_starts_without_a_shell_where_the_cli_listens() -> None:
    web = tomllib.loads((ROOT / "shopify.web.toml").read_text())
    assert set(web) <= {"name", "roles", "webhooks_path", "commands", "port", "auth_callback_path", "hmr_server"}
    assert set(web["roles"]) == {"frontend", "backend"}, "the port of the tunnel is the frontend's"
    assert set(web["commands"]) <= {"build", "predev", "dev"}
    words = web["commands"]["dev"].split(" ")  # as the CLI does
    assert words == shlex.split(web["commands"]["dev"]), "no quotes, no doubled spaces"
    assert words[0] == "env"
    assert words[-2:] == ["python3", "app.py"]
    settings = dict(word.split("=", 1) for word in words[1:-2])
    assert settings == {"HOST": "127.0.0.1"}
    assert {name.lower() for name in settings} <= set(Settings.model_fields)
