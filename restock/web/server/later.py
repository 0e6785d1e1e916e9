"""An answer whose status and body come when a write is done.

Flask has done everything else by then: hooks have run and headers stand. What fails on the way becomes the same answer
as ever, by the application's own error handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Written = TypeVar("Written")

_LATER, _REQUEST = "restock.later", "werkzeug.request"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}


class Later(Response):
    """Answer with what `finish` makes of the written: a status and a body of the given type."""

    def __init__(
        self, written: asyncio.Future[Written], finish: Callable[[Written], tuple[int, bytes]], content_type: str
    ) -> None:
        super().__init__(content_type=content_type)
        self._more: list[tuple[str, str]] = []
        self._written: asyncio.Future[Any] = written
        self._finish: Callable[[Any], tuple[int, bytes]] = finish

    def add_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Add headers of our own making, which need no check."""
        self._more.extend(headers)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Begin the answer: the server finds it by `awaited`."""
        self._environ, self._start, self._request = environ, start_response, environ[_REQUEST]
        environ[_LATER] = self
        return ()

    async def body(self, app: Flask) -> bytes:
        """Wait for the write, start the response, and return its body; `app` says what a failure is answered with."""
        try:
            status, body = self._finish(await self._written)
        except Exception as error:  # noqa: BLE001 (the outer door: Flask's own is behind us)
            return self._failed(app, error)
        headers = [*self.headers, *self._more, ("Content-Length", str(len(body)))]
        self._environ[_REQUEST] = self._request  # the access log asks it for the route
        self._start(_STATUS_LINES[status], headers)
        self._environ[_REQUEST] = None
        return body

    def _failed(self, app: Flask, error: Exception) -> bytes:
        """Answer as Flask would have, had the view raised it."""
        with app.request_context(self._environ):
            response = app.finalize_request(app.handle_user_exception(error), from_error_handler=True)
            return b"".join(response(self._environ, self._start))


def awaited(environ: WSGIEnvironment) -> Later | None:
    """Take the answer that is still to come; None where the application has answered."""
    later: Later | None = environ.pop(_LATER, None)
    return later
