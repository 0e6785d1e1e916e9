"""Takes a shopper's intent, and hands out what a storefront needs to ask for one (http.md, "Storefront API").

The answer to a post is the same whatever is known of its address. The shop header selects the tenant and proves
nothing. On the hottest path of the program, hence the WSGI environment read directly and the answer written by hand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.channels.sms.countries import is_allowed
from restock.deliveries.limits.service import countries_for
from restock.errors import ChannelDisabledError, MalformedJsonError, RateLimitedError, ValidationError
from restock.shopify.domains import clean_shop_domain
from restock.shops.values import Shop
from restock.subscriptions.rules.phones import warm_up
from restock.subscriptions.values import RegisteredIntent, Signup
from restock.web.server import Later, is_inline, run_inline
from restock.web.server.inline import said_length
from restock.web.storefront import assets, cors, posting
from restock.web.storefront.intent_body import IntentReader
from restock.web.storefront.limits import Allowance, IntentLimits, RateLimiter, ValkeyTally
from restock.web.storefront.strict_json import read_object

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from restock.bootstrap import Services

_INTENT_PATHS = ("/api/v1/intents.json", "/api/v1/intents")
_REMEMBERED = "restock.storefront.shop"
_COMMON_REGIONS = ("US", "GB", "AU", "DE", "FR", "IN")  # whose numbers are read without a first wait


def storefront_blueprint(services: Services) -> Blueprint:
    """Build the routes that any page on the web may call."""
    blueprint = Blueprint("storefront", __name__)
    door = intent_door(services)
    for path in _INTENT_PATHS:
        blueprint.add_url_rule(path, "intents", door.post, methods=["POST"], provide_automatic_options=False)
        blueprint.add_url_rule(path, "preflight", cors.preflight, methods=["OPTIONS"])
        run_inline(blueprint, path, door.may_run)

    @blueprint.get("/storefront/config.json")
    def config() -> Response:
        shop = posting.require_shop(services.shops, request.args.get("shop"), "shop")
        return assets.config_response(shop, services.channels_on, services.vapid_public_key, request.args.get("locale"))

    @blueprint.get("/storefront/restock.js")
    def sdk() -> Response:
        return assets.script_response("restock.js")

    @blueprint.get("/storefront/sw.js")
    def service_worker() -> Response:
        return assets.script_response("sw.js")

    blueprint.after_request(cors.open_answer)
    return blueprint


def intent_door(services: Services) -> IntentDoor:
    """Build what takes posts, with counters of its own that Valkey brings together with everybody else's."""
    settings = services.settings
    warm_up(_COMMON_REGIONS)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    limiter = RateLimiter(ValkeyTally(redis_url, services.vault.keyed_hash) if redis_url else None)
    limits = IntentLimits(
        limiter, settings.intent_limit_client, settings.intent_limit_address, settings.intent_limit_shop
    )
    return IntentDoor(services, limits, IntentReader(settings.push_extra_hosts, services.vapid_public_key))


@dataclass(frozen=True)
class IntentDoor:
    """Takes posts of intents."""

    services: Services
    limits: IntentLimits
    reader: IntentReader

    def post(self) -> Response:
        """Take one post: how often, for whom, and what it says."""
        environ = request.environ
        domain = environ.get("HTTP_X_SHOPIFY_SHOP_DOMAIN")
        admit(environ, self.limits.count_post(environ.get("REMOTE_ADDR") or "", domain))
        shop = self._shop(environ, domain)
        cors.remember_origins(environ, shop.settings.origins)
        return self.take(environ, shop)

    def take(self, environ: WSGIEnvironment, shop: Shop, logged_in: int | None = None) -> Response:
        """Take the post of a known shop. `logged_in` is Shopify's own word on which of its customers sends it."""
        body = posting.raw_body(environ)
        try:
            signup = self.reader.read(read_object(body), shop.settings.country, partial(self._may_text, shop))
        except (ValidationError, MalformedJsonError) as error:
            if shop.settings.legacy_errors:
                return posting.legacy_refusal(error)
            raise
        if logged_in is not None:
            signup = replace(signup, shopify_customer_id=logged_in)
        self._check(environ, shop, signup)
        provenance = posting.provenance_of(environ, self.services.vault)
        if is_inline(environ):
            written = self.services.subscriptions.begin(shop, signup, provenance)
            return Later(written, partial(self._taken, signup), posting.JSON)
        intent = self.services.subscriptions.register(shop, signup, provenance)
        if logged_in is not None:
            self.services.subscriptions.verify_customer(shop.id, intent.customer_id, logged_in)
        status, answer = self._taken(signup, intent)
        return Response(answer, status, content_type=posting.JSON)

    def may_run(self, environ: WSGIEnvironment) -> bool:
        """Say whether nothing of this post would wait: the shop is remembered, and writes can begin.

        The shop stays with the request: the memory may end a moment later.
        """
        domain = clean_shop_domain(environ.get("HTTP_X_SHOPIFY_SHOP_DOMAIN") or "")
        if domain is None or said_length(environ) is None or not self.services.subscriptions.on_loop.is_ready:
            return False
        is_remembered, shop = self.services.shops.memory.recall(domain)
        if is_remembered:
            environ[_REMEMBERED] = shop
            self.services.shops.ahead.keep_known(domain)
        return is_remembered

    def _shop(self, environ: WSGIEnvironment, domain: str | None) -> Shop:
        if _REMEMBERED in environ:
            return posting.require_installed(environ[_REMEMBERED])
        return posting.require_shop(self.services.shops, domain, "X-Shopify-Shop-Domain")

    def _may_text(self, shop: Shop, number: str) -> bool:
        return is_allowed(number, countries_for(shop, self.services.settings.sms_countries))

    def _check(self, environ: WSGIEnvironment, shop: Shop, signup: Signup) -> None:
        """Raise unless the shop writes on this channel, and this often to this address."""
        channel = signup.contact.channel
        if channel not in shop.settings.channels or channel not in self.services.channels_on:
            raise ChannelDisabledError(f"This shop does not send alerts by {channel.value}.")
        admit(environ, self.limits.count_address(signup.contact.address_hash))

    def _taken(self, signup: Signup, intent: RegisteredIntent) -> tuple[int, bytes]:
        if not intent.duplicate:
            self.services.waker.wake()
        return posting.intent_answer(signup, intent)


def admit(environ: WSGIEnvironment, allowance: Allowance) -> None:
    """Raise RateLimitedError where nothing is left of a limit; what is left is told with the answer."""
    cors.remember_allowance(environ, allowance)
    if not allowance.allowed:
        wait = allowance.retry_after_seconds(time.time())
        raise RateLimitedError("Too many posts in this minute; please try again in the next.", retry_after_seconds=wait)
