"""The bodies of Shopify's compliance webhooks as requests, and which webhooks may keep theirs. Pure.

The topic and the shop of a webhook stand in headers that nobody signed, so a body is believed only where it agrees
with them: a stranger who caught one signed body must not be able to erase another shop, or a shop instead of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restock.inbox.rules.fields import UnreadableBodyError, optional_id, optional_text
from restock.privacy.values import Identity, NewRequest, RequestKind
from restock.shopify.domains import clean_shop_domain

Body = Mapping[str, Any]

KINDS: Mapping[str, RequestKind] = {
    "customers/data_request": RequestKind.data_request,
    "customers/redact": RequestKind.customer_redact,
    "shop/redact": RequestKind.shop_redact,
}
# News of goods, kept for a while to be looked into. Every other body goes as soon as it has had its effect.
IMPERSONAL = ("products/", "variants/", "inventory_items/", "inventory_levels/", "locations/")
_OWN_KEYS: Mapping[RequestKind, str] = {
    RequestKind.data_request: "data_request",
    RequestKind.customer_redact: "orders_to_redact",
}
_MOST_ORDERS = 10_000


def read_request(topic: str, shop_domain: str, body: Body) -> NewRequest:
    """Read a request; raises UnreadableBodyError, also for a body that is of another topic or shop than it says."""
    kind = KINDS[topic]
    _agree(kind, shop_domain, body)
    if kind is RequestKind.shop_redact:
        return NewRequest(shop_domain, kind)
    identity = _identity(body)
    if identity == Identity():
        raise UnreadableBodyError("nobody_named")
    asked = body.get("data_request")
    request_id = optional_id(asked, "id") if isinstance(asked, dict) else None
    return NewRequest(shop_domain, kind, identity, request_id)


def _agree(kind: RequestKind, shop_domain: str, body: Body) -> None:
    named = body.get("shop_domain")
    if isinstance(named, str) and (clean := clean_shop_domain(named)) is not None and clean != shop_domain:
        raise UnreadableBodyError("other_shop")
    foreign = {"customer", *_OWN_KEYS.values()} if kind is RequestKind.shop_redact else set(_OWN_KEYS.values())
    if (foreign - {_OWN_KEYS.get(kind)}) & body.keys():
        raise UnreadableBodyError("other_topic")


def _identity(body: Body) -> Identity:
    customer = body.get("customer")
    if customer is None:
        customer = {}
    if not isinstance(customer, dict):
        raise UnreadableBodyError("bad_customer")
    orders = body.get("orders_to_redact") or body.get("orders_requested") or []
    if not isinstance(orders, list):
        raise UnreadableBodyError("bad_orders")
    listed = [optional_id({"order": order}, "order") for order in orders[:_MOST_ORDERS]]
    return Identity(
        shopify_customer_id=optional_id(customer, "id"),
        email=optional_text(customer.get("email")),
        phone=optional_text(customer.get("phone")),
        order_ids=tuple(order for order in listed if order is not None),
    )
