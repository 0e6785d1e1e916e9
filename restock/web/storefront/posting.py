"""The HTTP around one post: its body's bytes, its shop, where it came from, and how it is answered.

No value of the post is ever repeated in an error.
"""

from __future__ import annotations

import json
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING

from flask import Response, request

from restock.errors import (
    Fault,
    NotFoundError,
    PayloadTooLargeError,
    RestockError,
    UnsupportedMediaTypeError,
    ValidationError,
)
from restock.links import Vault
from restock.shopify.domains import clean_shop_domain
from restock.shops.service import ShopService
from restock.shops.values import Shop
from restock.subscriptions.values import Provenance, RegisteredIntent, Signup

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_BODY = 64 * 1024
JSON = "application/json"
_DUPLICATE = '"duplicate":true,'
_LONGEST_USER_AGENT = 255
_LONGEST_PAGE_URL = 512


def require_shop(shops: ShopService, text: str | None, field: str) -> Shop:
    """Find the installed shop that a header or parameter names; raise ValidationError or NotFoundError."""
    domain = clean_shop_domain(text) if text else None
    if domain is None:
        message = (
            "must be the shop's domain such as example.myshopify.com" if text else "is required: the shop's domain"
        )
        fault = Fault(field, "INVALID_SHOP" if text else "REQUIRED", message)
        raise ValidationError("The request does not say which shop it is for.", faults=[fault])
    return require_installed(shops.find(domain))


def require_installed(shop: Shop | None) -> Shop:
    """Give the shop back; raise NotFoundError where there is none, or it has left."""
    if shop is None or not shop.is_installed:
        raise NotFoundError("This shop does not use the app.")
    return shop


def raw_body(environ: WSGIEnvironment) -> bytes:
    """Read the body of a post; raise for one that is no JSON by its headers, or larger than LARGEST_BODY."""
    if (environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError("Send the body with Content-Type: application/json.")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("Send the body without Content-Encoding.")
    return read_bytes(environ, LARGEST_BODY)


def read_bytes(environ: WSGIEnvironment, largest: int) -> bytes:
    """Read the body of a request, chunked or not; raise PayloadTooLargeError for one of more bytes."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        if int(length) > largest:
            raise PayloadTooLargeError(f"The body is larger than {largest} bytes.")
        body: bytes = environ["wsgi.input"].read(int(length))
    else:
        request.max_content_length = largest + 1  # one more, since a chunked body is cut there without a word
        body = request.get_data(cache=False)
        if len(body) > largest:
            raise PayloadTooLargeError(f"The body is larger than {largest} bytes.")
    return body


def provenance_of(environ: WSGIEnvironment, vault: Vault) -> Provenance:
    """Note where a post came from; the query of the page is cut off, for it may carry anything."""
    client = environ.get("REMOTE_ADDR")
    return Provenance(
        ip_hash=vault.keyed_hash(client) if client else None,
        user_agent=_plain(environ.get("HTTP_USER_AGENT"), _LONGEST_USER_AGENT),
        page_url=_plain((environ.get("HTTP_REFERER") or "").partition("?")[0].partition("#")[0], _LONGEST_PAGE_URL),
    )


def intent_answer(signup: Signup, intent: RegisteredIntent) -> tuple[int, bytes]:
    """Say what answers a post that was taken: 201, or 200 where this customer had already asked for this variant."""
    handle, created_at = str(intent.customer_id), _iso(intent.created_at)
    updated_at = created_at if intent.updated_at == intent.created_at else _iso(intent.updated_at)
    body = (
        f'{{{_DUPLICATE if intent.duplicate else ""}"intent":{{"id":"{intent.id}","status":"active",'
        f'"channel":"{signup.contact.channel.value}","quantity":{intent.quantity},'
        f'"source":{_quoted(intent.source)},"shopify_variant_id":{signup.variant_id},'
        f'"shopify_product_id":{intent.product_id},"shopify_market_id":{signup.market_id or "null"},'
        f'"optin_confirmed":false,"created_at":"{created_at}","updated_at":"{updated_at}",'
        f'"customer_id":"{handle}"}},"customer":{{"id":"{handle}"}}}}'
    )
    return 200 if intent.duplicate else 201, body.encode()


def legacy_refusal(error: RestockError) -> Response:
    """Answer a faulty post as the original API does: 200 with sentences, for shops that ask for it."""
    sentences = [f"{fault.field}: {fault.message}" for fault in error.faults] or [error.message]
    return Response(json.dumps({"errors": sentences}), 200, content_type=JSON)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _plain(text: str | None, longest: int) -> str | None:
    return text[:longest] if text and text.isascii() and text.isprintable() else None
