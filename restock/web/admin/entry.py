"""Who comes in to the merchant's pages: whoever brings a genuine ID token of a shop, and nobody else.

The shop is the token's, never the address's. There is no cookie and no session: every request brings its own proof.
In development the playground's own shop may be opened without one, from this machine alone.
https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode, urlsplit

import structlog
from flask import Response, abort, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from restock.clock import Clock
from restock.config import Settings
from restock.playground.store import SHOP_DOMAIN as PLAYGROUND
from restock.shopify.domains import clean_shop_domain
from restock.shopify.errors import AdminError, NoAccessError
from restock.shopify.id_tokens import BadIdTokenError, IdToken, read_id_token
from restock.shops.values import Shop

log = structlog.get_logger(__name__)

BOUNCE_PATH = "/auth/patch-id-token"
RETRY_HEADER = "X-Shopify-Retry-Invalid-Session-Request"
NOT_CARRIED_ON = frozenset({"id_token", "hmac", "timestamp", "session", "bounced"})
BOUNCE_LOOP_SECONDS = 15
_STALE = frozenset({"expired", "too_early"})  # a fresh token mends these; anything else it does not
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who was let in. `embedded`: inside Shopify's admin; `host` is Shopify's own parameter for it."""

    shop: Shop
    embedded: bool
    host: str | None = None


@dataclass(frozen=True)
class Entry:
    """The check before every merchant's page.

    `welcome` gives the shop of a genuine token, installed if need be. `refuse` makes the page for whoever is not let
    in: `outside` (no shop named), `no_token` (none was to be had), `refused` (not a token of ours) or `elsewhere`
    (sent without a token by a page not ours).
    """

    settings: Settings
    clock: Clock
    find_shop: Callable[[str], Shop | None]
    welcome: Callable[[str, IdToken], Shop]
    refuse: Callable[[str], Response]

    def check(self) -> None:
        """Let the request in, or answer it: with a page that fetches a token, or with a refusal."""
        text = _token_text()
        g.visitor = self._without_token() if text is None else self._with_token(text)

    def _with_token(self, text: str) -> Visitor:
        secrets = _secrets(self.settings)
        try:
            token = read_id_token(text, self.settings.shopify_api_key, secrets, self.clock.now())
        except BadIdTokenError as refused:
            log.info("id_token_refused", reason=refused.reason)
            if refused.reason in _STALE or is_script():
                self._ask_for_token()
            abort(self.refuse("refused"))
        return Visitor(self._shop_of(text, token), embedded=True, host=_host())

    def _shop_of(self, text: str, token: IdToken) -> Shop:
        try:
            return self.welcome(text, token)
        except NoAccessError:
            abort(self.refuse("no_access"))
        except AdminError:
            abort(self.refuse("unavailable"))

    def _without_token(self) -> Visitor:
        if (visitor := self._newcomer()) is not None:
            return visitor
        return self._ask_for_token()

    def _newcomer(self) -> Visitor | None:
        """Sign in to the playground's shop, in development and on this machine only."""
        if self.settings.is_production or clean_shop_domain(request.args.get("shop", "")) != PLAYGROUND:
            return None
        if not came_from_this_machine() or "embedded" in request.args:
            return None
        shop = self.find_shop(PLAYGROUND)
        if shop is None or not shop.is_installed:
            abort(redirect("/playground"))  # its first opening makes the shop
        if not is_reading() and not came_from_our_page():
            abort(self.refuse("elsewhere"))
        return Visitor(shop, embedded=False)

    def _ask_for_token(self) -> NoReturn:
        if is_script():
            abort(Response("", 401, headers={RETRY_HEADER: "1", "Cache-Control": "no-store"}))
        domain = clean_shop_domain(request.args.get("shop", ""))
        if domain is None and request.path == "/" and not self.settings.is_production:
            abort(redirect("/playground"))
        if domain is None or not is_reading():
            abort(self.refuse("outside"))
        if _stands_alone():
            abort(redirect(f"https://{domain}/admin/apps/{self.settings.shopify_api_key}"))
        if _was_just_bounced():
            abort(self.refuse("no_token"))
        abort(_bounce(domain, self.settings.public_url))


def visitor() -> Visitor:
    """Give whom the guard let in."""
    found: Visitor = g.visitor
    return found


def found_visitor() -> Visitor | None:
    """Give whom the guard let in; None while nobody is."""
    found: Visitor | None = g.get("visitor")
    return found


def is_script() -> bool:
    """Say whether a script of the page asks, rather than a person who navigates."""
    if "HX-Request" in request.headers or "Authorization" in request.headers:
        return True
    return request.headers.get("Sec-Fetch-Dest", "document") not in ("document", "iframe", "frame")


def is_reading() -> bool:
    """Say whether the request can change nothing."""
    return request.method in ("GET", "HEAD")


def came_from_our_page() -> bool:
    """Say whether a page of ours sent the request, by the browser's own word; a client that gives none is refused.

    `Origin` is only asked where the newer header is missing: pages without a referrer send `null` there.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == request.host_url.rstrip("/")


def came_from_this_machine() -> bool:
    """Say whether the request came over loopback, to a loopback name, through no proxy or tunnel."""
    try:
        local = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host"))
    name = urlsplit(f"//{request.host}").hostname
    return local and not forwarded and name in _LOCAL_NAMES


def safe_reload(address: str, base_url: str) -> str:
    """Give the address to come back to if it is one of ours, the first page else."""
    home = urlsplit(base_url)
    parts = urlsplit(address)
    is_ours = (parts.scheme, parts.netloc) == (home.scheme, home.netloc) and parts.path.startswith("/")
    return address if is_ours and "\\" not in address else f"{base_url}/"


def _token_text() -> str | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        return text.strip()
    if not is_reading():
        return None  # a form of a stranger's can carry a query, never the header
    return request.args.get("id_token") or None


def _secrets(settings: Settings) -> list[str]:
    known = (settings.shopify_api_secret, settings.shopify_old_api_secret)
    return [secret.get_secret_value() for secret in known if secret is not None]


def _host() -> str | None:
    return request.args.get("host") or None


def _stands_alone() -> bool:
    """Say whether the page was opened by itself: then Shopify's admin has to open it, where a token is to be had."""
    is_whole_window = request.headers.get("Sec-Fetch-Dest") == "document"
    return is_whole_window and "embedded" not in request.args and _host() is None


def _was_just_bounced() -> bool:
    """Say whether this very request came back from fetching a token, without a usable one: no end otherwise."""
    mark = request.args.get("bounced", "")
    return mark.isascii() and mark.isdecimal() and abs(time.time() - int(mark[:12])) < BOUNCE_LOOP_SECONDS


def _bounce(domain: str, base_url: str) -> AnyResponse:
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in NOT_CARRIED_ON]
    back = f"{base_url}{request.path}?{urlencode([*kept, ('bounced', str(int(time.time())))])}"
    asked = {"shop": domain, "host": _host() or "", "embedded": "1", "shopify-reload": back}
    response = redirect(f"{BOUNCE_PATH}?{urlencode(asked)}")
    response.headers["Cache-Control"] = "no-store"
    return response
