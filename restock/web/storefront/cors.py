"""What every answer of the storefront's door carries: who may read it (CORS), and what is left of the limits.

Any page may read an answer unless the merchant lists origins; credentials are never asked for.
"""

from __future__ import annotations

from flask import Response, g, request

from restock.web.storefront.limits import Allowance

_METHODS = "POST, OPTIONS"
_MAY_SEND = "Content-Type, X-Shopify-Shop-Domain"
_MAY_READ = (
    "Access-Control-Expose-Headers",
    "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id",
)
_ANYBODY = ("Access-Control-Allow-Origin", "*")
_PREFLIGHT_SECONDS = 86_400


def remember_origins(origins: tuple[str, ...]) -> None:
    """Note which origins the request's shop lists; empty: any."""
    g.storefront_origins = origins


def remember_allowance(allowance: Allowance) -> None:
    """Note what is left of the limits, the tightest of those asked for."""
    before: Allowance | None = g.get("storefront_allowance")
    if before is None or not allowance.allowed or allowance.remaining < before.remaining:
        g.storefront_allowance = allowance


def open_answer(response: Response) -> Response:
    """Add the headers; for errors too, so that a page can read why."""
    allowance: Allowance | None = g.get("storefront_allowance")
    headers = [_MAY_READ, *_origin_headers(g.get("storefront_origins", ()))]
    if allowance is not None:
        headers += allowance.headers()
    response.headers.extend(headers)
    return response


def preflight() -> Response:
    """Answer what a browser asks before a post: the shop is not known yet, so anybody may ask."""
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _MAY_SEND,
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }
    return Response(status=204, headers=headers)


def _origin_headers(listed: tuple[str, ...]) -> list[tuple[str, str]]:
    if not listed:
        return [_ANYBODY]
    vary = ("Vary", "Origin")
    origin = request.environ.get("HTTP_ORIGIN", "")
    return [("Access-Control-Allow-Origin", origin), vary] if origin in listed else [vary]
