"""Answers the two routes that carry the load before Flask; everything else, and every failure, is Flask's.

A request through Flask costs more than all that these routes do for it (docs/performance.md). A route here must need
nothing of Flask: no request, no hooks. When it fails, the request goes to Flask after all, where the same failure is
raised again and becomes the same answer as everywhere. Without `Shortcuts` around the application the routes work the
same, through Flask alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Flask, Response, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.sansio.app import App

ROUTE = "restock.route"  # where a route answered here leaves its pattern, for the access log
_FAILURE = "restock.failure"
_ROUTES = "restock.shortcuts"

Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """What a route answers. `status` is the whole line, such as `201 CREATED`."""

    status: str
    headers: Headers
    body: bytes

    def response(self) -> Response:
        """Say it as Flask does."""
        return Response(self.body, self.status, self.headers)


class Shortcut(NamedTuple):
    """How a POST is answered. `finish` says what Flask's own hook would add to every answer of the blueprint."""

    answer: Callable[[WSGIEnvironment], Answer]
    finish: Callable[[WSGIEnvironment], Headers]


def add_post(blueprint: Blueprint, paths: Sequence[str], endpoint: str, shortcut: Shortcut) -> None:
    """Let a blueprint answer POST on fixed paths, before Flask where the application has `Shortcuts`."""

    def view() -> Response:
        failure = request.environ.pop(_FAILURE, None)
        if failure is not None:
            raise failure
        return shortcut.answer(request.environ).response()

    for path in paths:
        blueprint.add_url_rule(path, endpoint, view, methods=["POST"], provide_automatic_options=False)
    blueprint.record(lambda state: _routes_of(state.app).update(dict.fromkeys(paths, shortcut)))


class Shortcuts:
    """The WSGI application before Flask's."""

    def __init__(self, app: Flask) -> None:
        self._flask, self._routes = app.wsgi_app, _routes_of(app)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        shortcut = self._routes.get(path)
        if shortcut is None or environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_LENGTH"):
            return self._flask(environ, start_response)  # chunked bodies too: Werkzeug knows how to read them
        try:
            status, headers, body = shortcut.answer(environ)
        except Exception as failure:  # noqa: BLE001 (an outer door: Flask's error handlers answer)
            environ[_FAILURE] = failure
            return self._flask(environ, start_response)
        environ[ROUTE] = path
        start_response(status, [*headers, ("Content-Length", str(len(body))), *shortcut.finish(environ)])
        return (body,)


def _routes_of(app: App) -> dict[str, Shortcut]:
    routes: dict[str, Shortcut] = app.extensions.setdefault(_ROUTES, {})
    return routes
