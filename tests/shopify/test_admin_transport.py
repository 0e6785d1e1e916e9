"""What happens when the outside is bad: every bad answer has its own error, in time, and leaks nothing."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from restock.shopify.admin_api import HttpAdminApi
from restock.shopify.admin_api.asking import Paces
from restock.shopify.admin_api.transport import Transport
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminSurpriseError,
    AdminThrottledError,
    AdminUnauthorizedError,
    AdminUnavailableError,
)
from restock.shopify.values import Access
from tests.shopify.shop_server import Asked, Handler, ShopServer, send, shop_server

ACCESS = Access("demo.myshopify.com", "shpat_secret")
GIDS = "gid://shopify/"


@pytest.fixture
def server() -> Iterator[ShopServer]:
    with shop_server() as shop:
        yield shop


@pytest.fixture
def open_api(server: ShopServer) -> Iterator[Callable[..., HttpAdminApi]]:
    opened: list[HttpAdminApi] = []

    def open_one(paces: Paces | None = None, path: str = "/{shop}", **limits: float) -> HttpAdminApi:
        limits = {"connect_seconds": 10.0, "whole_seconds": 20.0} | limits
        opened.append(HttpAdminApi(Transport("2026-10", server.url + path, **limits), paces))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for api in opened:
        api.close()


def variant(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": f"{GIDS}ProductVariant/{number}",
        "availableForSale": True,
        "inventoryPolicy": "DENY",
        "inventoryQuantity": 3,
        "sellableOnlineQuantity": 3,
        "inventoryItem": {"id": f"{GIDS}InventoryItem/{number + 1}", "tracked": True},
        "product": {"id": f"{GIDS}Product/{number + 2}", "status": "ACTIVE", "onlineStoreUrl": "https://demo/p"},
    } | changes


def data_with(*nodes: object) -> dict[str, object]:
    return {"data": {"nodes": list(nodes)}}


def test_a_question_is_put_as_shopify_documents_it(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    server.says(data_with(variant(2**62)))
    assert open_api().stock(ACCESS, [2**62])[2**62].inventory_item_id == 2**62 + 1
    (asked,) = server.asked
    assert asked.path == "/demo.myshopify.com/admin/api/2026-10/graphql.json"
    assert asked.token == "shpat_secret"
    assert asked.body["variables"] == {"ids": [f"{GIDS}ProductVariant/{2**62}"]}
    assert asked.body["operationName"] == "RestockStock"
    assert "query RestockStock" in asked.body["query"]


def test_without_ids_nobody_is_asked(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    api = open_api()
    assert (api.stock(ACCESS, []), api.levels(ACCESS, [])) == ({}, {})
    assert server.asked == []


@pytest.mark.parametrize("domain", ["evil.com", "demo", "demo.myshopify.com.evil.com", "a b", "", "DEMO.myshopify.com"])
def test_a_domain_that_is_no_shops_is_asked_nothing(
    server: ShopServer, open_api: Callable[..., HttpAdminApi], domain: str
) -> None:
    with pytest.raises(ValueError, match="not the domain of a shop"):
        open_api().shop(Access(domain, "t"))
    assert server.asked == []


@pytest.mark.parametrize("ids", [range(1, 252), [0], [-1], [2**63]])
def test_too_many_ids_and_what_is_no_id_are_refused(open_api: Callable[..., HttpAdminApi], ids: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        open_api().stock(ACCESS, ids)


GOOD = json.dumps(data_with(variant(7))).encode()
ANSWERS: list[tuple[str, type[AdminError], dict[str, Any]]] = [
    ("401", AdminUnauthorizedError, {"body": b'{"errors":"[API] Invalid API key or access token"}', "status": 401}),
    ("402 frozen", AdminForbiddenError, {"body": b"{}", "status": 402}),
    ("403", AdminForbiddenError, {"body": b'{"errors":"shpat_secret"}', "status": 403}),
    ("404 no shop", AdminForbiddenError, {"body": b'{"errors":"Not Found"}', "status": 404}),
    ("423 locked", AdminForbiddenError, {"body": b"", "status": 423}),
    ("429", AdminThrottledError, {"body": b"", "status": 429, "Retry_After": "2.0"}),
    ("400", AdminSurpriseError, {"body": b'{"errors":{"query":"Required parameter missing"}}', "status": 400}),
    ("a 502 page", AdminUnavailableError, {"body": b"<html>Bad gateway", "status": 502, "Content_Type": "text/html"}),
    ("503 as JSON", AdminUnavailableError, {"body": GOOD, "status": 503}),
    ("a page with 200", AdminUnavailableError, {"body": b"<!doctype html><h1>Maintenance</h1>"}),
    ("nothing", AdminUnavailableError, {"body": b""}),
    ("half", AdminUnavailableError, {"body": GOOD[:40]}),
    ("cut off", AdminUnavailableError, {"body": GOOD[:40], "length": len(GOOD)}),
    ("ten megabytes", AdminUnavailableError, {"body": b" " * 10_000_000}),
    ("not UTF-8", AdminUnavailableError, {"body": b'{"data":"\xff\xfe"}'}),
    ("not gzip", AdminUnavailableError, {"body": b"not gzip", "Content_Encoding": "gzip"}),
    ("half a gzip", AdminUnavailableError, {"body": gzip.compress(GOOD * 50)[:60], "Content_Encoding": "gzip"}),
    ("too deep", AdminUnavailableError, {"body": b"[" * 200_000}),
    ("a list", AdminSurpriseError, {"body": b"[]"}),
    ("null", AdminSurpriseError, {"body": b"null"}),
    ("an empty object", AdminSurpriseError, {"body": b"{}"}),
    ("null data", AdminSurpriseError, {"body": b'{"data":null}'}),
    ("data as text", AdminSurpriseError, {"body": b'{"data":"secret"}'}),
    ("no nodes", AdminSurpriseError, {"body": b'{"data":{}}'}),
    ("nodes as text", AdminSurpriseError, {"body": b'{"data":{"nodes":"secret"}}'}),
    ("a number as node", AdminSurpriseError, {"body": b'{"data":{"nodes":[7]}}'}),
    ("errors as text", AdminSurpriseError, {"body": b'{"errors":"secret"}'}),
    ("errors as object", AdminSurpriseError, {"body": b'{"data":{"nodes":[]},"errors":{"secret":1}}'}),
    ("a redirect", AdminUnavailableError, {"body": b"", "status": 302, "Location": "/elsewhere"}),
    ("a redirect that keeps POST", AdminUnavailableError, {"body": b"", "status": 308, "Location": "/elsewhere"}),
]


@pytest.mark.parametrize(("fault", "answer"), [one[1:] for one in ANSWERS], ids=[one[0] for one in ANSWERS])
def test_a_bad_answer_is_the_error_it_stands_for_and_repeats_nothing(
    server: ShopServer,
    open_api: Callable[..., HttpAdminApi],
    capfd: pytest.CaptureFixture[str],
    fault: type[AdminError],
    answer: dict[str, Any],
) -> None:
    server.sends(**answer)
    with pytest.raises(fault) as raised:
        open_api().stock(ACCESS, [7])
    assert type(raised.value) is fault
    assert len(server.asked) == 1
    assert "secret" not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert capfd.readouterr() == ("", "")


def test_a_gzipped_answer_is_read(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    server.sends(gzip.compress(GOOD), Content_Encoding="gzip")
    assert 7 in open_api().stock(ACCESS, [7])


def _hang(release: threading.Event, before: bytes = b"") -> Callable[[Handler, Asked], None]:
    def answer(handler: Handler, _: Asked) -> None:
        handler.wfile.write(before)
        handler.wfile.flush()
        release.wait(300)
        handler.close_connection = True

    return answer


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\n", HEAD, HEAD + b'{"data"'])
def test_a_shop_that_hangs_is_left_after_the_time_limit(
    server: ShopServer, open_api: Callable[..., HttpAdminApi], before: bytes
) -> None:
    release = threading.Event()
    server.answer = _hang(release, before)
    started = time.monotonic()
    with pytest.raises(AdminUnavailableError):
        open_api(whole_seconds=0.2).stock(ACCESS, [7])
    release.set()
    assert time.monotonic() - started < 100, "the shop would have hung for five minutes"


def test_a_shop_that_drips_is_left_after_the_time_limit(
    server: ShopServer, open_api: Callable[..., HttpAdminApi]
) -> None:
    def drip(handler: Handler, _: Asked) -> None:
        handler.wfile.write(HEAD)
        for _ in range(6000):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    server.answer = drip
    started = time.monotonic()
    with pytest.raises(AdminUnavailableError):
        open_api(whole_seconds=0.2).stock(ACCESS, [7])
    assert time.monotonic() - started < 100, "the shop would have gone on for five minutes"


def test_a_connection_that_is_cut_or_refused_is_no_answer(
    server: ShopServer, open_api: Callable[..., HttpAdminApi]
) -> None:
    def cut(handler: Handler, _: Asked) -> None:
        handler.close_connection = True

    server.answer = cut
    with pytest.raises(AdminUnavailableError):
        open_api().shop(ACCESS)
    nobody = HttpAdminApi(Transport("2026-10", "http://127.0.0.1:1"))
    with pytest.raises(AdminUnavailableError):
        nobody.shop(ACCESS)


def test_the_time_limit_is_nobody_elses(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    """No default of Python's sockets, openers or shopifyapi's session is touched."""
    import socket
    import urllib.request

    import shopify

    before = (socket.getdefaulttimeout(), urllib.request.urlopen, shopify.GraphQL.execute, shopify.ShopifyResource.site)
    server.sends(GOOD)
    open_api().stock(ACCESS, [7])
    assert before == (
        socket.getdefaulttimeout(),
        urllib.request.urlopen,
        shopify.GraphQL.execute,
        shopify.ShopifyResource.site,
    )
    assert "X-Shopify-Access-Token" not in shopify.ShopifyResource.headers


def test_a_proxy_of_the_environment_is_not_used(
    server: ShopServer, open_api: Callable[..., HttpAdminApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.sends(GOOD)
    assert 7 in open_api().stock(ACCESS, [7])


def test_threads_that_ask_different_shops_never_mix_them(
    server: ShopServer, open_api: Callable[..., HttpAdminApi]
) -> None:
    def answer(handler: Handler, asked: Asked) -> None:
        number = int(asked.path.split(".")[0].removeprefix("/shop-"))
        mine = variant(number) if asked.token == f"token-{number}" else None
        send(handler, json.dumps(data_with(mine)).encode())

    server.answer = answer
    api = open_api()

    def ask_often(number: int) -> list[bool]:
        access = Access(f"shop-{number}.myshopify.com", f"token-{number}")
        return [list(api.stock(access, [number])) == [number] for _ in range(50)]

    with ThreadPoolExecutor(8) as threads:
        assert [all(answers) for answers in threads.map(ask_often, range(1, 9))] == [True] * 8
    assert len(server.asked) == 400


def test_a_dead_shop_costs_nothing_and_holds_nobody_up(
    server: ShopServer, open_api: Callable[..., HttpAdminApi]
) -> None:
    now = [1000.0]
    api = open_api(Paces(lambda: now[0]))
    dead = Access("dead.myshopify.com", "t")
    server.answer = lambda handler, asked: send(handler, *((b"", 502) if "/dead." in asked.path else (GOOD, 200)))
    for _ in range(10):
        with pytest.raises(AdminUnavailableError):
            api.stock(dead, [7])
        assert 7 in api.stock(ACCESS, [7])
    assert sum("/dead." in one.path for one in server.asked) == 3
    now[0] += 6
    server.sends(GOOD)
    assert 7 in api.stock(dead, [7])
    assert 7 in api.stock(dead, [7])


def _with_cost(value: dict[str, Any], available: float, cost: float = 3) -> dict[str, Any]:
    status = {"maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": 50.0}
    return value | {"extensions": {"cost": {"requestedQueryCost": cost, "throttleStatus": status}}}


THROTTLED = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}


def test_a_shop_without_points_is_not_asked_until_they_are_back(
    server: ShopServer, open_api: Callable[..., HttpAdminApi]
) -> None:
    now = [1000.0]
    api = open_api(Paces(lambda: now[0]))
    server.says(_with_cost(data_with(variant(7)), available=100))
    api.stock(ACCESS, [7])
    with pytest.raises(AdminThrottledError) as raised:
        api.stock(ACCESS, range(1, 101))  # 300 points of 100, at 50 a second
    assert raised.value.wait_seconds == pytest.approx(4.0)
    assert len(server.asked) == 1
    now[0] += 4.1
    api.stock(ACCESS, range(1, 101))
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        ({"value": THROTTLED}, 1.0),
        ({"value": _with_cost(THROTTLED, available=100, cost=500)}, 8.0),
        ({"value": {}, "status": 429, "Retry_After": "2.5"}, 2.5),
        ({"value": {}, "status": 429, "Retry_After": "0"}, 1.0),
        ({"value": {}, "status": 429, "Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1.0),
        ({"value": {}, "status": 429, "Retry_After": "999999"}, 60.0),
        ({"value": {}, "status": 429}, 1.0),
    ],
)
def test_when_shopify_asks_to_wait_nobody_asks_before(
    server: ShopServer, open_api: Callable[..., HttpAdminApi], answer: dict[str, Any], wait: float
) -> None:
    now = [1000.0]
    api = open_api(Paces(lambda: now[0]))
    server.says(**answer)
    for _ in range(2):
        with pytest.raises(AdminThrottledError) as raised:
            api.shop(ACCESS)
        assert raised.value.wait_seconds == pytest.approx(wait)
    assert len(server.asked) == 1


def test_the_price_shopify_charges_is_learned(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    now = [1000.0]
    api = open_api(Paces(lambda: now[0]))
    server.says(_with_cost(data_with(variant(7)), available=700, cost=6))  # twice the estimate
    api.stock(ACCESS, [7])
    with pytest.raises(AdminThrottledError) as raised:
        api.stock(ACCESS, range(1, 151))
    assert raised.value.wait_seconds == pytest.approx((900 - 700) / 50)


def test_the_paces_of_many_shops_are_bounded(server: ShopServer, open_api: Callable[..., HttpAdminApi]) -> None:
    api = open_api(Paces(most_shops=2))
    server.sends(b"", status=502)
    for number in (1, 2, 3):
        for _ in range(4):
            with pytest.raises(AdminUnavailableError):
                api.shop(Access(f"shop-{number}.myshopify.com", "t"))
    assert len(server.asked) == 9
    with pytest.raises(AdminUnavailableError):
        api.shop(Access("shop-1.myshopify.com", "t"))
    assert len(server.asked) == 10, "the first was forgotten, so it is asked again"
