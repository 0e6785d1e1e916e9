"""A store and Restock beside each other: a fake Shopify and the whole application, both over real HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text
from werkzeug.serving import make_server

from restock.bootstrap import Services
from restock.channels.values import ChannelName
from restock.config import Settings
from restock.playground.shopify.goods import add_goods
from restock.playground.shopify.sender import Delivery
from restock.playground.shopify.server import App, FakeShopify
from restock.playground.shopify.state import Shop
from restock.playground.shopify.tokens import mint_id_token
from restock.playground.store import LOCATIONS, VARIANTS
from restock.worker.process import chain_of
from restock.worker.stopping import NeverStop
from tests.application import open_app

DOMAIN = "north-pine.myshopify.com"
API_KEY, API_SECRET = "restock-life-key", "a-client-secret-for-a-store-s-life"
VARIANT = 45_120_000_102  # sold out at the start
PRODUCT = VARIANTS[VARIANT][0].id


@dataclass
class Life:
    """What the merchant, shoppers and Shopify do; `settle` does what the workers would."""

    shopify: FakeShopify
    services: Services
    url: str
    _end: Callable[[], None]
    _links: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, make_settings: Callable[..., Settings], port: int, **extra: object) -> Life:
        """Start a Shopify with one shop that has not the app yet, and the application."""
        url = f"http://127.0.0.1:{port}"
        shop = add_goods(Shop(id=71_200_002, domain=DOMAIN, name="North & Pine", is_installed=True))
        shopify = FakeShopify(App(url, API_KEY, API_SECRET), shops=[shop], retry_seconds=(0.2, 0.4, 0.8))
        shopify.start()
        settings = make_settings(
            shopify_api_key=API_KEY,
            shopify_api_secret=API_SECRET,
            shopify_admin_url=shopify.admin_url,
            port=port,
            app_url=url,
            settle_seconds=0,
            **extra,
        )
        app = open_app(settings)
        services: Services = app.extensions["restock"]
        server = make_server("127.0.0.1", port, app)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def end() -> None:
            shopify.close()
            server.shutdown()
            thread.join()
            server.server_close()
            services.close(seconds=10)

        return cls(shopify, services, url, end)

    def close(self) -> None:
        """Stop both."""
        self._end()

    def open_the_app(self) -> tuple[int, str]:
        """Open the app's page inside Shopify's admin, as the merchant does; return status and page."""
        token = mint_id_token(DOMAIN, API_KEY, API_SECRET, time.time())
        query = urlencode({"shop": DOMAIN, "host": "YWRtaW4", "embedded": "1", "id_token": token})
        return self._send(f"{self.url}/?{query}", None, {"Sec-Fetch-Dest": "iframe"})

    def ask(self, email: str, *, through_the_theme: bool = False) -> dict[str, Any]:
        """Leave an intent for the sold-out variant: from a headless page, or through the app proxy of the theme."""
        body = {
            "intent": {"shopify_variant_id": VARIANT, "shopify_product_id": PRODUCT, "channel": "email", "source": "t"},
            "customer": {"email": email},
        }
        address = f"{self.shopify.url}/{DOMAIN}/apps/restock/intents" if through_the_theme else None
        headers = {} if through_the_theme else {"X-Shopify-Shop-Domain": DOMAIN}
        status, answer = self._send(address or f"{self.url}/api/v1/intents.json", body, headers)
        assert status == 201, answer
        told: dict[str, Any] = json.loads(answer)
        return told

    def stock(self, units: int) -> Sequence[Delivery]:
        """Say how many units the first location has."""
        return self.taken(self.shopify.deeds.set_level(DOMAIN, VARIANT, LOCATIONS[0].id, units))

    def taken(self, sent: Sequence[Delivery]) -> Sequence[Delivery]:
        """Wait until each webhook is answered with a 200."""
        for delivery in sent:
            answer = delivery.wait(60)
            assert answer is not None
            assert answer.status == 200, answer
        return sent

    def settle(self) -> None:
        """Do everything that is due."""
        chain = chain_of(self.services, NeverStop())
        for _ in range(2):
            chain.apply_inbox()
            self.services.upkeep.run()
            self.services.restocks.reconcile()
            chain.reconcile(0.5)
            while self.services.restocks.threads.busy():
                self.services.restocks.threads.wait(1)
            self.services.purchases.close_due()
            chain.check_stock()
        for channel in ChannelName:
            self.services.deliveries.drain(channel, seconds=10)
        self.services.privacy.work_due(seconds=30)

    def topics(self) -> set[str]:
        """Name the topics the shop's own subscriptions are for; those being made by a thread are waited for."""
        until = time.monotonic() + 60
        while not (found := self.shopify.world.shops[DOMAIN].subscriptions) and time.monotonic() < until:
            time.sleep(0.02)
        return {one.topic for one in list(found.values())}

    def value(self, query: str) -> Any:
        """Look one value up in the tables."""
        with self.services.database.transaction() as session:
            return session.execute(text(query)).scalar_one()

    def change(self, statement: str) -> None:
        """Change the tables, such as the time at which something is due."""
        with self.services.database.transaction() as session:
            session.execute(text(statement))

    @staticmethod
    def recipients(mails: Sequence[Any]) -> list[str]:
        """Name whom mails went to, sorted."""
        return sorted(re.sub(r".*<|>.*", "", str(mail["To"])) for mail in mails)

    def _send(self, address: str, body: object, headers: dict[str, str]) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        headers = headers | ({"Content-Type": "application/json"} if data else {})
        request = urllib.request.Request(address, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
