"""Any Flask application behind the adapter is what it is behind a WSGI server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from restock.web.errors import register_error_handlers
from restock.web.server.adapter import Adapter
from restock.web.server.bodies import MOST_OF_LARGE, SMALL, BodyReader
from restock.web.server.inline import inline_routes
from tests.web.server.calling import LONG, Exchange, FakeHeaders, FakeScope, LoopClient

LARGEST = 1000
FINISHED: list[str] = []


def make_app() -> Flask:
    app = Flask("adapted")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST

    @app.route("/environ", methods=["GET", "POST"])
    def environ() -> Response:
        return jsonify({key: value for key, value in request.environ.items() if isinstance(value, str)})

    @app.post("/size")
    def size() -> Response:
        return jsonify(size=len(request.get_data()), thread=threading.current_thread().name)

    @app.get("/pieces")
    def pieces() -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                for number in range(5):
                    yield f"{number}".encode()
            finally:
                FINISHED.append("pieces")

        return Response(pieces(), mimetype="text/csv")

    @app.get("/fails")
    def fails() -> Response:
        raise RuntimeError("unforeseen")

    @app.get("/slow")
    def slow() -> str:
        time.sleep(0.2)
        return "done"

    return app


@pytest.fixture
def client() -> Iterator[LoopClient]:
    FINISHED.clear()
    app = make_app()
    inline_routes(app)["/size"] = lambda environ: "HTTP_X_WAITS" not in environ
    client = LoopClient(Adapter(app, LARGEST))
    yield client
    client.close()


def call(served: LoopClient, pairs: list[tuple[str, str]], **facts: Any) -> Any:
    known: dict[str, Any] = {"method": "GET", "path": "/environ"} | facts
    return served.call(FakeScope(headers=FakeHeaders(pairs), **known), Exchange()).json


def test_headers_become_what_pep_3333_says(client: LoopClient) -> None:
    pairs = [("host", "shop.test"), ("accept", "a"), ("accept", "b"), ("cookie", "a=1"), ("cookie", "b=2")]
    said = call(client, [*pairs, ("content-type", "text/plain")])
    assert said["HTTP_ACCEPT"] == "a,b"
    assert said["HTTP_COOKIE"] == "a=1; b=2"
    assert said["CONTENT_TYPE"] == "text/plain"
    assert "HTTP_CONTENT_TYPE" not in said


def test_a_header_with_an_underscore_passes_for_no_other(client: LoopClient) -> None:
    assert "HTTP_X_FORWARDED_FOR" not in call(client, [("x_forwarded_for", "203.0.113.9")])


def test_who_asks_whom_for_what(client: LoopClient) -> None:
    said = call(client, [], client="[2001:db8::1]:443", authority="shop.test", query_string="a=%20")
    assert said["REMOTE_ADDR"] == "2001:db8::1"
    assert (said["SERVER_NAME"], said["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert said["HTTP_HOST"] == "shop.test"
    assert said["QUERY_STRING"] == "a=%20"


def test_a_query_sent_raw_is_the_bytes_it_was(client: LoopClient) -> None:
    """Flask would fail on a character that is no byte."""
    said = call(client, [("host", "shop.test")], query_string="a=€")
    assert said["QUERY_STRING"].encode("latin-1").decode() == "a=€"


def test_a_path_beyond_ascii_finds_its_route(client: LoopClient) -> None:
    client.adapter._app.add_url_rule("/größe", "grown", lambda: "found")
    assert client.begin("GET", "/größe").result(LONG).body == b"found"


def test_strangers_header_names_do_not_fill_the_memory(client: LoopClient) -> None:
    said = call(client, [(f"x-made-up-{number}", "1") for number in range(1500)])
    assert said["HTTP_X_MADE_UP_1499"] == "1"


def test_a_route_that_may_runs_on_the_loop_and_any_other_in_a_thread(client: LoopClient) -> None:
    assert client.post("/size", b"four").json == {"size": 4, "thread": "loop"}
    assert client.post("/size", b"four", {"X-Waits": "1"}).json["thread"].startswith("web")


def test_a_chunked_body_is_read_no_further_than_too_large(client: LoopClient) -> None:
    exchange = Exchange([b"x" * 600] * 5)
    headers = FakeHeaders([("host", "a"), ("transfer-encoding", "chunked"), ("x-waits", "1")])
    client.call(FakeScope("POST", "/size", headers), exchange)
    assert exchange.read == 2


def test_a_chunked_body_comes_whole(client: LoopClient) -> None:
    exchange = Exchange([b"x" * 300] * 3)
    client.call(FakeScope("POST", "/size", FakeHeaders([("host", "a"), ("transfer-encoding", "chunked")])), exchange)
    assert exchange.json["size"] == 900


def test_a_body_that_says_it_is_too_large_is_not_read_and_refused(client: LoopClient) -> None:
    exchange = Exchange([b"x" * 2000])
    client.call(FakeScope("POST", "/size", FakeHeaders([("host", "a"), ("content-length", "2000")])), exchange)
    assert (exchange.status, exchange.read) == (413, 0)


@pytest.mark.parametrize("said", [("content-length", "9"), ("transfer-encoding", "chunked")])
def test_who_never_ends_a_body_is_told_so_and_hung_up_on(said: tuple[str, str]) -> None:
    impatient = LoopClient(Adapter(make_app(), LARGEST, patience_seconds=0.2))
    exchange = Exchange([b"half"], ends="never")
    impatient.call(FakeScope("POST", "/size", FakeHeaders([("host", "a"), said])), exchange)
    assert (exchange.status, exchange.headers["Connection"]) == (408, "close")
    assert impatient.begin_post("/size", b"four").result(LONG).json["size"] == 4
    impatient.close()


def test_large_bodies_share_so_much_memory_and_give_it_back() -> None:
    reader = BodyReader(4 * SMALL, most_of_large=5 * SMALL)
    large: dict[str, Any] = {"CONTENT_LENGTH": str(3 * SMALL)}
    first = reader.take_room(large)
    assert first == 3 * SMALL
    assert reader.take_room(large) is None
    assert reader.take_room({"HTTP_TRANSFER_ENCODING": "chunked"}) is None
    assert reader.take_room({"CONTENT_LENGTH": str(SMALL)}) == 0
    assert reader.take_room({"CONTENT_LENGTH": str(5 * SMALL)}) == 0  # too large: it is not read
    reader.give_back(first)
    assert reader.take_room(large) == first


@pytest.mark.parametrize(("method", "size"), [("GET", 0), ("POST", 900)])
def test_by_http_2_a_body_may_come_unannounced_where_the_method_has_one(
    client: LoopClient, method: str, size: int
) -> None:
    client.adapter._app.add_url_rule("/sized", "sized", lambda: str(len(request.get_data())), methods=["GET", "POST"])
    exchange = Exchange([b"x" * 300] * 3)
    client.call(FakeScope(method, "/sized", FakeHeaders([("host", "a")]), http_version="2"), exchange)
    assert (exchange.body, exchange.read) == (str(size).encode(), 3 if size else 0)


def test_a_large_body_that_finds_no_room_is_told_to_come_again_and_the_next_finds_it() -> None:
    app = make_app()
    register_error_handlers(app)
    app.config["MAX_CONTENT_LENGTH"] = None
    client = LoopClient(Adapter(app, 100 * MOST_OF_LARGE, patience_seconds=LONG))
    held = Exchange([b"half"], ends="never")
    large = [("host", "a"), ("content-length", str(MOST_OF_LARGE))]
    waiting = asyncio.run_coroutine_threadsafe(
        client.adapter.__rsgi__(FakeScope("POST", "/size", FakeHeaders(large)), held), client.loop
    )
    refused = client.call(FakeScope("POST", "/size", FakeHeaders(large)), Exchange([b"half"], ends="leaves"))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert client.post("/size", b"four").status == 200
    waiting.cancel()
    client.on_loop(lambda: None)
    left = client.call(FakeScope("POST", "/size", FakeHeaders(large)), Exchange([b"half"], ends="leaves"))
    assert left.answers == 0  # it was let in
    client.close()


@pytest.mark.parametrize("said", [("content-length", "9"), ("transfer-encoding", "chunked")])
def test_who_leaves_in_the_middle_of_a_body_is_answered_nothing(client: LoopClient, said: tuple[str, str]) -> None:
    exchange = Exchange([b"half"], ends="leaves")
    client.call(FakeScope("POST", "/size", FakeHeaders([("host", "a"), said])), exchange)
    assert exchange.answers == 0


def test_an_answer_of_unknown_length_is_sent_in_pieces_and_closed(client: LoopClient) -> None:
    exchange = client.begin("GET", "/pieces", headers={"Host": "a"}).result(LONG)
    assert exchange.stream is not None
    assert exchange.stream.pieces == [b"0", b"1", b"2", b"3", b"4"]
    assert FINISHED == ["pieces"]


def test_a_reader_who_leaves_ends_the_answer_and_nothing_else(client: LoopClient) -> None:
    exchange = Exchange(reads_most=2)
    client.call(FakeScope("GET", "/pieces", FakeHeaders([("host", "a")])), exchange)
    assert exchange.stream is not None
    assert exchange.stream.pieces == [b"0", b"1"]
    assert FINISHED == ["pieces"]


def test_a_head_request_gets_no_body(client: LoopClient) -> None:
    exchange = client.begin("HEAD", "/pieces", headers={"Host": "a"}).result(LONG)
    assert (exchange.status, exchange.body, exchange.stream) == (200, b"", None)


def test_what_flask_makes_of_a_failure_is_the_answer(client: LoopClient) -> None:
    assert client.begin("GET", "/fails", headers={"Host": "a"}).result(LONG).status == 500


def test_slow_routes_hold_up_no_other_request(client: LoopClient) -> None:
    slow = [client.begin("GET", "/slow", headers={"Host": "a"}) for _ in range(3)]
    began = time.monotonic()
    assert client.post("/size", b"now").status == 200
    assert not any(one.done() for one in slow) or time.monotonic() - began > 0.2
    assert [one.result(LONG).body for one in slow] == [b"done"] * 3
