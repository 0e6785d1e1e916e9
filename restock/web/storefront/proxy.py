"""The storefront's door through Shopify's app proxy: the preferred way from a theme (http.md, "Others").

The shop and the logged-in customer are those Shopify signed, never what a header or a body says. Shopify strips some
headers of an answer and all cookies; nothing here depends on them. A page of another origin cannot post here unasked:
the body must be JSON, and no preflight is answered.

Whose posts count together: every post arrives from a few addresses of Shopify's, so those count for nobody. Shopify
names the shopper in X-Forwarded-For, and a signed query is seen by Shopify and us alone, so whoever sends one is
Shopify. What a shopper wrote into that header stands to the left of what Shopify wrote: the last public address before
our own proxies' counts. Where there is none, the limits of the shop, the contact and the logged-in customer hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.errors import UnauthorizedError
from restock.shopify.proxy_signature import ProxiedCall, ProxySignature
from restock.web.storefront import assets, cors, posting
from restock.web.storefront.limits import network_of
from restock.web.storefront.routes import IntentDoor, admit, intent_door

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from restock.bootstrap import Services
    from restock.config import Settings
    from restock.shops.values import Shop

_CALL = "restock.proxied_call"
_MOST_FORWARDED = 20


def proxy_blueprint(services: Services) -> Blueprint:
    """Build what a shop's own pages call under its `/apps/…`; to be mounted behind `ProxyCheck`."""
    proxy = Blueprint("proxy", __name__, url_prefix="/proxy")
    door = ProxyDoor(services, intent_door(services), services.settings.trusted_proxies)
    for path in ("/intents", "/intents.json"):
        proxy.add_url_rule(path, "intents", door.post, methods=["POST"], provide_automatic_options=False)

    @proxy.get("/config.json")
    def config() -> Response:
        locale = request.args.get("locale")
        return assets.config_response(door.shop(), services.channels_on, services.vapid_public_key, locale)

    @proxy.get("/restock.js")
    def sdk() -> Response:
        return assets.script_response("restock.js")

    @proxy.get("/sw.js")
    def service_worker() -> Response:
        response = assets.script_response("sw.js")
        response.headers["Cache-Control"] = "no-cache"  # a worker that is cached for a year is there for a year
        return response

    proxy.after_request(cors.tell_limits)
    return proxy


@dataclass(frozen=True)
class ProxyCheck:
    """The guard: lets in what Shopify signed, and keeps what it vouched for with the request."""

    signature: ProxySignature

    def __call__(self) -> None:
        call = self.signature.read(request.query_string)
        if call is None:
            raise UnauthorizedError("The request did not come through Shopify's app proxy, or took too long.")
        request.environ[_CALL] = call


def proxy_signature(settings: Settings) -> ProxySignature:
    """Take the app's secrets from the settings; without one, every call is refused."""
    given = (settings.shopify_api_secret, settings.shopify_old_api_secret)
    return ProxySignature([secret.get_secret_value().encode() for secret in given if secret is not None])


@dataclass(frozen=True)
class ProxyDoor:
    """Takes posts that came through the proxy. `hops` is how many proxies of our own stand in front."""

    services: Services
    intents: IntentDoor
    hops: int

    def post(self) -> Response:
        """Take one post, for the shop and the customer Shopify signed."""
        environ, call = request.environ, _proxied_call()
        client = shopper_address(environ, self.hops)
        environ["REMOTE_ADDR"] = client or ""  # or every post would seem to come from Shopify
        limits = self.intents.limits
        wanted = [(f"shop:{call.shop.lower()}", limits.shop)]
        if client is not None:
            wanted.append((f"client:{network_of(client)}", limits.client))
        if call.customer_id is not None:
            wanted.append((f"customer:{call.shop.lower()}:{call.customer_id}", limits.client))
        admit(environ, limits.limiter.take(wanted))
        return self.intents.take(environ, self.shop(), call.customer_id)

    def shop(self) -> Shop:
        """Find the shop that was signed."""
        return posting.require_shop(self.services.shops, _proxied_call().shop, "shop")


def shopper_address(environ: WSGIEnvironment, hops: int) -> str | None:
    """Name the shopper's network address as Shopify forwarded it; None where it did not."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", _MOST_FORWARDED)
    before_ours = forwarded[: max(0, len(forwarded) - hops)]
    return next(_public(reversed(before_ours)), None)


def _public(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        try:
            address = ip_address(text.strip())
        except ValueError:  # not an address: whoever wrote it, nothing left of it can be believed
            return
        if address.is_global:
            yield str(address)


def _proxied_call() -> ProxiedCall:
    call = request.environ[_CALL]
    assert isinstance(call, ProxiedCall)
    return call
