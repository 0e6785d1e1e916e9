"""Who is let in to the merchant's pages, and what happens to everybody else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import text

from restock.shopify.errors import AdminUnavailableError, NoAccessError
from restock.shops.values import Shop
from restock.web.admin.entry import RETRY_HEADER, safe_reload
from restock.web.admin.wording import texts
from tests.web.admin.conftest import DOMAIN, House, id_token
from tests.web.admin.crowd import fill

NAVIGATION = {"Sec-Fetch-Dest": "iframe"}
SCRIPT = {"HX-Request": "true", "Sec-Fetch-Dest": "empty"}
PAGES = ("/", "/subscribers", "/subscribers/1", "/subscribers.csv")
HOME = "http://127.0.0.1:8000"


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_genuine_token_opens_the_page_of_the_shop_it_names(house: House, way: str) -> None:
    """Wherever it travels; what else the address says about the shop counts for nothing."""
    token = id_token()
    query = {"shop": "other.myshopify.com"} | ({"id_token": token} if way == "query" else {})
    headers = NAVIGATION | ({"Authorization": f"Bearer {token}"} if way == "header" else {})
    answer = house.client.get(f"/?{urlencode(query)}", headers=headers)
    assert answer.status_code == 200
    assert house.services.tokens.seen == [DOMAIN]
    assert f"frame-ancestors https://{DOMAIN} https://admin.shopify.com" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("changes", [{}, {"exp": 1}, {"nbf": time.time() + 86_400}], ids=["none", "expired", "early"])
def test_a_navigation_without_a_good_token_goes_to_fetch_one(
    house: House, path: str, changes: dict[str, object]
) -> None:
    query = {"shop": DOMAIN, "host": "aG9zdA", "embedded": "1", "status": "active"}
    if changes:
        query["id_token"] = id_token(**changes)
    answer = house.client.get(f"{path}?{urlencode(query)}", headers=NAVIGATION)
    assert answer.status_code == 302
    target = urlsplit(answer.headers["Location"])
    asked = parse_qs(target.query)
    assert target.path == "/auth/patch-id-token"
    assert asked["shop"] == [DOMAIN]
    back = urlsplit(asked["shopify-reload"][0])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{HOME}{path}"
    assert parse_qs(back.query).keys() == {"shop", "host", "embedded", "status", "bounced"}
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("changes", [None, {"exp": 1}, {"secret": "b" * 40}, {"aud": "another"}])
def test_a_script_without_a_good_token_is_told_to_fetch_one(
    house: House, path: str, changes: dict[str, str] | None
) -> None:
    bearer = {} if changes is None else {"Authorization": f"Bearer {id_token(**changes)}"}
    answer = house.client.get(f"{path}?shop={DOMAIN}", headers=SCRIPT | bearer)
    assert (answer.status_code, answer.headers[RETRY_HEADER], answer.data) == (401, "1", b"")


NOT_OURS: dict[str, Callable[[], str]] = {  # made when they are sent: a token is good for a minute
    "forged": lambda: id_token(secret="b" * 40),
    "other app": lambda: id_token(aud="another-app"),
    "other host": lambda: id_token(dest="https://other.myshopify.com"),
    "not a shop": lambda: id_token(iss="https://kettle.example/admin", dest="https://kettle.example"),
    "endless": lambda: id_token(exp=None),
    "unsigned": lambda: id_token().rsplit(".", 1)[0] + ".",
    "nonsense": lambda: "no token at all",
}


@pytest.mark.parametrize("make", NOT_OURS.values(), ids=NOT_OURS)
def test_a_token_that_is_not_ours_is_refused_without_going_round_in_circles(
    house: House, make: Callable[[], str]
) -> None:
    answer = house.client.get(f"/?{urlencode({'shop': DOMAIN, 'id_token': make()})}", headers=NAVIGATION)
    assert answer.status_code == 403
    assert "SHOPIFY_API_SECRET" in answer.get_data(as_text=True)
    assert f"frame-ancestors https://{DOMAIN} " in answer.headers["Content-Security-Policy"]  # or nobody could read it
    assert house.services.tokens.seen == []


def test_whoever_comes_back_from_fetching_without_a_token_is_not_sent_again(house: House) -> None:
    again = {"shop": DOMAIN, "embedded": "1", "bounced": str(int(time.time()))}
    assert house.client.get(f"/?{urlencode(again)}", headers=NAVIGATION).status_code == 401
    again["bounced"] = str(int(time.time()) - 60)
    assert house.client.get(f"/?{urlencode(again)}", headers=NAVIGATION).status_code == 302


def test_a_page_opened_by_itself_is_handed_to_shopifys_admin(house: House) -> None:
    answer = house.client.get(f"/?shop={DOMAIN}", headers={"Sec-Fetch-Dest": "document"})
    assert answer.headers["Location"] == f"https://{DOMAIN}/admin/apps/restock-test-key"


@pytest.mark.parametrize("shop", ["", "evil.example", "kettle.myshopify.com.evil.example", "x" * 300])
def test_nobody_is_sent_anywhere_for_a_shop_that_is_none(build: Callable[..., House], shop: str) -> None:
    house = build(redis_url="redis://:x@127.0.0.1:1/0", restock_env="production")
    answer = house.client.get(f"/?{urlencode({'shop': shop})}", headers=NAVIGATION)
    assert answer.status_code == 401
    assert "Location" not in answer.headers
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert "Open Restock from your Shopify admin" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("refusal", "status"), [(NoAccessError("x"), 403), (AdminUnavailableError("x"), 503)], ids=["refused", "away"]
)
def test_a_shop_that_cannot_be_installed_is_told_so(house: House, refusal: Exception, status: int) -> None:
    house.services.tokens.refusal = refusal
    answer = house.client.get(f"/?id_token={id_token()}", headers=NAVIGATION)
    assert answer.status_code == status
    assert answer.mimetype == "text/html"


class TestThePlaygroundShop:
    """Development's way in without a token."""

    @pytest.fixture(autouse=True)
    def playground(self, house: House) -> Shop:
        return house.services.shops.add("playground")

    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
    def test_opens_from_this_machine(self, house: House, host: str) -> None:
        answer = house.client.get("/?shop=playground", headers={"Host": host})
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        ("query", "headers", "address"),
        [
            ("shop=playground", {"Host": "restock.example.com"}, "127.0.0.1"),
            ("shop=playground", {}, "192.0.2.1"),
            ("shop=playground", {"X-Forwarded-For": "192.0.2.1"}, "127.0.0.1"),
            ("shop=playground&embedded=1", {}, "127.0.0.1"),
            (f"shop={DOMAIN}", {}, "127.0.0.1"),
        ],
        ids=["another name", "another machine", "a tunnel", "embedded", "another shop"],
    )
    def test_stays_shut_otherwise(self, house: House, query: str, headers: dict[str, str], address: str) -> None:
        house.services.shops.add(DOMAIN)
        answer = house.client.get(
            f"/?{query}", headers=NAVIGATION | headers, environ_overrides={"REMOTE_ADDR": address}
        )
        assert answer.status_code == 302
        assert "/auth/patch-id-token" in answer.headers["Location"]

    def test_stays_shut_in_production(self, build: Callable[..., House]) -> None:
        production = build(redis_url="redis://:x@127.0.0.1:1/0", restock_env="production")
        assert production.client.get("/?shop=playground", headers=NAVIGATION).status_code == 302
        assert production.client.get("/subscribers.csv?shop=playground", headers=SCRIPT).status_code == 401


