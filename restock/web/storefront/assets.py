"""Hands out the storefront's scripts and what they need to know of a shop; never a stock count.

A script asked for by its version (`?v=`) never changes; without it, it is checked again each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flask import Response, request

from restock.channels.tongues import nearest_of
from restock.channels.values import ChannelName
from restock.shops.values import Shop

_FOLDER = Path(__file__).resolve().parents[2] / "storefront"
_CONFIG_SECONDS = 60


@cache
def script(name: str) -> tuple[bytes, str]:
    """Read one of our scripts once; return it and its version, which is made from it."""
    source = (_FOLDER / name).read_bytes()
    return source, hashlib.sha256(source).hexdigest()[:12]


def script_response(name: str) -> Response:
    """Answer with a script, or 304 where the browser has it already."""
    source, version = script(name)
    lasting = request.args.get("v") == version
    return _cached(
        source,
        "text/javascript; charset=utf-8",
        version,
        "public, max-age=31536000, immutable" if lasting else "no-cache",
    )


@cache
def form_texts(language: str) -> Mapping[str, str]:
    """Read the sentences of a sign-up form once: one file for each language we speak in `storefront/texts/`."""
    texts: Mapping[str, str] = json.loads((_FOLDER / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def _texts(language: str, *, asks: bool) -> Mapping[str, str]:
    """Give a form's sentences; `asks`: the shop may ask an address first, and whoever signs up should know."""
    found = dict(form_texts(language))
    asked = found.pop("success_asked")
    return found | {"success": asked} if asks else found


def config_response(
    shop: Shop, channels_on: frozenset[ChannelName], vapid_public_key: str | None, locale: str | None = None
) -> Response:
    """Answer with the channels a shopper can choose, and the key a browser subscribes with (None: push is off).

    The sentences of the form are in the nearest to `locale`, else in the shop's. The locale is part of the address and
    no header is asked, so that one copy of an answer serves everybody who asks for it.
    """
    offered = shop.settings.channels & channels_on
    language = nearest_of(locale, shop.locale)
    facts = {
        "shop": shop.domain,
        "channels": sorted(name.value for name in offered),
        "vapid_public_key": vapid_public_key if ChannelName.push in offered else None,
        "sdk_version": script("restock.js")[1],
        "locale": language,
        "texts": _texts(language, asks=any(shop.settings.double_opt_in.of(channel) for channel in offered)),
    }
    body = json.dumps(facts).encode()
    version = hashlib.sha256(body).hexdigest()[:12]
    return _cached(body, "application/json", version, f"public, max-age={_CONFIG_SECONDS}")


def _cached(body: bytes, content_type: str, version: str, how_long: str) -> Response:
    response = Response(body, content_type=content_type)
    response.headers["Cache-Control"] = how_long
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(version)
    return response.make_conditional(request)  # type: ignore[return-value]
