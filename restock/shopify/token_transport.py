"""The HTTP under the token endpoint: a limit for the whole call, no redirects, and only answers that can be used.

Everything else (no answer, an error of theirs, a page instead of JSON, an answer without its token) is one error, which
the library above does not catch and so cannot retry.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 3.0
_LARGEST_ANSWER = 65_536
_LONGEST_TOKEN = 4096


class UnusableAnswerError(Exception):
    """Nothing came, or nothing that settles the question. `reason` is a word, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no usable answer from the token endpoint: {reason}")
        self.reason = reason


def open_client(base_url: str, seconds: float) -> httpx.Client:
    """Open a client that finds shops under `base_url` (with `{shop}`) and gives a call so many seconds in all."""
    import httpx  # a quarter of a second, and most processes never renew a token

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every call says nothing that ours does not
    inner = httpx.HTTPTransport(verify=ssl.create_default_context(), limits=httpx.Limits(max_connections=20))

    class Transport(httpx.BaseTransport):
        """Send to where shops are, and judge what comes back."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            deadline = time.monotonic() + seconds
            request.url = httpx.URL(_address(base_url, request.url.host) + request.url.raw_path.decode())
            request.headers["Host"] = request.url.netloc.decode()
            request.headers["Accept-Encoding"] = "identity"  # what is read below is what was sent
            try:
                answer = inner.handle_request(request)
                body = _read(answer, deadline)
            except httpx.TransportError as error:
                raise UnusableAnswerError(
                    "timeout" if isinstance(error, httpx.TimeoutException) else "network"
                ) from None
            _judge(answer.status_code, body)
            return httpx.Response(answer.status_code, headers={"Content-Type": "application/json"}, content=body)

        def close(self) -> None:
            inner.close()

    limit = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
    return httpx.Client(transport=Transport(), timeout=limit, trust_env=False, follow_redirects=False)


def _address(base_url: str, domain: str) -> str:
    address = base_url.replace("{shop}", domain).rstrip("/")
    if not urlsplit(address).hostname:
        raise UnusableAnswerError("network")
    return address


def _read(answer: Any, deadline: float) -> bytes:
    """Read the body within the time and size that is left."""
    body = b""
    try:
        for chunk in answer.stream:
            body += chunk
            if time.monotonic() > deadline:
                raise UnusableAnswerError("timeout")
            if len(body) > _LARGEST_ANSWER:
                raise UnusableAnswerError("too_large")
    finally:
        answer.close()
    return body


def _judge(status: int, body: bytes) -> None:
    """Let through a 200 that holds a token and a 4xx that gives its reason as JSON."""
    if status == 429 or status >= 500:
        raise UnusableAnswerError(f"status_{status}")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise UnusableAnswerError("not_json") from None
    if not isinstance(said, dict) or (status == 200 and not _holds_token(said)):
        raise UnusableAnswerError("wrong_shape")
    if status != 200 and not 400 <= status < 500:
        raise UnusableAnswerError(f"status_{status}")


def _holds_token(said: dict[str, Any]) -> bool:
    tokens = [said.get("access_token"), said.get("refresh_token", "x")]
    seconds = [said.get(name, 0) for name in ("expires_in", "refresh_token_expires_in")]
    return (
        all(isinstance(t, str) and 0 < len(t) <= _LONGEST_TOKEN and t.isascii() for t in tokens)
        and all(type(s) is int and 0 <= s < 10**9 for s in seconds)
        and isinstance(said.get("scope", ""), str)
    )
