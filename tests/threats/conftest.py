"""The whole program, every door of it, with two shops: one that has a story, and one that is curious about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import jwt
import pytest
from sqlalchemy import text
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from restock.config import Settings
from tests.flows.story import SHOP, Story

RIVAL = "rival.myshopify.com"
TOKEN = "shpat_" + "0123456789abcdef" * 2
SHOP_NAME = "Zqcanary Ceramics"
EMAIL, PHONE, NAME = "zq.canary@zqcanary-mail.com", "+918123676393", "Zqcanary Person"
MARKS = (EMAIL, PHONE, NAME)


@dataclass
class Town:
    """One instance with two shops. `paths` fills what a route wants in its address."""

    story: Story
    filled: Mapping[str, object] = field(default_factory=dict)

    def rules(self, *blueprints: str) -> list[Rule]:
        """List the routes of these blueprints; all of them, without the files, when none is named."""
        found = [rule for rule in self.story.client.application.url_map.iter_rules() if "static" not in rule.endpoint]
        return [rule for rule in found if not blueprints or rule.endpoint.partition(".")[0] in blueprints]

    def path(self, rule: Rule, **instead: object) -> str:
        """Write a route's address; a parameter nobody thought of fails the test that asks."""
        values = {**self.filled, **instead}
        missing = rule.arguments - set(values)
        assert not missing, f"say in tests/threats/conftest.py what {sorted(missing)} of {rule.rule} may be"
        adapter = self.story.client.application.url_map.bind("127.0.0.1")
        return adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})

    def ask(self, path: str, method: str = "GET", staff_of: str | None = None, **options: object) -> TestResponse:
        """Ask as anybody, or as the staff of a shop inside Shopify's admin."""
        headers = dict(options.pop("headers", {}))  # type: ignore[call-overload]
        if staff_of is not None:
            headers["Authorization"] = f"Bearer {id_token(self.story.settings, staff_of)}"
        answer: TestResponse = self.story.client.open(
            path,
            method=method,
            headers=headers,
            buffered=True,
            **options,  # type: ignore[arg-type]
        )
        return answer


def id_token(settings: Settings, shop: str) -> str:
    """Sign an ID token as Shopify does."""
    secret, now = settings.shopify_api_secret, int(time.time())
    assert secret is not None
    claims = {
        "iss": f"https://{shop}/admin", "dest": f"https://{shop}", "aud": settings.shopify_api_key, "sub": "42",
        "sid": "a", "jti": "b", "exp": now + 60, "nbf": now - 1, "iat": now - 1,
    }  # fmt: skip
    return jwt.encode(claims, secret.get_secret_value(), "HS256")


@pytest.fixture
def town(make_settings: Callable[..., Settings], clean_database: str) -> Iterator[Town]:
    servers = {
        "database_url": clean_database,
        "redis_url": "redis://:nobody@127.0.0.1:1/0",
        "smtp_url": "smtp://127.0.0.1:9",
    }
    servers |= {"restock_env": "production", "app_url": "https://restock.example.com"}
    story = Story.begin(make_settings(shopify_api_secret="a-client-secret-for-tests-only-0001", **servers))
    try:
        for domain in (SHOP, RIVAL):
            story.services.shops.add(domain, TOKEN)
        story.services.shops.change_settings(SHOP, {"name": SHOP_NAME})
        assert story.intent("email", {"email": EMAIL, "name": NAME}).status_code == 201
        yield Town(story, _filled(story))
    finally:
        story.end()


def _filled(story: Story) -> dict[str, object]:
    """What stands in the addresses of routes: things of the first shop, and real tokens of its person."""
    with story.services.database.transaction() as session:
        contact, subscription = session.execute(text("SELECT contact_id, id FROM subscriptions")).one()
    return {
        "subscriber_id": subscription,
        "event_id": 1,
        "token": story.services.links.preferences(contact).rpartition("/")[2],
        "channel": "email",
        "stage": "restock",
        "locale": "en",
        "filename": "mark.svg",
        "name": "mark.svg",
        "message_id": 1,
        "provider": "postmark",
        "key": "x",
    }
