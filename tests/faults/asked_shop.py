"""A second shop, whose Admin API is asked: for passes over what is waited for, and for tokens that run out."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from restock.channels.values import ChannelName
from restock.local.sockets import free_port
from restock.playground.shopify.goods import add_goods
from restock.playground.shopify.server import App, FakeShopify
from restock.playground.shopify.state import Shop
from restock.playground.shopify.tokens import mint_id_token
from restock.playground.store import LOCATIONS
from tests.faults.instance import API_KEY, API_SECRET
from tests.faults.town import Town

DOMAIN = "north-pine.myshopify.com"
VARIANT = 45_120_000_102  # sold out at the start
STAYS_SOLD_OUT = 45_120_000_101

# As if the half minute a lost worker's right to fetch tokens lasts had passed, and an hour had nearly.
_TOKENS_ARE_DUE = """
    UPDATE shop_tokens SET lease_until = least(lease_until, now()), refresh_at = now(), try_at = now()
"""


def open_shopify(url: str) -> FakeShopify:
    """Start a Shopify with one shop; none of its webhooks ever arrives."""
    shop = add_goods(Shop(id=71_200_002, domain=DOMAIN, name="North & Pine", is_installed=True))
    shopify = FakeShopify(App(url, API_KEY, API_SECRET), free_port(), shops=[shop])
    shopify.sender.faults.is_lost = True
    shopify.start()
    return shopify


class AskedShop:
    """What happens there. The instance has been started with SHOPIFY_ADMIN_URL of this Shopify."""

    def __init__(self, town: Town, shopify: FakeShopify) -> None:
        self.town = town
        self.shopify = shopify
        token = mint_id_token(DOMAIN, API_KEY, API_SECRET, time.time())
        query = urlencode({"shop": DOMAIN, "host": "YWRtaW4", "embedded": "1", "id_token": token})
        opened = town.http.request(
            "GET", f"{town.instance.url}/?{query}", headers={"Sec-Fetch-Dest": "iframe"}, timeout=60
        )
        assert opened.status == 200, opened.data
        (self.shop_id,) = town.sql("SELECT id FROM shops WHERE domain = %(domain)s", domain=DOMAIN)[0]

    def join(self, variant: int, count: int, *, due: bool = True) -> None:
        """Have new people wait for something of this shop."""
        self.town.join(variant, ChannelName.email, count, due=due, shop_id=int(str(self.shop_id)))

    def restock(self, units: int) -> None:
        """Have new stock; only a pass can find it."""
        self.shopify.deeds.set_level(DOMAIN, VARIANT, LOCATIONS[0].id, units)

    def let_a_pass_be_due(self) -> None:
        """Let a quarter of an hour have passed since what is waited for was asked about."""
        self.town.sql("UPDATE reconcile_state SET next_at = least(next_at, now()) WHERE cursor_variant_id = 0")

    def let_tokens_run_out(self) -> None:
        """Make tokens due for renewal at the next question."""
        self.town.sql(_TOKENS_ARE_DUE)
