"""The application's Flask is Flask: what is left out is missed by nobody."""

from __future__ import annotations

import flask
import pytest
from flask import request, session, url_for

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
