"""Whether a request really came through Shopify's app proxy, and for whom: hex HMAC-SHA256 over its query.

https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies. Shopify's own library judges the
same question in the tests and must agree; it cannot take a clock, and lets some repeated parameters pass. The body and
the headers are not signed.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

WINDOW_SECONDS = 90
LONGEST_QUERY = 8 * 1024
_LARGEST_ID = 2**63 - 1
_SHOPIFYS_OWN = (b"shop", b"timestamp", b"signature", b"path_prefix", b"logged_in_customer_id", b"hmac")
_DIGITS = re.compile(rb"[0-9]{1,19}")

Parameters = Mapping[bytes, Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class ProxiedCall:
    """What Shopify vouches for. `customer_id` None: nobody is logged in. `path_prefix` such as /apps/restock."""

    shop: str
    customer_id: int | None = None
    path_prefix: str = ""


@dataclass(frozen=True)
class ProxySignature:
    """The client secrets calls are signed with: the current one and, for a while, the one before.

    Without a secret nothing is genuine. `seconds` is unix time. Raises ValueError for an empty secret.
    """

    secrets: Sequence[bytes] = field(repr=False)
    seconds: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not all(self.secrets):
            raise ValueError("a proxy secret is empty: unset it, or give the app's client secret")

    def read(self, query: bytes) -> ProxiedCall | None:
        """Read a raw query; None unless Shopify signed it within WINDOW_SECONDS of now, before or after.

        None too where one of Shopify's own parameters comes twice: which of them would count is anybody's guess.
        """
        if len(query) > LONGEST_QUERY:
            return None
        parameters = _parameters(query)
        if any(len(parameters.get(name, ())) > 1 for name in _SHOPIFYS_OWN):
            return None
        if not (self._is_timely(parameters) and self._is_signed(parameters)):
            return None
        return _call(parameters)

    def _is_timely(self, parameters: Parameters) -> bool:
        timestamp = _one(parameters, b"timestamp")
        return bool(_DIGITS.fullmatch(timestamp)) and abs(self.seconds() - int(timestamp)) <= WINDOW_SECONDS

    def _is_signed(self, parameters: Parameters) -> bool:
        claimed = _one(parameters, b"signature")
        signed = signed_text(parameters)
        return any(hmac.compare_digest(_sign(secret, signed), claimed) for secret in self.secrets)


def signed_text(parameters: Parameters) -> bytes:
    """Put parameters together as Shopify signs them: sorted, nothing between them, repeated ones joined by commas."""
    told = (name + b"=" + b",".join(values) for name, values in parameters.items() if name != b"signature")
    return b"".join(sorted(told))


def sign_proxied(secret: str, query: bytes) -> str:
    """Sign a raw query without a signature as Shopify does."""
    return _sign(secret.encode(), signed_text(_parameters(query))).decode()


def _sign(secret: bytes, text: bytes) -> bytes:
    return hmac.digest(secret, text, "sha256").hex().encode()


def _parameters(query: bytes) -> dict[bytes, list[bytes]]:
    """Decode a query byte by byte, so that what is no UTF-8 is compared as it was signed."""
    found: dict[bytes, list[bytes]] = {}
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _one(parameters: Parameters, name: bytes) -> bytes:
    values = parameters.get(name)
    return values[0] if values else b""


def _call(parameters: Parameters) -> ProxiedCall | None:
    customer = _one(parameters, b"logged_in_customer_id")
    if customer and not (_DIGITS.fullmatch(customer) and 0 < int(customer) <= _LARGEST_ID):
        return None
    return ProxiedCall(
        shop=_one(parameters, b"shop").decode("utf-8", "replace"),
        customer_id=int(customer) if customer else None,
        path_prefix=_one(parameters, b"path_prefix").decode("utf-8", "replace"),
    )
