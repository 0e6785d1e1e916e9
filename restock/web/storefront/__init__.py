"""The storefront's door: what any browser may call, and what it may learn, which is nothing about anybody else."""

from __future__ import annotations

from restock.web.storefront.proxy import ProxyCheck, proxy_blueprint, proxy_signature
from restock.web.storefront.routes import storefront_blueprint

__all__ = ["ProxyCheck", "proxy_blueprint", "proxy_signature", "storefront_blueprint"]
