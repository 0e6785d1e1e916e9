"""An answer whose status and body come when a write is done.

Flask has done everything else by then: hooks have run and headers stand. What fails on the way becomes the same answer
as ever, by the application's own error handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, current_app, request

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
        self._written: asyncio.Future[Any] = written
        self._finish: Callable[[Any], tuple[int, bytes]] = finish

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Begin the answer: the server finds it by `awaited`."""
        self._environ, self._start = environ, start_response
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 (documented for this use)
        self._request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 (the same)
        environ[_LATER] = self
        return ()

    async def body(self) -> bytes:
        """Wait for the write, start the response, and return its body."""
        try:
            status, body = self._finish(await self._written)
        except Exception as error:  # noqa: BLE001 (the outer door: Flask's own is behind us)
            return self._failed(error)
        headers = self.headers.to_wsgi_list()
        headers.append(("Content-Length", str(len(body))))
        self._environ[_REQUEST] = self._request  # the access log asks it for the route
        self._start(_STATUS_LINES[status], headers)
        self._environ[_REQUEST] = None
        return body

    def _failed(self, error: Exception) -> bytes:
        """Answer as Flask would have, had the view raised it."""
        with self._app.request_context(self._environ):
            response = self._app.finalize_request(self._app.handle_user_exception(error), from_error_handler=True)
            return b"".join(response(self._environ, self._start))


def awaited(environ: WSGIEnvironment) -> Later | None:
    """Give the answer that is still to come; None where the application has answered."""
    later: Later | None = environ.get(_LATER)
    return later
