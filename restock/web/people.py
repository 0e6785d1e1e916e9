"""The pages behind the links in our messages.

A GET never changes anything but a click count, a HEAD not even that: mail scanners open every link. A POST acts, with
no cookie and no sign-in: the signed token in the path is the capability (RFC 8058 for one-click unsubscribe).

Whoever holds a genuine token may leave: also while the shop has taken the app out, for it may be back with everybody
who waited, and also when nothing is left to be left.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, assert_never

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from restock.deliveries.values import TurnStanding
from restock.subscriptions.values import ContactView
from restock.web.people_texts import PageTexts, texts_for
from restock.web.preferences import add_preferences

if TYPE_CHECKING:
    from restock.bootstrap import Services


_ABOUT_NO_ADDRESS = frozenset({"decline", "over", "bought"})
_NO_FRAMES = "frame-ancestors 'none'; base-uri 'none'"


def people_blueprint(services: Services) -> Blueprint:
    """Build `/c`, `/decline`, `/unsubscribe`, `/confirm` and `/preferences`."""
    blueprint = Blueprint("people", __name__)
    links, subscriptions = services.links, services.subscriptions

    @blueprint.get("/c/<token>")
    def click(token: str) -> AnyResponse:
        delivery_id = links.read_click(token)
        is_click = request.method != "HEAD"  # link checkers ask so; no browser opens a page with it
        target = services.deliveries.follow(delivery_id, count=is_click) if delivery_id is not None else None
        return redirect(target, 302) if target else _not_valid()

    @blueprint.get("/decline/<token>")
    def ask_to_decline(token: str) -> Response:
        return _turn_page(services, links.read_decline(token))

    @blueprint.post("/decline/<token>")
    def decline(token: str) -> Response:
        delivery_id = links.read_decline(token)
        if delivery_id is not None and services.restocks.decline(delivery_id):
            services.waker.wake()
        return _turn_page(services, delivery_id)

    @blueprint.get("/unsubscribe/<token>")
    def ask_to_leave(token: str) -> Response:
        contact_id = links.read_unsubscribe(token)
        if contact_id is None:
            return _not_valid()
        view = _any_view(services, contact_id)
        return _page(view, "leave", button=True) if view else _nothing_left()

    @blueprint.post("/unsubscribe/<token>")
    def leave(token: str) -> Response:
        contact_id = links.read_unsubscribe(token)
        if contact_id is None:
            return _not_valid()
        view = _any_view(services, contact_id)
        subscriptions.unsubscribe(contact_id)
        return _page(view, "left", done=True, leads_to_shop=True) if view else _nothing_left()

    @blueprint.get("/confirm/<token>")
    def ask_to_confirm(token: str) -> Response:
        view = _view(services, links.read_confirm(token))
        return _page(view, "confirm", button=True) if view else _not_valid()

    @blueprint.post("/confirm/<token>")
    def confirm(token: str) -> Response:
        contact_id = links.read_confirm(token)
        view = _view(services, contact_id)
        if contact_id is None or view is None:
            return _not_valid()
        if not subscriptions.confirm(contact_id):
            return _page(view, "blocked", leads_to_shop=True)
        services.waker.wake()
        return _page(view, "confirmed", done=True, leads_to_shop=True)

    add_preferences(blueprint, services)
    return blueprint


def _view(services: Services, contact_id: int | None) -> ContactView | None:
    """Read a contact whose shop can tell it something."""
    view = _any_view(services, contact_id) if contact_id is not None else None
    return view if view is not None and view.shop_is_here else None


def _any_view(services: Services, contact_id: int) -> ContactView | None:
    return services.subscriptions.contact_view(contact_id)


def _turn_page(services: Services, delivery_id: int | None) -> Response:
    """Say how a turn stands, as it is now: after a post too, whoever it was that changed it."""
    turn = services.deliveries.turn_behind(delivery_id) if delivery_id is not None else None
    view = _view(services, turn.contact_id) if turn else None
    if turn is None or view is None:
        return _not_valid()
    leave_url = services.links.unsubscribe(turn.contact_id)
    match turn.standing:
        case TurnStanding.open:
            return _page(view, "decline", button=True, goods=turn.product, leave_url=leave_url)
        case TurnStanding.declined:
            return _page(view, "passed", done=True, goods=turn.product, leave_url=leave_url)
        case TurnStanding.bought:
            return _page(view, "bought", goods=turn.product, leads_to_shop=True)
        case TurnStanding.over:
            return _page(view, "over", goods=turn.product, leads_to_shop=True, leave_url=leave_url)
        case _:
            assert_never(turn.standing)


def _page(
    view: ContactView,
    step: str,
    *,
    button: bool = False,
    done: bool = False,
    leads_to_shop: bool = False,
    goods: str | None = None,
    leave_url: str | None = None,
) -> Response:
    texts, shop = texts_for(view.locale), view.shop_name
    return _render(
        200,
        texts,
        title=texts.say(f"{step}_title", shop=shop),
        text=texts.say(f"{step}_text", shop=shop),
        address=(view.masked_address or texts.say("this_browser")) if step not in _ABOUT_NO_ADDRESS else None,
        goods=goods,
        leave_url=leave_url,
        leave_link=texts.say("leave_link", shop=shop),
        button=texts.say(f"{step}_button") if button else None,
        done=done,
        shop_name=shop,
        shop_url=f"https://{view.shop_domain}" if leads_to_shop and view.shop_is_here else None,
    )


def _not_valid() -> Response:
    texts = texts_for(*request.accept_languages.values())
    return _render(404, texts, title=texts.say("gone_title"), text=texts.say("gone_text"), alert=True)


def _nothing_left() -> Response:
    """Answer a genuine link to somebody who is not kept any more; a mail program must hear that all is well."""
    texts = texts_for(*request.accept_languages.values())
    return _render(200, texts, title=texts.say("nothing_title"), text=texts.say("nothing_text"), done=True)


def _render(status: int, texts: PageTexts, **facts: object) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = render_template("people/page.html", nonce=nonce, locale=texts.language, direction=texts.direction, **facts)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; form-action 'self'; {_NO_FRAMES}"
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    return Response(page, status, headers=headers)
