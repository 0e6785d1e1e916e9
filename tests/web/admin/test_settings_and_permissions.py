"""What changed settings hold back, and what a shop has allowed: seen on the first page, decided by the merchant."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from restock.shops.values import Shop
from restock.web.admin.permissions import MOST_LOOKS, SCOPES, read_permissions
from restock.web.admin.rendering import duration
from restock.web.admin.wording import say, texts
from tests.architecture.sources import ROOT
from tests.web.admin.conftest import DOMAIN, House, id_token
from tests.web.admin.crowd import VARIANTS, fill, hold_back, pass_over

CONFIRM = "/settings/confirm"
PLAYGROUND = "playground.myshopify.com"
OURS = {"Sec-Fetch-Site": "same-origin"}
ALL = ["read_orders", "read_customers", "write_customers", "read_locations", "read_publications"]


@pytest.fixture
def holding(house: House, kettle: Shop) -> House:
    """A shop whose changed settings hold back two variants, and one nobody waits for."""
    fill(house.database, kettle, 60, gap_seconds=20_000)
    hold_back(house.database, kettle, *VARIANTS[:2], 1)
    return house


def held(house: House, domain: str = DOMAIN) -> int:
    """Count the variants held back for a shop."""
    shop = house.services.shops.find(domain)
    assert shop is not None
    return house.services.restocks.what_would_open(shop.id).variant_count


def bearer(shop: str = DOMAIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {id_token(shop)}"}


def test_the_first_page_says_whom_changed_settings_would_alert_and_alerts_nobody_by_itself(
    holding: House, kettle: Shop
) -> None:
    people = holding.services.restocks.what_would_open(kettle.id).people_count
    page = holding.get("/")
    assert f"Your changed settings would alert {people} people about 2 variants now" in page
    assert f"Alert {people} people" in page
    assert held(holding) == 2
    assert "changed settings" not in holding.client.get("/", headers=bearer("other.myshopify.com")).text


def test_confirming_answers_with_the_page_as_it_is_now(holding: House) -> None:
    answer = holding.client.post(f"{CONFIRM}?shop={DOMAIN}", headers=bearer() | {"HX-Request": "true"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "no-store")
    page = holding.get(answer.headers["Location"])
    assert "Confirmed for 3 variants." in page
    assert "changed settings would alert" not in page
    assert held(holding) == 0
    with holding.database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM stock_checks WHERE due_at <= now()")).scalar_one() == 3
    again = holding.client.post(CONFIRM, headers=bearer())
    assert texts()["held.nothing"] in holding.get(again.headers["Location"])


def test_a_shop_confirms_for_itself_alone(holding: House) -> None:
    """Whatever shop the address names."""
    stranger = holding.client.post(f"{CONFIRM}?shop={DOMAIN}", headers=bearer("stranger.myshopify.com"))
    assert stranger.status_code == 303
    assert held(holding) == 2


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"shop": DOMAIN}, {}, 401),
        ({"shop": DOMAIN}, {"Cookie": "session=1", "Origin": "https://evil.example"}, 401),
        ({"shop": DOMAIN, "id_token": id_token()}, {}, 401),
        ({"shop": DOMAIN}, {"Authorization": "Bearer nonsense"}, 401),
        ({"shop": DOMAIN}, {"Authorization": f"Bearer {id_token(exp=1)}"}, 401),
    ],
    ids=["bare", "from elsewhere", "token in the address", "nonsense", "old"],
)
def test_a_forged_form_changes_nothing(
    holding: House, query: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = holding.client.post(f"{CONFIRM}?{urlencode(query)}", headers=headers)
    assert answer.status_code == status
    assert held(holding) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_a_post_confirms(holding: House, method: str) -> None:
    assert holding.client.open(CONFIRM, method=method, headers=bearer()).status_code == 405
    assert held(holding) == 2


class TestInThePlayground:
    """The sign-in without a token: this machine, this page, nothing else."""

    @pytest.fixture(autouse=True)
    def playground(self, house: House) -> Shop:
        shop = house.services.shops.add("playground")
        fill(house.database, shop, 60)
        hold_back(house.database, shop, VARIANTS[0])
        return shop

    @pytest.mark.parametrize(
        "headers", [OURS, {"Origin": "http://127.0.0.1:8000"}], ids=["Sec-Fetch-Site", "an older browser"]
    )
    def test_a_plain_form_confirms(self, house: House, headers: dict[str, str]) -> None:
        page = house.client.get("/?shop=playground").text
        (form,) = re.findall(r'<form[^>]*action="([^"]+)" method="post">', page)
        answer = house.client.post(form, headers={"Host": "127.0.0.1:8000"} | headers)
        assert "Confirmed for 1 variant." in house.client.get(answer.headers["Location"]).text

    @pytest.mark.parametrize(
        ("headers", "address"),
        [
            ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"}, "127.0.0.1"),
            ({"Sec-Fetch-Site": "same-site"}, "127.0.0.1"),
            ({"Sec-Fetch-Site": "none"}, "127.0.0.1"),
            ({"Origin": "https://evil.example"}, "127.0.0.1"),
            ({"Origin": "null"}, "127.0.0.1"),
            ({"Origin": "http://127.0.0.1:9000"}, "127.0.0.1"),
            ({}, "127.0.0.1"),
            (OURS, "192.0.2.1"),
            (OURS | {"X-Forwarded-For": "192.0.2.1"}, "127.0.0.1"),
            (OURS | {"Host": "evil.example"}, "127.0.0.1"),
        ],
    )
    def test_whatever_another_page_or_machine_sends_changes_nothing(
        self, house: House, headers: dict[str, str], address: str
    ) -> None:
        sent = {"Host": "127.0.0.1:8000"} | headers
        answer = house.client.post(
            f"{CONFIRM}?shop=playground", headers=sent, environ_overrides={"REMOTE_ADDR": address}
        )
        assert answer.status_code in (401, 403)
        assert answer.mimetype == "text/html"
        assert held(house, PLAYGROUND) == 1

    def test_production_has_no_such_sign_in(self, build: Callable[..., House]) -> None:
        production = build(redis_url="redis://:x@127.0.0.1:1/0", restock_env="production")
        assert production.client.post(f"{CONFIRM}?shop=playground", headers=OURS).status_code == 401
        assert held(production, PLAYGROUND) == 1


def test_the_interval_that_is_reached_is_said_and_why_it_is_longer(house: House, kettle: Shop) -> None:
    pass_over(house.database, kettle, 95, 61_250)
    house.services.shops.memory.forget(DOMAIN)
    page = house.get("/")
    assert "every 95 minutes rather than the 15 minutes set: for 61,250 variants" in page
    assert "API points allow no more" in page


def test_the_permissions_are_those_that_the_app_may_ask_for() -> None:
    asked = {scope for scopes in SCOPES.values() for scope in scopes}
    file = tomllib.loads((ROOT / "shopify.app.toml").read_text())
    assert asked == set(file["access_scopes"]["optional_scopes"])


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        ([], []),
        (["read_orders"], ["sales"]),
        (["read_customers"], []),
        (["write_customers"], ["consent"]),
        (["read_locations", "read_publications"], ["locations", "markets"]),
        (ALL, ["sales", "consent", "locations", "markets"]),
    ],
)
def test_a_permission_is_there_once_all_its_scopes_are(scopes: list[str], granted: list[str]) -> None:
    assert [line.key for line in read_permissions(scopes).lines if line.granted] == granted


def test_a_permission_just_granted_is_waited_for_a_few_times() -> None:
    assert read_permissions([], "sales").look_again
    assert not read_permissions([], "sales", MOST_LOOKS).look_again
    assert read_permissions(ALL, "sales").awaited is None
    assert read_permissions([], "<script>").awaited is None


def test_inside_the_admin_each_permission_not_granted_has_a_button(house: House, kettle: Shop) -> None:
    with house.database.transaction() as session:
        session.execute(text("UPDATE shops SET scopes = '{read_orders}'"))
    house.services.shops.memory.forget(DOMAIN)
    page = house.get("/")
    asked = re.findall(r'data-scopes="([^"]+)"', page)
    assert asked == ["read_customers write_customers", "read_locations", "read_publications"]
    assert page.count(texts()["permissions.granted"]) == 1
    awaiting = house.get("/?asked=markets&looks=1")
    assert texts()["permissions.awaited"] in awaiting
    assert "asked=markets&amp;looks=2" in awaiting
    assert len(re.findall("data-scopes", awaiting)) == 2


def test_outside_the_admin_permissions_are_shown_and_cannot_be_asked_for(house: House) -> None:
    house.services.shops.add("playground")
    page = house.client.get("/?shop=playground").text
    assert page.count(say("permissions.missing")) == len(SCOPES)
    assert "data-scopes" not in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "3 seconds"),
        (60, "60 seconds"),
        (900, "15 minutes"),
        (7140, "119 minutes"),
        (7190, "2 hours"),
        (9000, "2.5 hours"),
    ],
)
def test_a_length_of_time_is_written_in_the_unit_that_suits_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words