def test_development_without_a_shop_begins_at_the_playground(house: House) -> None:
    assert house.client.get("/").headers["Location"] == "/playground"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_but_one_thing_can_be_changed(house: House, method: str, path: str) -> None:
    answer = house.client.open(path, method=method, headers={"Authorization": f"Bearer {id_token()}"})
    assert answer.status_code == 405


def test_no_button_of_any_page_can_be_pressed_by_a_strangers_form(house: House) -> None:
    """Only a script of ours can send the header; cookies and addresses, which forms carry along, prove nothing."""
    buttons = [rule.rule for rule in house.app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert {"/settings", "/what-if", "/messages/alerts"} <= set(buttons)
    for button in buttons:
        path = re.sub("<[^>]+>", "1", button)
        for carried in ({"shop": DOMAIN}, {"shop": DOMAIN, "id_token": id_token()}):
            answer = house.client.post(f"{path}?{urlencode(carried)}", data={"name": "Theirs"})
            assert answer.status_code == 401, path


@pytest.mark.parametrize("where", ["before somebody is let in", "on a page"])
def test_a_fault_of_ours_is_a_page_that_is_found_in_the_log(
    house: House, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """What went wrong is told to the log alone, be it set up by now or not."""
    fill(house.database, house.services.shops.add(DOMAIN), 1)
    if where == "on a page":
        with house.database.transaction() as session:
            session.execute(text("UPDATE subscriptions SET queued_at = 'infinity'"))  # which no datetime can hold
    else:
        house.services.tokens.refusal = RuntimeError("the inner works")
    answer = house.client.get(f"/subscribers?shop={DOMAIN}", headers={"Authorization": f"Bearer {id_token()}"})
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert texts()["refusal.broken.title"] in page
    assert "inner works" not in page
    assert f"frame-ancestors https://{DOMAIN} " in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.search(r"in its log under ([\w-]{8,})\.", page)
    assert found
    assert found[1] in capsys.readouterr().out + caplog.text


@pytest.mark.parametrize("path", [*PAGES[:2], "/subscribers/999", f"/auth/patch-id-token?shop={DOMAIN}"])
def test_every_page_has_its_headers_and_no_cookie(house: House, path: str) -> None:
    answer = house.client.get(path, headers={"Authorization": f"Bearer {id_token()}"})
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline'" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    assert "unsafe-eval" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Authorization" in answer.headers["Vary"]
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("address", "is_kept"),
    [
        (f"{HOME}/subscribers?shop=x", True),
        ("https://evil.example/", False),
        ("//evil.example/", False),
        ("http://127.0.0.1:8000.evil.example/", False),
        ("http://127.0.0.1:8000@evil.example/", False),
        ("http://127.0.0.1:8000\\@evil.example/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_the_token_page_leads_back_to_us_alone(house: House, address: str, is_kept: bool) -> None:
    assert (safe_reload(address, HOME) == address) is is_kept
    answer = house.client.get(f"/auth/patch-id-token?{urlencode({'shop': DOMAIN, 'shopify-reload': address})}")
    assert (answer.status_code == 200) is is_kept
    assert ("app-bridge.js" in answer.get_data(as_text=True)) is is_kept
    assert f"frame-ancestors https://{DOMAIN} " in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("/favicon.ico", b"\0\0\1\0"),
        ("/favicon.svg", b"<svg"),
        ("/apple-touch-icon.png", b"\x89PNG"),
        ("/apple-touch-icon-precomposed.png", b"\x89PNG"),
    ],
)
def test_the_icons_browsers_ask_every_site_for_are_there_and_kept(house: House, path: str, begins: bytes) -> None:
    answer = house.client.get(path, buffered=True)
    assert answer.status_code == 200
    assert answer.data.startswith(begins)
    assert len(answer.data) < 8_000
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    assert answer.headers["Content-Type"].startswith("image/")
    assert "Set-Cookie" not in answer.headers
