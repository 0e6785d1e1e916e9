"""Intents and webhooks on the loop: the same rows and the same answers as in a thread, whatever fails meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask
import psycopg
import pytest
from flask import Flask, request
from psycopg.conninfo import conninfo_to_dict

from restock.bootstrap import Services
from restock.config import Settings
from restock.shopify.signatures import sign_webhook
from restock.web.app import MAX_BODY_BYTES
from restock.web.server import is_inline
from restock.web.server.adapter import Adapter
from restock.web.server.lean_flask import LeanFlask
from tests.application import open_app
from tests.web.server.calling import LONG, Exchange, FakeHeaders, FakeScope, LoopClient

SHOP = "kettle.myshopify.com"
PATH, HOOKS = "/api/v1/intents.json", "/webhooks/shopify"


class Served:
    """The whole application on a loop, and a note of which requests ran there."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.services: Services = app.extensions["restock"]
        self.began = self.rows("SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")[0][0]
        self.inline: list[bool] = []
        app.before_request(lambda: self.inline.append(is_inline(request.environ)))
        self.wsgi = app.test_client()
        on_loop = (self.services.subscriptions.on_loop, self.services.inbox.on_loop)
        self.loop = LoopClient(
            Adapter(app, MAX_BODY_BYTES, lambda loop, threads: [one.attach(loop, threads) for one in on_loop])  # type: ignore[arg-type]
        )
        self.until_ready()

    def until_ready(self) -> None:
        deadline = time.monotonic() + LONG
        while not self.loop.on_loop(
            lambda: self.services.subscriptions.on_loop.is_ready and self.services.inbox.on_loop.is_ready
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def post(self, body: object, shop: str = SHOP) -> Exchange:
        self.services.shops.find(shop)  # so that it is remembered
        return self.loop.post(PATH, json.dumps(body).encode(), {"X-Shopify-Shop-Domain": shop})

    def cut_connections(self, url: str, **where: str) -> None:
        """End the connections that were opened since this was made; the test's own stays."""
        url = url.replace("+psycopg", "", 1)
        with psycopg.connect(**(conninfo_to_dict(url) | where), autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(_CUT, [conninfo_to_dict(url)["dbname"], self.began])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.services.database.hot().execute(query.encode()).fetchall()

    def close(self) -> None:
        for one in (self.services.subscriptions.on_loop, self.services.inbox.on_loop):
            self.loop.on_loop(one.close)
        self.loop.close()
        self.services.close()


def sign_up(address: str = "ada@example.com", variant: int = 111, **customer: object) -> dict[str, Any]:
    return {
        "intent": {"shopify_variant_id": variant, "shopify_product_id": 222, "channel": "email"},
        "customer": {"email": address, **customer},
    }


@pytest.fixture
def served(make_settings: Callable[..., Settings], clean_database: str, redis_url: str) -> Iterator[Served]:
    settings = make_settings(
        database_url=clean_database,
        redis_url=redis_url,
        shopify_api_secret="hush",
        smtp_url="smtp://127.0.0.1:1",
        intent_limit_client=1_000_000,
        intent_limit_address=1_000_000,
    )
    served = Served(open_app(settings))
    served.services.shops.add(SHOP)
    yield served
    served.close()


def test_a_post_is_answered_as_in_a_thread(served: Served) -> None:
    """Status, headers and fields are the same; ids, times and counters are each post's own."""
    there = served.post(sign_up("ada@example.com"))
    here = served.wsgi.post(PATH, json=sign_up("bob@example.com"), headers={"X-Shopify-Shop-Domain": SHOP})
    assert served.inline == [True, False]
    assert there.status == here.status_code == 201
    assert set(there.headers) == set(here.headers.keys())
    own = {"X-Request-Id", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Content-Length"}
    assert {name: value for name, value in there.headers.items() if name not in own} == {
        name: value for name, value in here.headers.items() if name not in own
    }
    assert len(there.body) == int(there.headers["Content-Length"])
    assert _shape(there.json) == _shape(here.get_json())
    assert served.rows("SELECT count(*) FROM intents") == [(2,)]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return re.sub(r"[0-9a-f]", "x", value) if isinstance(value, str) else type(value)


def test_every_hook_there_is_runs_on_the_loop_as_by_flask_alone(served: Served) -> None:
    app, ran = served.app, []
    assert isinstance(app, LeanFlask)

    def noted(hook: Any) -> Any:
        def note(*given: Any) -> Any:
            ran.append((hook.__module__, hook.__qualname__))
            return hook(*given)

        return note

    app.teardown_request(lambda _error: None)
    kinds = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs, app.url_value_preprocessors)
    for hooks in [hooks for kind in kinds for hooks in kind.values()] + [app.teardown_appcontext_funcs]:
        hooks[:] = [noted(hook) for hook in hooks]

    def hooks_of(body: object) -> list[tuple[str, str]]:
        ran.clear()
        served.post(body)
        return ran[:]

    bodies: tuple[object, ...] = (sign_up(), sign_up("no address"))
    hot = [hooks_of(body) for body in bodies]
    rules, app._rules = app._rules, {}
    with flask.signals.request_started.connected_to(lambda *_: None, app):
        assert [hooks_of(body) for body in bodies] == hot
    assert rules.keys() == {PATH, PATH.removesuffix(".json"), HOOKS}
    assert served.inline == [True] * 4
    assert all(len(hooks) >= 3 for hooks in hot)


def test_the_same_again_is_a_duplicate(served: Served) -> None:
    first = served.post(sign_up())
    again = served.post(sign_up(id=first.json["customer"]["id"]))
    assert (again.status, again.json["duplicate"]) == (200, True)
    assert again.json["intent"]["id"] == first.json["intent"]["id"]


def test_many_at_once_are_each_written_once(served: Served) -> None:
    """Twenty shoppers three times each, all at the same moment, on one address or another."""
    served.services.shops.find(SHOP)
    headers = {"X-Shopify-Shop-Domain": SHOP}
    posts = [json.dumps(sign_up(f"shopper-{number % 20}@example.com")).encode() for number in range(60)]
    answers = [one.result(LONG) for one in [served.loop.begin_post(PATH, post, headers) for post in posts]]
    assert {answer.status for answer in answers} == {201}
    assert all(answer.answers == 1 for answer in answers)
    assert served.rows("SELECT count(*), count(DISTINCT address_hash) FROM contacts") == [(20, 20)]
    assert served.rows("SELECT count(*) FROM subscriptions") == [(20,)]
    assert served.rows("SELECT count(*) FROM intents") == [(60,)]


def test_a_change_of_address_is_done_alone_and_answered_all_the_same(served: Served) -> None:
    first = served.post(sign_up("old@example.com"))
    moved = served.post(sign_up("new@example.com", id=first.json["customer"]["id"]))
    assert moved.status == 200
    assert served.rows("SELECT address FROM contacts JOIN intents ON intents.contact_id = contacts.id") == [
        ("new@example.com",)
    ]


def test_a_shop_that_is_not_remembered_is_looked_up_in_a_thread(served: Served) -> None:
    served.services.shops.memory.forget(SHOP)
    answer = served.loop.post(PATH, json.dumps(sign_up()).encode(), {"X-Shopify-Shop-Domain": SHOP})
    assert (answer.status, served.inline) == (201, [False])


def test_a_shop_whose_memory_ends_between_question_and_view_is_not_looked_up_on_the_loop(served: Served) -> None:
    """The memory is emptied by the very question whether the post may run inline."""
    shops = served.services.shops
    shops.find(SHOP)
    shops.ahead.keep_known = shops.memory.forget  # type: ignore[method-assign]
    answer = served.loop.post(PATH, json.dumps(sign_up()).encode(), {"X-Shopify-Shop-Domain": SHOP})
    assert (answer.status, served.inline) == (201, [True])
    assert shops.memory.recall(SHOP) == (False, None), "nobody asked the database for it"


def test_a_faulty_post_is_refused_on_the_spot_with_every_header(served: Served) -> None:
    answer = served.post(sign_up("no address"))
    assert (answer.status, served.inline) == (400, [True])
    assert answer.json["error"]["details"][0]["field"] == "customer.email"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["X-Request-Id"] == answer.json["error"]["request_id"]


def test_who_never_ends_a_body_is_answered_as_by_the_application(served: Served) -> None:
    impatient = LoopClient(Adapter(served.app, MAX_BODY_BYTES, patience_seconds=0.2))
    exchange = Exchange([b"half"], ends="never")
    headers = FakeHeaders(
        [("content-length", "9"), ("content-type", "application/json"), ("x-shopify-shop-domain", SHOP)]
    )
    impatient.call(FakeScope("POST", PATH, headers), exchange)
    assert (exchange.status, exchange.json["error"]["code"]) == (408, "UNAVAILABLE")
    assert exchange.headers["X-Request-Id"] == exchange.json["error"]["request_id"]
    assert (exchange.headers["Connection"], exchange.headers["Access-Control-Allow-Origin"]) == ("close", "*")
    impatient.close()


def test_a_shop_erased_meanwhile_is_not_found(served: Served) -> None:
    served.services.shops.find(SHOP)
    served.services.database.hot().execute("DELETE FROM shops")
    answer = served.loop.post(PATH, json.dumps(sign_up()).encode(), {"X-Shopify-Shop-Domain": SHOP})
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-RateLimit-Limit" in answer.headers


_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = %s AND application_name = 'restock' AND backend_start > %s
"""


def test_a_lost_connection_loses_no_post(served: Served, clean_database: str) -> None:
    """What was under way is done alone, what comes next waits in threads, and then the loop writes again."""
    served.services.shops.find(SHOP)
    headers = {"X-Shopify-Shop-Domain": SHOP}
    under_way = []
    for number in range(40):
        if number == 20:
            served.cut_connections(clean_database)
        post = json.dumps(sign_up(f"shopper-{number}@example.com")).encode()
        under_way.append(served.loop.begin_post(PATH, post, headers))
    assert {one.result(LONG).status for one in under_way} == {201}
    served.until_ready()
    served.inline.clear()
    assert served.post(sign_up("last@example.com")).status == 201
    assert served.inline == [True]
    assert served.rows("SELECT count(*) FROM contacts") == [(41,)]


def test_while_the_database_is_away_posts_are_told_to_come_again(served: Served, clean_database: str) -> None:
    served.services.shops.find(SHOP)
    server = clean_database.replace("+psycopg", "", 1)
    name = conninfo_to_dict(server)["dbname"]
    with psycopg.connect(server, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        try:
            served.cut_connections(server, dbname="postgres")
            answer = served.loop.post(PATH, json.dumps(sign_up()).encode(), {"X-Shopify-Shop-Domain": SHOP})
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    assert (answer.status, answer.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def _hook(served: Served, body: bytes, webhook_id: str, secret: str = "hush") -> Exchange:
    headers = {
        "X-Shopify-Hmac-Sha256": sign_webhook(secret, body),
        "X-Shopify-Topic": "inventory_levels/update",
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Webhook-Id": webhook_id,
    }
    return served.loop.post(HOOKS, body, headers)


def test_a_webhook_is_stored_once_however_often_it_comes(served: Served) -> None:
    answers = [_hook(served, b'{"available": 1}', "w-1") for _ in range(3)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 3
    assert served.inline == [True] * 3
    assert served.rows("SELECT webhook_id, body FROM inbox_messages") == [("w-1", b'{"available": 1}')]


def test_a_webhook_of_a_stranger_is_refused_on_the_spot(served: Served) -> None:
    assert _hook(served, b"{}", "w-1", secret="other").status == 401
    assert served.rows("SELECT count(*) FROM inbox_messages") == [(0,)]


def test_a_large_webhook_is_stored_in_a_thread(served: Served) -> None:
    assert _hook(served, b"x" * 70_000, "w-1").status == 200
    assert served.inline == [False]
    assert served.rows("SELECT length(body) FROM inbox_messages") == [(70_000,)]


def test_an_answer_given_later_has_its_line_with_route_and_status(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = served.post(sign_up())
    deadline, said = time.monotonic() + LONG, ""
    while answer.headers["X-Request-Id"] not in said:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        said += capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if answer.headers["X-Request-Id"] in line]
    assert line.startswith(f"POST {PATH} 201 ")
