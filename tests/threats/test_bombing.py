"""Nobody's inbox or telephone is filled through somebody else's sign-up form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from restock.config import Settings
from tests.channels.benches import SmtpPeer
from tests.flows.story import SHOP, Story

VICTIM = "victim@example.com"


@pytest.fixture
def mail() -> Iterator[SmtpPeer]:
    peer = SmtpPeer()
    yield peer
    peer.stop()


@pytest.fixture
def story(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, mail: SmtpPeer
) -> Iterator[Story]:
    """An instance that believes whatever machine a request says it comes from: the limits by machine do not help."""
    begun = Story.begin(
        make_settings(
            database_url=clean_database,
            redis_url=redis_url,
            smtp_url=f"smtp://127.0.0.1:{mail.port}",
            trusted_proxies=1,
            intent_limit_address=1_000_000,
        )
    )
    yield begun
    begun.end()


def sign_up(story: Story, number: int, address: str) -> int:
    """Post as somebody new, from another machine each time, about another variant."""
    body = {
        "intent": {"shopify_variant_id": 100 + number % 50, "shopify_product_id": 7, "channel": "email"},
        "customer": {"email": address},
    }
    headers = {"X-Shopify-Shop-Domain": SHOP, "X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"}
    return story.client.post("/api/v1/intents.json", json=body, headers=headers).status_code


def test_a_thousand_sign_ups_of_one_address_are_one_question(story: Story, mail: SmtpPeer) -> None:
    story.services.shops.change_settings(SHOP, {"double_opt_in.email": "true"})
    spellings = (VICTIM, "Victim@example.com", " victim@EXAMPLE.com ")
    answers = [sign_up(story, number, spellings[number % 3]) for number in range(1_000)]
    assert set(answers) <= {200, 201}, "a stranger learns nothing from the answers"
    for _ in range(3):
        story.settle()
    assert len(mail.mails) == 1


def test_with_the_limits_as_shipped_an_address_is_soon_left_alone(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> None:
    settings = make_settings(
        database_url=clean_database, redis_url=redis_url, smtp_url="smtp://127.0.0.1:9", trusted_proxies=1
    )
    begun = Story.begin(settings)
    try:
        answers = [sign_up(begun, number, VICTIM) for number in range(100)]
    finally:
        begun.end()
    assert answers[0] == 201
    assert answers.count(429) >= 100 - 2 * settings.intent_limit_address
