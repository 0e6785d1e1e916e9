"""Who may come through which door: exactly one guard for each blueprint.

A guard runs before every route of its blueprint and either returns None (come in) or raises. Whom a route then
serves it takes from what the guard verified, never from elsewhere in the request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from flask import Blueprint, Flask

REGISTRY = "restock_guards"


class Audience(StrEnum):
    """Who a blueprint is for, and what is checked."""

    anyone = "anyone"  # nothing secret behind it: operations
    storefront = "storefront"  # a shop header that selects the tenant and proves nothing
    shopify = "shopify"  # HMAC over the raw body
    proxy = "proxy"  # Shopify's signature over the query of a call through its app proxy
    provider = "provider"  # the provider's own signature, over what it sends
    link_holder = "link_holder"  # a signed token in the path
    merchant = "merchant"  # Shopify's ID token: the shop is the one it names
    newcomer = "newcomer"  # the playground: development only, loopback only


@dataclass(frozen=True)
class Guard:
    """One audience and its check. `check` None: every route of the blueprint verifies its own token or body."""

    audience: Audience
    check: Callable[[], None] | None = None


def mount(app: Flask, blueprint: Blueprint, guard: Guard) -> None:
    """Register a blueprint behind its guard; a second guard for the same blueprint is refused."""
    guards: dict[str, Audience] = app.extensions.setdefault(REGISTRY, {})
    if blueprint.name in guards:
        raise ValueError(f"blueprint {blueprint.name} has a guard already")
    guards[blueprint.name] = guard.audience
    if guard.check is not None:
        blueprint.before_request(guard.check)
    app.register_blueprint(blueprint)
