"""The playground's door: the demo store, the counter behind it, and the outbox. Development only.

Production never registers it. Every change asks for `application/json`, which no other site's page can send here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request

from restock.errors import Fault, UnavailableError, UnsupportedMediaTypeError, ValidationError
from restock.playground import store
from restock.playground.counter import open_counter

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# An e-mail brings its own styles and pictures, but never a script; its links open in the whole window.
_EMAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-same-origin allow-top-navigation-by-user-activation allow-popups"
)
_DEFAULT_VARIANT = 45_120_000_102


def playground_blueprint(services: Services) -> Blueprint:
    """Build `/playground` and what its page asks for."""
    blueprint = Blueprint(
        "playground",
        __name__,
        url_prefix="/playground",
        static_folder="static/playground",
        static_url_path="/assets",
        template_folder="templates",
    )
    counter = open_counter(services.settings, services.shops, services.tokens, services.reports, services.links)

    @blueprint.get("")
    def page() -> Response:
        with suppress(UnavailableError):  # the page still opens, and says that the shelves are empty
            counter.open()
        html = render_template("playground/page.html", **_page_facts(_chosen_variant()))
        return Response(html, headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"})

    @blueprint.get("/state")
    def state() -> Response:
        return _json(counter.state(_chosen_variant()))

    @blueprint.get("/outbox")
    def outbox() -> Response:
        return _json({"messages": counter.messages(request.args.get("after", 0, type=int))})

    @blueprint.get("/outbox/<int:message_id>/email")
    def email(message_id: int) -> Response:
        html = counter.email_page(message_id).replace("<head>", '<head><base target="_top">', 1)
        return Response(html, headers={"Content-Security-Policy": _EMAIL_POLICY, "Cache-Control": "private"})

    @blueprint.post("/stock")
    def stock() -> Response:
        variant_id, location_id, available = _numbers("variant_id", "location_id", "available")
        return _json(counter.set_stock(variant_id, location_id, available))

    @blueprint.post("/orders")
    def orders() -> Response:
        (variant_id,) = _numbers("variant_id")
        return _json(counter.buy(variant_id, _text("email"), _text("phone")))

    @blueprint.post("/shopify")
    def shopify() -> Response:
        counter.set_shopify(_body())
        return _json(counter.state(_chosen_variant())["shopify"] or {})

    @blueprint.post("/shoppers")
    def shoppers() -> Response:
        (count,) = _numbers("count")
        return _json({"shoppers": [asdict(shopper) for shopper in counter.shoppers(count)]})

    @blueprint.post("/browser")
    def browser() -> Response:
        _body()
        return _json(counter.crowd.browser())

    @blueprint.post("/policy")
    def policy() -> Response:
        counter.set_policy(str(_body().get("policy", "")))
        return _json({"policy": _body()["policy"]})

    return blueprint


def _page_facts(variant_id: int) -> dict[str, object]:
    chosen, _ = store.VARIANTS[variant_id]
    others = [product for product in store.PRODUCTS if product is not chosen]
    return {
        "shop_name": store.SHOP_NAME,
        "shop_domain": store.SHOP_DOMAIN,
        "products": [chosen, *others],
        "locations": store.LOCATIONS,
        "chosen": variant_id,
    }


def _chosen_variant() -> int:
    asked = request.args.get("variant", _DEFAULT_VARIANT, type=int)
    return asked if asked in store.VARIANTS else _DEFAULT_VARIANT


def _body() -> dict[str, Any]:
    if not request.is_json:
        raise UnsupportedMediaTypeError("Send the body as application/json.")
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _numbers(*names: str) -> list[int]:
    """Read whole numbers from the body, given as numbers or as text; raises ValidationError naming each that is not."""
    body = _body()
    texts = {name: str(body.get(name, "")) for name in names}
    faults = [
        Fault(name, "NOT_A_NUMBER", "must be a whole number")
        for name, text in texts.items()
        if not text.isdecimal() or len(text) > 18
    ]
    if faults:
        raise ValidationError("Some fields are not usable.", faults=faults)
    return [int(text) for text in texts.values()]


def _text(name: str) -> str | None:
    value = _body().get(name)
    return value[:200] if isinstance(value, str) and value else None


def _json(body: dict[str, Any]) -> Response:
    """Answer with a tag, so that a poll that brings nothing new costs a line."""
    response = Response(json.dumps(body), mimetype="application/json", headers={"Cache-Control": "no-cache"})
    response.add_etag()
    response.make_conditional(request)
    return response
