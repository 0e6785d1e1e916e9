"""Does what the control API is asked for (its routes stand in the package's own description)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from restock.playground.shopify.deeds import Cart, Deeds
from restock.playground.shopify.goods import add_goods
from restock.playground.shopify.graphql.endpoint import AdminEndpoint
from restock.playground.shopify.sender import Delivery
from restock.playground.shopify.state import Shop, UnknownThingError
from restock.playground.shopify.tokens import mint_id_token
from restock.playground.shopify.troubles import Troubles

WAIT_SECONDS = 10.0
_SHOP = re.compile(r"/control/shops/([a-z0-9.-]+)(?:/([a-z-]+))?")
Json = dict[str, Any]
Deed = Callable[[str, Json], object]


@dataclass(frozen=True)
class ControlDesk:
    """Every question and deed of the control API."""

    deeds: Deeds
    admin: AdminEndpoint
    troubles: Troubles

    def ask(self, path: str) -> object:
        """Answer a GET; raises UnknownThingError."""
        if path == "/control":
            return self._overview()
        found = _SHOP.fullmatch(path)
        if found is None or found[2]:
            raise UnknownThingError(f"no {path} here")
        with self.deeds.world.looked_at(found[1]) as shop:
            return _shown(shop)

    def do(self, path: str, body: Json) -> object:
        """Do a POST; raises UnknownThingError, CannotError, and KeyError, TypeError or ValueError for a faulty body."""
        general: Mapping[str, Callable[[Json], object]] = {
            "/control/faults": self._faults,
            "/control/troubles": self._troubles,
            "/control/bucket": self._bucket,
            "/control/shops": self._add_shop,
        }
        if path in general:
            return general[path](body)
        found = _SHOP.fullmatch(path)
        deed = self._deed(found[2]) if found and found[2] else None
        if found is None or deed is None:
            raise UnknownThingError(f"no {path} here")
        is_waited_for = body.pop("wait", True)
        done = deed(found[1], body)
        return self._answers(done, waited=is_waited_for) if isinstance(done, list) else done

    def _deed(self, name: str) -> Deed | None:
        deeds = self.deeds
        table: Mapping[str, Deed] = {
            "open": self._open,
            "announce": lambda domain, _: deeds.announce(domain),
            "levels": lambda domain, body: deeds.set_level(
                domain, int(body["variant_id"]), int(body["location_id"]), body["available"]
            ),
            "products": self._product,
            "variants": lambda domain, body: deeds.change_variant(domain, int(body.pop("variant_id")), body),
            "orders": self._order,
            "shop": deeds.change_shop,
            "scopes": lambda domain, body: deeds.change_scopes(domain, body["scopes"]),
            "lag": self._lag,
            "tokens": self._tokens,
            "id-token": self._id_token,
            "uninstall": lambda domain, _: deeds.uninstall(domain),
            "install": lambda domain, _: deeds.install(domain),
            "compliance": lambda domain, body: deeds.comply(
                domain, body["topic"], body.get("email"), body.get("phone")
            ),
            "webhooks": lambda domain, body: deeds.send(domain, body["topic"], body["body"]),
        }
        return table.get(name)

    def _answers(self, deliveries: Sequence[Delivery], *, waited: bool) -> Json:
        late = self.deeds.sender.faults.delay_seconds > 0
        deadline = time.monotonic() + WAIT_SECONDS
        if waited and not late:
            for delivery in deliveries:
                delivery.wait(max(0.0, deadline - time.monotonic()))
        return {"webhooks": [_told(delivery) for delivery in deliveries]}

    def _overview(self) -> Json:
        tally, faults = self.deeds.sender.tally, self.deeds.sender.faults
        return {
            "faults": asdict(faults)
            | {"throttled": self.admin.is_throttled, "outage": self.troubles.standing == "outage"},
            "webhooks": asdict(tally),
            "admin_calls": self.admin.call_count,
            "token_calls": dict(self.deeds.desk.calls),
            "shops": {
                domain: {"is_installed": shop.is_installed, "is_lagging": shop.lagging is not None}
                for domain, shop in self.deeds.world.shops.items()
            },
        }

    def _faults(self, body: Json) -> object:
        faults = self.deeds.sender.faults
        for name, kind in (("copies", int), ("delay_seconds", float), ("is_lost", bool), ("is_shuffled", bool)):
            if name in body:
                setattr(faults, name, kind(body[name]))
        if "throttled" in body:
            self.admin.is_throttled = bool(body["throttled"])
        if "outage" in body:
            self.troubles.standing = "outage" if body["outage"] else None
        return self._overview()

    def _troubles(self, body: Json) -> object:
        if body:
            self.troubles.add(body["name"], int(body.get("times", 1)), float(body.get("seconds", 0)), body.get("where"))
        else:
            self.troubles.clear()
        return None

    def _bucket(self, body: Json) -> object:
        self.admin.bucket_holds = float(body.get("holds", self.admin.bucket_holds))
        self.admin.bucket_restores = float(body.get("restores", self.admin.bucket_restores))
        if body.get("empty"):
            for domain in self.deeds.world.shops:
                self.admin.bucket(domain).empty()
        return None

    def _add_shop(self, body: Json) -> object:
        seed = body.pop("seed", False)
        if "scopes" in body:
            body["scopes"] = frozenset(body["scopes"])
        body.setdefault("name", body["domain"].partition(".")[0].title())
        shop = Shop(id=self.deeds.world.next_id(), **body)
        return _shown(self.deeds.world.add(add_goods(shop) if seed else shop))

    def _open(self, domain: str, body: Json) -> object:
        with self.deeds.world.changing(domain) as shop:
            shop.store_url = str(body["store_url"]).rstrip("/")
            return _shown(shop)

    def _product(self, domain: str, body: Json) -> object:
        product_id = int(body.pop("product_id"))
        if body.pop("deleted", False):
            return self.deeds.delete_product(domain, product_id)
        return self.deeds.change_product(domain, product_id, body)

    def _order(self, domain: str, body: Json) -> object:
        is_waited_for = body.pop("wait", True)
        body |= {name: int(body[name]) for name in ("variant_id", "quantity") if name in body}
        order, sent = self.deeds.buy(domain, Cart(**body))
        return {"order": {"id": order.id, "number": order.number}} | self._answers(sent, waited=is_waited_for)

    def _lag(self, domain: str, body: Json) -> object:
        with self.deeds.world.changing(domain) as shop:
            shop.let_quantities_lag(on=bool(body["on"]))
        return None

    def _tokens(self, domain: str, body: Json) -> object:
        with self.deeds.world.changing(domain) as shop:
            if body.get("expire"):
                self.deeds.desk.expire_all(shop)
        return None

    def _id_token(self, domain: str, body: Json) -> object:
        with self.deeds.world.looked_at(domain):
            desk = self.deeds.desk
            return {"id_token": mint_id_token(domain, desk.api_key, desk.api_secret, desk.clock(), **body)}


def _told(delivery: Delivery) -> Json:
    answer = delivery.answer
    return {
        "topic": delivery.topic,
        "webhook_id": delivery.webhook_id,
        "status": answer.status if answer else None,
        "milliseconds": answer.milliseconds if answer else None,
    }


def _shown(shop: Shop) -> Json:
    return {
        "id": shop.id,
        "domain": shop.domain,
        "name": shop.name,
        "currency": shop.currency,
        "country": shop.country,
        "store_url": shop.store_url,
        "is_installed": shop.is_installed,
        "is_lagging": shop.lagging is not None,
        "scopes": sorted(shop.scopes),
        "token_count": len(shop.tokens),
        "products": {str(one.id): {"title": one.title, "status": one.status} for one in shop.products.values()},
        "levels": {str(v.id): {str(k): n for k, n in shop.item_of(v).levels.items()} for v in shop.variants.values()},
        "subscriptions": [{"topic": one.topic, "uri": one.uri} for one in shop.subscriptions.values()],
        "orders": [asdict(order) | {"ordered_at": order.ordered_at.isoformat()} for order in shop.orders.values()],
        "customers": [asdict(customer) for customer in shop.customers.values()],
    }
