"""The fake's token endpoint: exchange, expiry, rotation and refusal, as Shopify's documentation tells them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from restock.playground.shopify.tokens import OFFLINE_TOKEN, mint_id_token
from restock.playground.store import SHOP_DOMAIN
from restock.shopify.id_tokens import BadIdTokenError, read_id_token
from tests.playground.shopify.conftest import KEY, SECRET, Shopify


def test_an_id_token_buys_a_pair_that_expires(shopify: Shopify) -> None:
    status, pair = shopify.exchange()
    assert status == 200
    assert (pair["expires_in"], pair["refresh_token_expires_in"]) == (3600, 90 * 24 * 3600)
    assert "read_inventory" in pair["scope"].split(",")
    assert shopify.server.desk.calls["exchange"] == 1


def test_without_the_wish_for_expiry_the_token_stays(shopify: Shopify) -> None:
    _, pair = shopify.exchange(expiring=0)
    assert "refresh_token" not in pair
    shopify.clock.now += 10_000_000
    assert shopify.graphql(pair["access_token"]).status == 200


def test_a_token_that_stays_can_be_changed_for_one_that_expires(shopify: Shopify) -> None:
    _, old = shopify.exchange(expiring=0)
    status, pair = shopify.exchange(subject_token=old["access_token"], subject_token_type=OFFLINE_TOKEN)
    assert (status, "refresh_token" in pair) == (200, True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"subject_token": "a.b.c"}, "invalid_subject_token"),
        ({"subject_token": "é.b.c"}, "invalid_subject_token"),
        ({"subject_token_type": "urn:other"}, "invalid_subject_token"),
        ({"requested_token_type": "urn:other"}, "invalid_requested_token_type"),
    ],
)
def test_every_other_request_is_refused_with_its_word(shopify: Shopify, changes: dict[str, object], error: str) -> None:
    status, answer = shopify.exchange(**changes)
    assert (status, answer["error"]) == (400, error)


@pytest.mark.parametrize("claims", [{"aud": "another"}, {"dest": "https://other.myshopify.com"}, {"exp": 1}])
def test_an_id_token_of_another_app_shop_or_time_is_refused(shopify: Shopify, claims: dict[str, object]) -> None:
    token = shopify.control.id_token(SHOP_DOMAIN, **claims)
    assert shopify.exchange(subject_token=token)[1]["error"] == "invalid_subject_token"


def test_its_id_tokens_are_what_shopifys_own_library_reads() -> None:
    now = datetime.now(UTC)
    text = mint_id_token(SHOP_DOMAIN, KEY, SECRET, now.timestamp())
    assert read_id_token(text, KEY, [SECRET], now).shop_domain == SHOP_DOMAIN
    with pytest.raises(BadIdTokenError):
        read_id_token(mint_id_token(SHOP_DOMAIN, KEY, SECRET, now.timestamp(), sid=None), KEY, [SECRET], now)


def test_the_old_refresh_token_is_good_until_the_new_one_is_used(shopify: Shopify) -> None:
    _, first = shopify.exchange()
    _, second = shopify.refresh(first["refresh_token"])
    _, again = shopify.refresh(first["refresh_token"])  # the answer was lost: asking again is allowed
    assert again["refresh_token"] != second["refresh_token"]
    status, third = shopify.refresh(again["refresh_token"])
    assert status == 200
    for over in (first, second):
        status, answer = shopify.refresh(over["refresh_token"])
        assert (status, answer["error"]) == (400, "invalid_grant")
    assert shopify.graphql(third["access_token"]).status == 200


def test_a_refresh_token_left_alone_for_ninety_days_is_over(shopify: Shopify) -> None:
    _, pair = shopify.exchange()
    shopify.clock.now += 90 * 24 * 3600 + 1
    assert shopify.refresh(pair["refresh_token"])[1]["error"] == "invalid_grant"


def test_tokens_can_be_made_to_expire_and_to_be_refused(shopify: Shopify) -> None:
    _, pair = shopify.exchange()
    shopify.control.deed(SHOP_DOMAIN, "tokens", expire=True)
    assert shopify.graphql(pair["access_token"]).status == 401
    shopify.server.desk.refuses = True
    assert shopify.refresh(pair["refresh_token"])[0] == 400
    assert shopify.control.overview()["token_calls"] == {"exchange": 1, "refresh": 1}


def test_removing_the_app_ends_every_token(shopify: Shopify) -> None:
    _, pair = shopify.exchange()
    shopify.control.uninstall(SHOP_DOMAIN)
    assert shopify.graphql(pair["access_token"]).status == 401
    assert shopify.refresh(pair["refresh_token"])[0] == 400
    assert shopify.exchange()[0] == 400
    shopify.control.install(SHOP_DOMAIN)
    assert shopify.exchange()[0] == 200


def test_the_token_endpoint_meets_trouble_of_its_own(shopify: Shopify) -> None:
    shopify.control.trouble("outage", where="token")
    token = {"grant_type": "refresh_token", "refresh_token": "none"}
    assert shopify.post("/admin/oauth/access_token", token).status == 502
    assert shopify.post("/admin/oauth/access_token", token).status == 400


def test_a_restart_forgets_nothing(make_shopify: Callable[..., Shopify], tmp_path: Path) -> None:
    before = make_shopify(folder=tmp_path)
    _, pair = before.exchange()
    before.control.set_level(SHOP_DOMAIN, 45_120_000_101, 81_230_001, 7)
    before.server.close()
    after = make_shopify(folder=tmp_path, shops=[])
    assert after.graphql(pair["access_token"]).status == 200
    assert after.control.shop(SHOP_DOMAIN)["levels"]["45120000101"] == {"81230001": 7, "81230002": 0}
    assert (tmp_path / "shopify.json").stat().st_mode & 0o077 == 0
