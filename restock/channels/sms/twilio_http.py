"""The HTTP under Twilio's client: pooled connections, a timeout for every call, no redirects, no proxy from outside.

Twilio's own default has no timeout and hides `Retry-After`. It also tells apart what the caller must know after a
failure: surely not sent, or perhaps sent. Never logs a request: it holds a number and a text.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlencode

import urllib3
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, SSLError
from urllib3.util import make_headers


class NotSentError(TwilioException):  # type: ignore[misc]  # twilio ships no types
    """No connection: nothing was sent."""


class NoAnswerError(TwilioException):  # type: ignore[misc]
    """Sent, and no answer came: Twilio may have taken it."""


class PooledHttpClient(HttpClient):  # type: ignore[misc]  # twilio ships no types
    """Serve several threads over one pool of connections."""

    def __init__(self, *, threads: int, connect_seconds: float, read_seconds: float) -> None:
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._pool = urllib3.PoolManager(maxsize=threads, block=False, timeout=self._timeout, retries=False)
        self._local = threading.local()

    @property
    def retry_after(self) -> str | None:
        """The `Retry-After` of this thread's last answer."""
        return getattr(self._local, "retry_after", None)

    def request(  # noqa: PLR0917 (the library's signature)
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 (ours is fixed)
        allow_redirects: bool = False,  # noqa: ARG002 (never)
    ) -> Response:
        """Make one call; raise NotSentError or NoAnswerError when it got no answer."""
        self._local.retry_after = None
        target = f"{uri}?{urlencode(params, doseq=True)}" if params else uri
        body = urlencode(data, doseq=True) if data else None
        all_headers = {**(headers or {}), **(make_headers(basic_auth=":".join(auth)) if auth else {})}
        answer = self._call(method.upper(), target, body, all_headers)
        self._local.retry_after = answer.headers.get("Retry-After")
        return Response(answer.status, answer.data.decode("utf-8", "replace"), dict(answer.headers))

    def _call(self, method: str, uri: str, body: str | None, headers: dict[str, str]) -> Any:
        try:
            return self._pool.request(method, uri, body=body, headers=headers, redirect=False)
        except (NewConnectionError, ConnectTimeoutError, NameResolutionError, SSLError):
            raise NotSentError("Twilio cannot be reached") from None
        except (HTTPError, OSError):
            raise NoAnswerError("Twilio did not answer") from None

    def close(self) -> None:
        """Close the pooled connections; the client may be used again."""
        self._pool.clear()
