"""Shopify's door: a webhook's signature is checked over the raw bytes, the bytes are stored, and that is all.

Nothing is parsed before it is stored: Shopify waits one second for the connection and five for the answer. Whoever
sends a body that one of the app's secrets signed gets a 200, whatever it says (http.md, "Hooks").
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.errors import UnauthorizedError, UnsupportedMediaTypeError
from restock.inbox.rules.envelope import received_message
from restock.inbox.values import Received
from restock.shopify.signatures import WebhookSignature
from restock.web.server import Later, is_inline, run_inline
from restock.web.server.inline import said_length
from restock.web.storefront.posting import read_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from restock.bootstrap import Services
    from restock.config import Settings

PATH = "/webhooks/shopify"
MAX_BODY_BYTES = 2 * 1024 * 1024  # a product with all its variants and texts; the largest seen stay below one


def hooks_blueprint(services: Services) -> Blueprint:
    """Build the routes that Shopify calls; each checks the signature itself, before anything else is believed."""
    hooks = Blueprint("hooks", __name__)
    signature = webhook_signature(services.settings)
    inbox, waker = services.inbox, services.waker

    @hooks.post(PATH)
    def shopify() -> Response:
        environ = request.environ
        header = partial(_header, environ)
        body = _raw_body(environ)
        if not signature.is_genuine(body, header("HMAC_SHA256")):
            raise UnauthorizedError("The webhook's signature is missing or wrong.")
        message = received_message(header, body)
        if is_inline(environ):
            return Later(inbox.begin(message), taken, "text/html; charset=utf-8")
        taken(inbox.receive(message))
        return Response(status=200)

    def taken(received: Received) -> tuple[int, bytes]:
        if received is Received.new:
            waker.wake()
        return 200, b""

    def may_run(environ: WSGIEnvironment) -> bool:
        length = said_length(environ)
        return length is not None and inbox.can_begin(length)

    run_inline(hooks, PATH, may_run)
    return hooks


def webhook_signature(settings: Settings) -> WebhookSignature:
    """Take the app's secrets from the settings; without one, every webhook is refused."""
    given = (settings.shopify_api_secret, settings.shopify_old_api_secret)
    return WebhookSignature([secret.get_secret_value().encode() for secret in given if secret is not None])


def _raw_body(environ: WSGIEnvironment) -> bytes:
    """Read the body as it was sent, chunked or not; the signature covers these bytes and no decoding of them."""
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("Send the body as it was signed, without Content-Encoding.")
    return read_bytes(environ, MAX_BODY_BYTES)


def _header(environ: WSGIEnvironment, name: str) -> str | None:
    """Look one of Shopify's headers up, in either spelling: X-Shopify-NAME or Shopify-NAME."""
    return environ.get("HTTP_X_SHOPIFY_" + name) or environ.get("HTTP_SHOPIFY_" + name)
