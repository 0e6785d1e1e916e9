"""A token endpoint of Shopify's kind, a shop's Admin API that knows its tokens, and the services between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from restock.database import Database
from restock.shopify.errors import AdminUnauthorizedError
from restock.shopify.id_tokens import IdToken
from restock.shopify.oauth import TokenEndpoint
from restock.shopify.values import Access, ShopProfile, TopicSubscription
from restock.shops.service import ShopService
from restock.shops.service.renewal import Renewal
from restock.shops.service.tokens import TokenService
from restock.shops.values import Shop
from tests.shops.token_fake import FakeTokens, token_server

PROFILE = ShopProfile(
    "Ada's shirts", "EUR", "DE", "Europe/Berlin", "https://shirts.example", frozenset({"read_products"})
)


@dataclass
class FakeAdmin:
    """As much of the port as installing needs; refuses every token but the endpoint's newest."""

    fake: FakeTokens
    profile: ShopProfile = PROFILE
    failure: Exception | None = None
    subscriptions: dict[str, TopicSubscription] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    _next: int = 0

    def check(self, access: Access) -> str:
        if not self.fake.use(access.token):
            raise AdminUnauthorizedError
        if self.failure is not None:
            raise self.failure
        return access.token

    def shop(self, access: Access) -> ShopProfile:
        self.check(access)
        return self.profile

    def topic_subscriptions(self, access: Access) -> list[TopicSubscription]:
        self.check(access)
        return list(self.subscriptions.values())

    def subscribe(self, access: Access, topic: str, uri: str) -> TopicSubscription:
        self.check(access)
        self._next += 1
        made = self.subscriptions[str(self._next)] = TopicSubscription(str(self._next), topic, uri)
        self.told.append(("+", topic))
        return made

    def unsubscribe(self, access: Access, subscription_id: str) -> None:
        self.check(access)
        self.told.append(("-", self.subscriptions.pop(subscription_id).topic))


@pytest.fixture
def fake() -> FakeTokens:
    return FakeTokens(id_tokens={"an-id-token"})


@pytest.fixture
def token_url(fake: FakeTokens) -> Iterator[str]:
    with token_server(fake) as url:
        yield url


@pytest.fixture
def source(token_url: str) -> TokenEndpoint:
    return TokenEndpoint("restock-test-key", "hush", token_url)


@pytest.fixture
def admin(fake: FakeTokens) -> FakeAdmin:
    return FakeAdmin(fake)


@pytest.fixture
def tokens(shops: ShopService, source: TokenEndpoint, admin: FakeAdmin) -> TokenService:
    renewal = Renewal(shops.database, shops.vault, source, shops.memory.forget, wait_seconds=10)
    return TokenService(renewal, admin)  # type: ignore[arg-type]


@pytest.fixture
def impatient(tokens: TokenService, source: TokenEndpoint) -> TokenService:
    """The same, with half a second for the token endpoint."""
    return TokenService(replace(tokens.renewal, source=replace(source, seconds=0.5)), tokens.admin)


@pytest.fixture
def installed(tokens: TokenService) -> Shop:
    """A shop whose staff has opened the app once."""
    return tokens.welcome("an-id-token", id_token("demo.myshopify.com"))


@pytest.fixture
def run_sql(database: Database) -> Callable[..., Any]:
    """Run one statement and give its first value."""

    def run(statement: str, **values: object) -> Any:
        with database.transaction() as session:
            found = session.execute(text(statement), values)
            return found.scalar() if found.returns_rows else None

    return run


@pytest.fixture
def age(run_sql: Callable[..., Any]) -> Callable[[float], None]:
    """Let so many seconds of the tokens' lives pass."""

    def pass_by(seconds: float) -> None:
        columns = ("access_expires_at", "refresh_expires_at", "refresh_at", "stored_at", "lease_until", "try_at")
        moved = ", ".join(f"{name} = {name} - make_interval(secs => :seconds)" for name in columns)
        run_sql(f"UPDATE shop_tokens SET {moved}", seconds=seconds)

    return pass_by


def id_token(domain: str) -> IdToken:
    return IdToken(domain, "7", datetime.now(UTC) + timedelta(minutes=1), "session")
