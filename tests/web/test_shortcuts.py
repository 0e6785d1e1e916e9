"""A request answered before Flask is answered as Flask would have."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from werkzeug.test import TestResponse

from restock.errors import NotFoundError
from restock.web.errors import register_error_handlers
from restock.web.wsgi.shortcuts import Answer, Shortcut, Shortcuts, add_post

BODY = b'{"a": 1}'


class Door:
    """Counts what it is asked; a body of `no` is refused, one of `bug` is a fault of ours."""

    def __init__(self) -> None:
        self.count = 0

    def answer(self, environ: dict[str, object]) -> Answer:
        self.count += 1
        body = environ["wsgi.input"].read(int(str(environ["CONTENT_LENGTH"] or 0)))  # type: ignore[attr-defined]
        if body == b"no":
            raise NotFoundError("There is no such thing.")
        if body == b"bug":
            raise KeyError("ours")
        return Answer("201 CREATED", [("Content-Type", "application/json")], body)


@pytest.fixture(params=["before Flask", "through Flask"])
def app(request: pytest.FixtureRequest) -> Flask:
    app = Flask("door")
    register_error_handlers(app)
    app.extensions["door"] = door = Door()
    blueprint = Blueprint("door", __name__)
    add_post(blueprint, ["/posts"], "posts", Shortcut(door.answer, lambda _environ: [("X-Always", "yes")]))

    @blueprint.after_request
    def always(response):  # type: ignore[no-untyped-def]
        response.headers["X-Always"] = "yes"
        return response

    app.register_blueprint(blueprint)
    if request.param == "before Flask":
        app.wsgi_app = Shortcuts(app)  # type: ignore[method-assign]
    return app


def said(answer: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.data, dict(answer.headers)


def test_a_post_is_answered_with_its_status_body_and_headers(app: Flask) -> None:
    expected = {"Content-Type": "application/json", "Content-Length": str(len(BODY)), "X-Always": "yes"}
    assert said(app.test_client().post("/posts", data=BODY)) == (201, BODY, expected)


@pytest.mark.parametrize(("body", "status"), [(b"no", 404), (b"bug", 500)])
def test_a_failure_has_the_envelope_of_every_other_and_happens_once(app: Flask, body: bytes, status: int) -> None:
    answer = app.test_client().post("/posts", data=body)
    assert (answer.status_code, answer.headers["X-Always"]) == (status, "yes")
    assert set(answer.get_json()) == {"error", "errors"}
    assert app.extensions["door"].count == 1


def test_other_methods_and_paths_are_flasks(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/posts").status_code == 405
    assert client.post("/other", data=BODY).status_code == 404
    assert app.extensions["door"].count == 0
