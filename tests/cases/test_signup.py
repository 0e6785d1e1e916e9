"""Cases of signing up (docs/cases.md) that no other test shows as they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from tests.channels.benches import SmtpPeer
from tests.flows.story import PRODUCT, SHOP, VARIANT, Story

ADA = {"email": "ada@example.com"}
NOWHERE = "smtp://127.0.0.1:1"


def rows(story: Story, statement: str) -> list[tuple[Any, ...]]:
    with story.services.database.transaction() as session:
        found = session.execute(text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []  # type: ignore[attr-defined]


def let_her_leave(story: Story) -> None:
    """Ada signs up and unsubscribes, so that her next sign-up waits for her yes."""
    assert story.intent("email", ADA).status_code == 201
    story.services.subscriptions.unsubscribe(rows(story, "SELECT id FROM contacts")[0][0])


def test_case_03_signing_up_again_while_unconfirmed_asks_once(story: Story, mail: SmtpPeer) -> None:
    let_her_leave(story)
    for _ in range(3):
        assert story.intent("email", ADA).status_code == 201
        story.settle()
    assert [address for address, _ in mail.mails] == ["ada@example.com"]
    assert rows(story, "SELECT count(*) FROM subscriptions WHERE state = 'pending'") == [(1,)]


def test_case_04_no_setting_lets_somebody_in_who_has_not_confirmed(story: Story, mail: SmtpPeer) -> None:
    let_her_leave(story)
    story.intent("email", ADA)
    story.services.shops.change_settings(SHOP, {"policy": "everyone"})
    story.stock(5)
    story.settle()
    assert rows(story, "SELECT state FROM subscriptions WHERE end_reason IS NULL") == [("pending",)]
    assert rows(story, "SELECT count(*) FROM offers") == [(0,)]
    assert len(mail.mails) == 1, "the one that asks"


def test_case_05_case_and_space_around_an_address_make_nobody_new(story: Story, mail: SmtpPeer) -> None:
    for typed in ("Ada@Example.COM", "  ada@example.com ", "ADA@EXAMPLE.com"):
        assert story.intent("email", {"email": typed}).status_code == 201
    assert rows(story, "SELECT count(*) FROM subscriptions") == [(1,)]
    story.stock(5)
    story.settle()
    assert [address for address, _ in mail.mails] == ["Ada@example.com"], "as she first wrote it"


@pytest.mark.usefixtures("within_one_minute")
def test_case_06_a_sign_up_that_is_there_already_counts_like_any_other(begin: Callable[..., Story]) -> None:
    """If it did not, the limit would tell a stranger whether an address waits."""
    story = begin(intent_limit_client=2, smtp_url=NOWHERE)
    first = story.intent("email", ADA)
    again = story.intent("email", ADA | {"id": first.get_json()["customer"]["id"]})
    assert (first.status_code, again.status_code, again.get_json()["duplicate"]) == (201, 200, True)
    refused = story.intent("email", {"email": "bo@example.com"})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("within_one_minute")
@pytest.mark.parametrize(("trusted_proxies", "second"), [(0, 429), (1, 201)], ids=["as it comes", "behind a proxy"])
def test_case_08_a_forwarded_header_counts_only_where_a_proxy_is_configured(
    begin: Callable[..., Story], trusted_proxies: int, second: int
) -> None:
    story = begin(intent_limit_client=1, trusted_proxies=trusted_proxies, smtp_url=NOWHERE)
    assert [_from(story, number).status_code for number in (1, 2)] == [201, second]


def test_case_13_an_unknown_variant_is_answered_like_a_known_one_and_an_unknown_shop_is_not_found(story: Story) -> None:
    known, unknown = (_ask(story, variant) for variant in (VARIANT, 999_999))
    assert (known.status_code, unknown.status_code) == (201, 201)
    assert set(known.get_json()["intent"]) == set(unknown.get_json()["intent"])
    stranger = _ask(story, VARIANT, shop="nobody.myshopify.com")
    assert stranger.status_code == 404
    assert stranger.get_json()["error"]["code"] == "NOT_FOUND"


def test_case_15_an_unconfirmed_sign_up_is_never_told_and_goes_when_its_time_is_over(
    story: Story, mail: SmtpPeer
) -> None:
    let_her_leave(story)
    story.intent("email", ADA)
    story.stock(5)
    story.settle()
    assert rows(story, "SELECT count(*) FROM offers") == [(0,)]
    rows(story, "UPDATE subscriptions SET expires_at = now() WHERE state = 'pending'")
    assert story.services.subscriptions.expire_due() == 1
    assert rows(story, "SELECT count(*) FROM subscriptions WHERE state = 'pending'") == [(0,)]


@pytest.mark.parametrize("address", ["ada@shop.test", "ada@shop.invalid", "ada@localhost", "ada@shop.local"])
def test_case_16_a_domain_that_cannot_exist_is_refused(story: Story, address: str) -> None:
    answer = story.intent("email", {"email": address})
    assert answer.status_code == 400
    (detail,) = answer.get_json()["error"]["details"]
    assert detail["field"] == "customer.email"


def test_case_17_two_variants_or_two_markets_are_two_intents_of_one_person(story: Story) -> None:
    first = story.intent("email", ADA).get_json()
    customer = ADA | {"id": first["customer"]["id"]}
    others = [_ask(story, VARIANT + 1, customer=customer), _ask(story, VARIANT, customer=customer, market=7)]
    assert [answer.status_code for answer in others] == [201, 201]
    assert {answer.get_json()["customer"]["id"] for answer in others} == {first["customer"]["id"]}
    assert rows(story, "SELECT count(DISTINCT id), count(DISTINCT contact_id) FROM subscriptions") == [(3, 1)]


def _ask(
    story: Story, variant: int, shop: str = SHOP, customer: dict[str, Any] | None = None, market: int | None = None
) -> Any:
    intent: dict[str, Any] = {"shopify_variant_id": variant, "shopify_product_id": PRODUCT, "channel": "email"}
    if market is not None:
        intent["shopify_market_id"] = market
    return story.client.post(
        "/api/v1/intents.json",
        json={"intent": intent, "customer": customer or ADA},
        headers={"X-Shopify-Shop-Domain": shop},
    )


def _from(story: Story, number: int) -> Any:
    return story.client.post(
        "/api/v1/intents.json",
        json={
            "intent": {"shopify_variant_id": VARIANT, "shopify_product_id": PRODUCT, "channel": "email"},
            "customer": {"email": f"shopper{number}@example.com"},
        },
        headers={"X-Shopify-Shop-Domain": SHOP, "X-Forwarded-For": f"203.0.113.{number}"},
    )
