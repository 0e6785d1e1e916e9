"""Opens the demo store: its shop here, its address at the fake Shopify, its first stock, and its access by ID token.

Development only. Whatever it lets the program know, it lets it know the way Shopify does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from restock.config import Settings
from restock.errors import NotFoundError, UnavailableError
from restock.playground.shopify.control.client import ControlRefusedError, ShopifyAwayError, ShopifyControl
from restock.playground.store import SHOP_DOMAIN, VARIANTS, settings_of_the_shop
from restock.shopify.errors import AdminError, NoAccessError
from restock.shopify.id_tokens import BadIdTokenError, read_id_token
from restock.shops.service import ShopService
from restock.shops.service.tokens import TokenService
from restock.shops.values import Shop

log = structlog.get_logger(__name__)
ANNOUNCE_AGAIN_SECONDS = 20.0  # webhooks take a moment to be applied


@dataclass(frozen=True)
class App:
    """What the app is to Shopify. `is_local`: its Admin API is the fake's, so that the store can give it access."""

    api_key: str
    secrets: tuple[str, ...]
    is_local: bool


@dataclass
class _Announcing:
    """When this process last had the store's products told, so that two visitors do not both do it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done_at: float = float("-inf")


@dataclass(frozen=True)
class Opening:
    """The opening of the store at this instance."""

    base_url: str
    app: App
    shops: ShopService
    tokens: TokenService
    shopify: ShopifyControl
    _announcing: _Announcing = field(default_factory=_Announcing)

    def find(self) -> Shop:
        """Find the demo shop; raises NotFoundError where nobody has opened it."""
        shop = self.shops.find(SHOP_DOMAIN)
        if shop is None:
            raise NotFoundError("The playground has not been opened yet: visit /playground.")
        return shop

    def open(self, known_variants: Collection[int]) -> Shop:
        """Find the demo shop, made, connected and stocked where it is not yet, unless its merchant removed the app.

        Raises UnavailableError when the fake Shopify does not answer.
        """
        with self._announcing.lock:
            try:
                there = self.shopify.shop(SHOP_DOMAIN)
                if not there["is_installed"]:
                    return self.find()
                has_moved = there["store_url"] != self.base_url
                shop = self._with_settings(has_moved=has_moved)
                if has_moved or not VARIANTS.keys() <= set(known_variants):
                    self._announce(again=has_moved)
                return self._with_access(shop)
            except ShopifyAwayError as error:
                raise UnavailableError(str(error)) from None

    def reinstall(self) -> Shop:
        """Install the app again, as the merchant does who opens it."""
        self.shopify.install(SHOP_DOMAIN)
        return self.open(VARIANTS)

    def _with_settings(self, *, has_moved: bool) -> Shop:
        wanted = settings_of_the_shop(self.base_url)
        if has_moved:  # the address has changed since: pictures and links move with it
            self.shopify.open(SHOP_DOMAIN, self.base_url)
        shop = self.shops.find(SHOP_DOMAIN)
        if shop is not None and shop.is_installed and _has(shop, wanted["product_url_template"]):
            return shop
        if shop is not None:
            wanted.pop("policy")  # chosen on the page
        self.shops.add(SHOP_DOMAIN)
        return self.shops.change_settings(SHOP_DOMAIN, wanted)

    def _announce(self, *, again: bool) -> None:
        """Have every product and level told; not for each visitor of a moment, unless there is news."""
        if again or time.monotonic() - self._announcing.done_at > ANNOUNCE_AGAIN_SECONDS:
            self.shopify.announce(SHOP_DOMAIN)
            self._announcing.done_at = time.monotonic()

    def _with_access(self, shop: Shop) -> Shop:
        """Let the app have a token, by an ID token as the admin gives it; without one, webhooks alone are the truth."""
        if not self.app.is_local or self.tokens.has_access(shop):
            return shop
        try:
            text = self.shopify.id_token(SHOP_DOMAIN)
            said = read_id_token(text, self.app.api_key, self.app.secrets, datetime.now(UTC))
            return self.tokens.welcome(text, said)
        except (BadIdTokenError, ControlRefusedError, AdminError, NoAccessError) as error:
            log.warning("playground_not_connected", error=str(error))
            return shop


def opening_at(settings: Settings, shops: ShopService, tokens: TokenService) -> Opening:
    """Find the store's Shopify; where there is none, an address that nobody answers at."""
    url = settings.playground_shopify_url or "http://127.0.0.1:1"
    secret = settings.shopify_api_secret.get_secret_value() if settings.shopify_api_secret else ""
    is_local = settings.shopify_admin_url == f"{url}/{{shop}}"
    app = App(settings.shopify_api_key, (secret,), is_local)
    return Opening(settings.public_url, app, shops, tokens, ShopifyControl(url))


def _has(shop: Shop, template: str) -> bool:
    return shop.settings.product_url_template == template
