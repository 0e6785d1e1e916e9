"""The fake Shopify as a server on 127.0.0.1: which path is answered by which part.

`/SHOP/admin/api/VERSION/graphql.json`, `/SHOP/admin/oauth/access_token`, `/SHOP/apps/restock/…`, `/control…`; the same
without `/SHOP` when the Host header names the shop.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from restock.playground.fake_http import Answer, FakePeer, Request, Trouble
from restock.playground.shopify.control.desk import ControlDesk
from restock.playground.shopify.deeds import CannotError, Deeds
from restock.playground.shopify.goods import playground_shop
from restock.playground.shopify.graphql.endpoint import AdminEndpoint
from restock.playground.shopify.proxy import PREFIX, AppProxy
from restock.playground.shopify.sender import RETRY_SECONDS, WebhookSender
from restock.playground.shopify.state import Shop, UnknownThingError, World
from restock.playground.shopify.tokens import RefusedError, TokenDesk
from restock.playground.shopify.troubles import ANSWERS, Troubles

FILE_NAME = "shopify.json"
KEPT_REQUESTS = 500
_GRAPHQL = re.compile(r"/admin/api/(?:\d{4}-\d{2}|unstable)/graphql\.json")
_TOKEN = "/admin/oauth/access_token"  # noqa: S105 - a path
_SHOP_FIRST = re.compile(r"/([a-z0-9][a-z0-9-]*\.myshopify\.com)(/.*)?")
_KEPT = TypeAdapter(list[Shop])


@dataclass(frozen=True)
class App:
    """The one app that the fake knows: its key and secret, and where it answers."""

    url: str
    api_key: str
    api_secret: str


class FakeShopify(FakePeer):
    """Serve shops. Start and close it as every fake; `world`, `deeds` and the other parts may be used directly.

    `folder`: keep the shops there, so that a restart goes on with the same stock and tokens.
    """

    def __init__(
        self,
        app: App,
        port: int = 0,
        *,
        shops: Iterable[Shop] = (),
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        super().__init__(port)
        self.app = app
        self._file = folder / FILE_NAME if folder else None
        self.world = World(self._kept() or shops)
        self.sender = WebhookSender(app.api_secret, retry_seconds)
        self.desk = TokenDesk(app.api_key, app.api_secret, clock)
        self.deeds = Deeds(self.world, self.sender, self.desk, app.url)
        self.admin = AdminEndpoint(self.world)
        self.hurdles = Troubles()
        self.control = ControlDesk(self.deeds, self.admin, self.hurdles)
        self.proxy = AppProxy(app.url, app.api_secret, clock)
        if self._file is not None:
            self.world.changed = self._keep
            self._keep()

    @property
    def admin_url(self) -> str:
        """What SHOPIFY_ADMIN_URL must be."""
        return f"{self.url}/{{shop}}"

    def start(self) -> None:
        """Begin to serve, and to send webhooks."""
        self.sender.start()
        super().start()

    def close(self) -> None:
        """Stop both; safe to call twice."""
        self.sender.close()
        super().close()
        self.proxy.close()

    def trouble_for(self, request: Request) -> Trouble | None:
        """Only the Admin API and the token endpoint meet trouble."""
        del request
        return None

    def answer(self, request: Request) -> Answer | None:
        """Answer one request, or None when the connection is to break."""
        _, path = _shop_of(request)
        where = "token" if path == _TOKEN else "graphql" if _GRAPHQL.fullmatch(path) else None
        met = self.hurdles.meet(where) if where else None
        del self.requests[:-KEPT_REQUESTS]
        if isinstance(met, Answer):
            return met
        if isinstance(met, Trouble):
            self._stopping.wait(60 if met.hang else met.delay_seconds)
            if met.hang or met.reset:
                return None
        return super().answer(request)

    def respond(self, request: Request) -> Answer:
        """Answer as the part whose path it is."""
        domain, path = _shop_of(request)
        if domain is None and path.startswith("/control"):
            return self._controlled(request)
        if domain is None or domain not in self.world.shops:
            return ANSWERS["not_found"]
        if path.startswith(f"{PREFIX}/"):
            return self._proxied(domain, path, request)
        if request.method == "POST" and path == _TOKEN:
            return self._token(domain, request)
        if request.method == "POST" and _GRAPHQL.fullmatch(path):
            return self._graphql(domain, request)
        return ANSWERS["not_found"]

    def _graphql(self, domain: str, request: Request) -> Answer:
        token = request.headers.get("x-shopify-access-token", "")
        with self.world.looked_at(domain) as shop:
            pair = self.desk.pair_with(shop, token) if token.isascii() else None
        if pair is None:
            return ANSWERS["unauthorized"]
        return Answer(200, self.admin.answer(domain, pair.scopes, request.body))

    def _token(self, domain: str, request: Request) -> Answer:
        is_json = "json" in request.headers.get("content-type", "")
        try:
            asked = json.loads(request.body) if is_json else dict(parse_qsl(request.body.decode()))
            with self.world.changing(domain) as shop:
                return Answer(200, self.desk.hand_out(shop, asked))
        except RefusedError as error:
            return Answer(400, {"error": str(error), "error_description": "The request was refused."})
        except (ValueError, AttributeError):
            return Answer(400, {"error": "invalid_request"})

    def _proxied(self, domain: str, path: str, request: Request) -> Answer:
        customer_id = request.headers.get("x-playground-customer-id", "")  # who is logged in at this store
        return self.proxy.forward(domain, path.removeprefix(PREFIX), request, customer_id)

    def _controlled(self, request: Request) -> Answer:
        try:
            if request.method == "GET":
                return Answer(200, self.control.ask(request.path))
            if not request.headers.get("content-type", "").startswith("application/json"):
                return Answer(415, {"error": "Send the body as application/json."})
            return Answer(200, self.control.do(request.path, json.loads(request.body or b"{}")))
        except UnknownThingError as error:
            return Answer(404, {"error": str(error)})
        except CannotError as error:
            return Answer(409, {"error": str(error)})
        except (KeyError, TypeError, ValueError) as error:
            return Answer(400, {"error": f"The body cannot be used: {error}"})

    def _kept(self) -> list[Shop]:
        """Read the shops that were kept; none when there are none, or they are of another version."""
        try:
            return _KEPT.validate_json(self._file.read_bytes()) if self._file else []
        except (FileNotFoundError, ValidationError):
            return []

    def _keep(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(_KEPT.dump_json(list(self.world.shops.values())))
        new.replace(self._file)


def open_playground(app: App, port: int, folder: Path) -> FakeShopify:
    """Open the fake that development runs: one shop, the playground's, kept in a folder."""
    return FakeShopify(app, port, shops=[playground_shop()], folder=folder)


def _shop_of(request: Request) -> tuple[str | None, str]:
    """Split a path into the shop and the rest; the shop may stand in the Host header instead."""
    if found := _SHOP_FIRST.fullmatch(request.path):
        return found[1], found[2] or "/"
    host = request.headers.get("host", "").partition(":")[0]
    return (host if host.endswith(".myshopify.com") else None), request.path
