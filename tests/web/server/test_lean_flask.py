"""The application's Flask is Flask: what is left out is missed by nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import flask
import pytest
from flask import g, request, session, url_for

from restock.web.server.inline import run_inline
from restock.web.server.lean_flask import LeanFlask


def make(kind: type[flask.Flask]) -> flask.Flask:
    app = kind("seen")

    @app.route("/p/<path:rest>", methods=["GET", "POST"])
    def seen(rest: str) -> dict[str, object]:
        return {
            "rest": rest,
            "url": request.url,
            "host": request.host,
            "here": url_for("seen", rest="ä b", _external=True),
            "scheme": request.scheme,
            "args": dict(request.args),
            "session": dict(session),
        }

    @app.get("/slash/")
    def slash() -> str:
        return "slash"

    return app


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/p/plain?a=1&b=%C3%A4", {}),
        ("/p/gr%C3%B6%C3%9Fe", {"Host": "shop.test:8080"}),
        ("/p/x", {"Host": "XN--BCHER-KVA.example"}),
        ("/p/x", {"Host": "bad host"}),
        ("/p/x", {"Host": "a" * 70 + ".example"}),
        ("/p/x", {"Host": ""}),
        ("/nowhere", {}),
        ("/slash", {"Host": "shop.test:443"}),
    ],
)
def test_it_answers_as_flask_does(path: str, headers: dict[str, str]) -> None:
    ours, theirs = (make(kind).test_client().get(path, headers=headers) for kind in (LeanFlask, flask.Flask))
    assert (ours.status_code, ours.data) == (theirs.status_code, theirs.data)
    assert ours.headers.get("Location") == theirs.headers.get("Location")


def test_a_wrong_method_is_refused_as_by_flask() -> None:
    answer = make(LeanFlask).test_client().put("/p/x")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_nobody_can_write_to_the_session() -> None:
    app = LeanFlask("writes")

    @app.get("/")
    def write() -> str:
        with pytest.raises(RuntimeError, match="session is unavailable"):
            session["a"] = 1
        return "refused"

    assert app.test_client().get("/").data == b"refused"


def test_a_hot_path_leads_to_its_view_and_hooks_as_any_other() -> None:
    def make_hot(kind: type[flask.Flask]) -> flask.Flask:
        app, hot = kind("hot"), flask.Blueprint("hot", __name__, url_prefix="")
        hot.before_request(lambda: g.setdefault("hooks", ["before"]) and None)
        hot.add_url_rule("/hot", "hot", lambda: f"{g.hooks} {request.endpoint} {request.args['a']}", methods=["POST"])
        hot.after_request(lambda response: (response.headers.add("X-After", "hot"), response)[1])
        run_inline(hot, "/hot", lambda _environ: True)
        app.register_blueprint(hot)
        return app

    for _ in range(2):
        ours, theirs = (make_hot(kind) for kind in (LeanFlask, flask.Flask))
        for method in ("POST", "POST", "GET", "OPTIONS"):
            seen = [app.test_client().open("/hot?a=1", method=method) for app in (ours, theirs)]
            assert seen[0].status_code == seen[1].status_code
            assert seen[0].data == seen[1].data
            assert seen[0].headers.getlist("X-After") == seen[1].headers.getlist("X-After")


def test_who_listens_to_signals_hears_them() -> None:
    app, heard = make(LeanFlask), []

    def hear(name: str) -> Callable[..., None]:
        return lambda *_senders, **_facts: heard.append(name)

    names = ("request_started", "request_finished", "request_tearing_down", "appcontext_tearing_down")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(getattr(flask.signals, name).connected_to(hear(name), app))
        app.test_client().get("/p/x")
    assert tuple(heard) == names


def test_what_is_to_be_ended_with_a_request_is_ended() -> None:
    app, ended = make(LeanFlask), []
    app.teardown_request(lambda _error: ended.append("request"))
    app.teardown_appcontext(lambda _error: ended.append("context"))
    app.test_client().get("/p/x")
    assert ended == ["request", "context"]
