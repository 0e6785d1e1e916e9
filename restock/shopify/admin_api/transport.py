"""One exchange with a shop's Admin API: shopifyapi writes the request, this gives it a network it can be trusted with.

The library alone has no time limit, follows redirects with the token, asks the environment for proxies, prints error
bodies and keeps one session for all threads. Here none of it is left: nothing is shared between two calls but the
pooled connections. It must never log or repeat a request or an answer.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib import error, request

import shopify
import urllib3
from urllib3.exceptions import HTTPError

from restock.shopify.domains import clean_shop_domain
from restock.shopify.errors import AdminUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from restock.shopify.documents import Document
    from restock.shopify.values import Access

CONNECT_SECONDS = 3.0
WHOLE_SECONDS = 10.0
LARGEST_ANSWER = 4_000_000  # bytes; the largest question is answered with a tenth of it
_PIECE = 65_536


class StatusError(Exception):
    """An answer that is no 200. `retry_after` is its header as it came."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class Transport:
    """Exchanges questions for the text of answers. Safe across threads."""

    def __init__(
        self,
        api_version: str,
        admin_url: str = "https://{shop}",
        *,
        connect_seconds: float = CONNECT_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        threads: int = 8,
    ) -> None:
        self._version = api_version
        self._admin_url = admin_url
        self._whole_seconds = whole_seconds
        limit = urllib3.Timeout(connect=connect_seconds, total=whole_seconds)
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=threads, block=False, timeout=limit, retries=False)
        self._client = _client_over(self._open)

    def exchange(self, access: Access, document: Document, variables: Mapping[str, object]) -> str:
        """Put a question and return the text of its answer.

        Raises AdminUnavailableError for no (whole, readable) answer, StatusError for one that is no 200, ValueError
        for a domain that is no shop's.
        """
        if clean_shop_domain(access.domain) != access.domain:
            raise ValueError("not the domain of a shop: it ends in .myshopify.com")
        session = shopify.Session(access.domain, self._version, access.token)
        base = self._admin_url.replace("{shop}", session.url).rstrip("/")
        client = self._client(session.version.api_path(base) + "/graphql.json", access.token)
        try:
            text: str = client.execute(document.text, dict(variables), document.name)
        except UnicodeDecodeError:
            raise AdminUnavailableError("the answer is no text") from None
        return text

    def _open(self, asked: request.Request) -> _Body:
        """Stand in for urllib.request.urlopen under shopifyapi."""
        deadline = time.monotonic() + self._whole_seconds
        try:
            answer = self._pool.request(
                "POST",
                asked.full_url,
                body=bytes(asked.data),  # type: ignore[arg-type]  # what execute made of JSON
                headers=dict(asked.header_items()),
                redirect=False,
                preload_content=False,
            )
            try:
                if answer.status != 200:
                    raise StatusError(answer.status, answer.headers.get("Retry-After"))
                return _Body(_read_whole(answer, deadline))
            finally:
                answer.close() if answer.length_remaining else answer.release_conn()
        except (HTTPError, OSError) as fault:
            raise AdminUnavailableError(f"no answer: {type(fault).__name__}") from None

    def close(self) -> None:
        """Close the pooled connections; the transport may be used again."""
        self._pool.clear()


@dataclass(frozen=True, slots=True)
class _Body:
    """What shopifyapi expects of an answer."""

    data: bytes

    def read(self) -> bytes:
        return self.data


def _client_over(urlopen: object) -> Any:
    """Make shopifyapi's GraphQL client with another network under it, and a session of its own for every call.

    Its constructor reads a session that threads share, and its `execute` finds urllib as a global of its module:
    the same code is given other globals, so nothing of the library or of urllib is changed for anybody else.
    """
    network = SimpleNamespace(request=SimpleNamespace(Request=request.Request, urlopen=urlopen), error=error)
    written_by_library = FunctionType(
        shopify.GraphQL.execute.__code__,
        {"__builtins__": __builtins__, "json": json, "urllib": network},
        "execute",
        shopify.GraphQL.execute.__defaults__,
    )

    class Client(shopify.GraphQL):  # type: ignore[misc]  # the library ships no types
        """Asks one shop."""

        execute = written_by_library

        def __init__(self, endpoint: str, token: str) -> None:
            self.endpoint = endpoint
            self.headers = {
                "X-Shopify-Access-Token": token,
                "User-Agent": f"Restock ShopifyPythonAPI/{shopify.VERSION}",
            }

    return Client


def _read_whole(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Read a body within its limits of size and time."""
    body = bytearray()
    while piece := answer.read1(_PIECE):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise AdminUnavailableError("the answer is too large")
        if time.monotonic() > deadline:
            raise AdminUnavailableError("the answer took too long")
    return bytes(body)
