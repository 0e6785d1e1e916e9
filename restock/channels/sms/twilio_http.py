"""The HTTP under Twilio's client: pooled connections, a timeout for every call, no redirects, no proxy from outside.

Twilio's own default has no timeout and hides `Retry-After`. It also tells apart what the caller must know after a
failure: surely not sent, or perhaps sent. Never logs a request: it holds a number and a text.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, SSLError
from urllib3.util import make_headers


class NotSentError(TwilioException):  # type: ignore[misc]  # twilio ships no types
    """No connection: nothing was sent."""


class NoAnswerError(TwilioException):  # type: ignore[misc]
    """Sent, and no answer came: Twilio may have taken it."""


class _OneSend:
    """Hands a request to the system whole: head and body in one call, and mostly in one packet."""

    _held: list[bytes] | None = None

    def request(self, *args: Any, **more: Any) -> None:
        self._held = []
        try:
            super().request(*args, **more)  # type: ignore[misc]  # of the connection it is mixed into
            whole = b"".join(self._held)
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._held.append(data)


class _PlainConnection(_OneSend, HTTPConnection):
    pass


class _SecureConnection(_OneSend, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class PooledHttpClient(HttpClient):  # type: ignore[misc]  # twilio ships no types
    """Serve several threads over one pool of connections."""

    def __init__(self, *, threads: int, connect_seconds: float, read_seconds: float) -> None:
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._pools = urllib3.PoolManager(maxsize=threads, block=False, timeout=timeout, retries=False)
        self._pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        self._local = threading.local()
        self._login: tuple[object, dict[str, str]] = (None, {})

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
        body = urlencode(data, doseq=True).encode() if data else None
        answer = self._call(method.upper(), target, body, {**(headers or {}), **self._credentials(auth)})
        self._local.retry_after = answer.headers.get("Retry-After")
        return Response(answer.status, answer.data.decode("utf-8", "replace"), dict(answer.headers))

    def _credentials(self, auth: tuple[str, str] | None) -> dict[str, str]:
        if auth is None:
            return {}
        known, header = self._login
        if known != auth:
            header = make_headers(basic_auth=":".join(auth))
            self._login = (auth, header)  # one object, so that no thread sees half of it
        return header

    def _call(self, method: str, uri: str, body: bytes | None, headers: dict[str, str]) -> Any:
        parts = urlsplit(uri)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        pool = self._pools.connection_from_host(parts.hostname, parts.port, parts.scheme)
        try:
            return pool.urlopen(method, path, body=body, headers=headers, redirect=False)
        except (NewConnectionError, ConnectTimeoutError, NameResolutionError, SSLError):
            raise NotSentError("Twilio cannot be reached") from None
        except (HTTPError, OSError):
            raise NoAnswerError("Twilio did not answer") from None

    def close(self) -> None:
        """Close the pooled connections; the client may be used again."""
        self._pools.clear()
