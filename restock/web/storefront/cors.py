"""What every answer of the storefront's door carries: who may read it (CORS), and what is left of the limits.

Any page may read an answer unless the merchant lists origins; credentials are never asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request

from restock.web.server import Later
from restock.web.storefront.limits import Allowance

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ORIGINS, _ALLOWANCE = "restock.storefront.origins", "restock.storefront.allowance"
_METHODS = "POST, OPTIONS"
_MAY_SEND = "Content-Type, X-Shopify-Shop-Domain"
_MAY_READ = (
    "Access-Control-Expose-Headers",
    "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id",
)
_ANYBODY = ("Access-Control-Allow-Origin", "*")
_PREFLIGHT_SECONDS = 86_400


def remember_origins(environ: WSGIEnvironment, origins: tuple[str, ...]) -> None:
    """Note which origins the request's shop lists; empty: any."""
    environ[_ORIGINS] = origins


def remember_allowance(environ: WSGIEnvironment, allowance: Allowance) -> None:
    """Note what is left of the limits, the tightest of those asked for."""
    before: Allowance | None = environ.get(_ALLOWANCE)
    if before is None or not allowance.allowed or allowance.remaining < before.remaining:
        environ[_ALLOWANCE] = allowance


def open_answer(response: Response) -> Response:
    """Add the headers; for errors too, so that a page can read why."""
    headers = open_headers(request.environ)
    if isinstance(response, Later):
        response.add_headers(headers)
    else:
        response.headers.extend(headers)
    return response


def open_headers(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """Say what every answer to this request carries."""
    headers = [_MAY_READ]
    if listed := environ.get(_ORIGINS):
        headers += _listed_origin(environ, listed)
    else:
        headers.append(_ANYBODY)
    if (allowance := environ.get(_ALLOWANCE)) is not None:
        headers += allowance.headers()
    return headers


def tell_limits(response: Response) -> Response:
    """Add what is left of the limits, and nothing about origins."""
    if (allowance := request.environ.get(_ALLOWANCE)) is not None:
        response.headers.extend(allowance.headers())
    return response


def preflight() -> Response:
    """Answer what a browser asks before a post: the shop is not known yet, so anybody may ask."""
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _MAY_SEND,
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }
    return Response(status=204, headers=headers)


def _listed_origin(environ: WSGIEnvironment, listed: tuple[str, ...]) -> list[tuple[str, str]]:
    vary = ("Vary", "Origin")
    origin = environ.get("HTTP_ORIGIN", "")
    return [("Access-Control-Allow-Origin", origin), vary] if origin in listed else [vary]
