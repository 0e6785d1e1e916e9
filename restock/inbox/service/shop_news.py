"""What a shop's news of itself lead to: it has left, its scopes have changed, it has changed.

Shopify is not asked here: what has to be asked follows the commit, beside the worker.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from restock.inbox.rules.fields import UnreadableBodyError
from restock.inbox.service.effects import Body, Effect, Origin, Step
from restock.restocks.repository import leaving
from restock.shops import repository as shop_rows
from restock.shops.repository import tokens
from restock.shops.rules.profile import profile_in
from restock.shops.service import ShopService

MOST_SCOPES = 300


def shop_effects(shops: ShopService, look_after: Callable[[], None] = lambda: None) -> tuple[Effect, ...]:
    """Say what the news lead to; `look_after` begins the upkeep of shops and returns at once."""

    def removed(session: Session, origin: Origin, _body: Body) -> Step:
        shop_id = shop_rows.uninstall(session, origin.shop_domain, origin.triggered_at)
        if shop_id is not None:
            leaving.close_events(session, shop_id)
        return lambda: shops.memory.forget(origin.shop_domain)

    def rescoped(session: Session, origin: Origin, body: Body) -> Step | None:
        scopes = _read_scopes(body)
        if origin.shop_id is None or not tokens.set_scopes(session, origin.shop_id, scopes):
            return None

        def follow() -> None:
            shops.memory.forget(origin.shop_domain)
            look_after()

        return follow

    def changed(session: Session, origin: Origin, body: Body) -> Step | None:
        if origin.shop_id is None:
            return None
        shop_rows.save_profile(session, origin.shop_id, profile_in(body), origin.triggered_at)
        return lambda: shops.memory.forget(origin.shop_domain)

    return (
        Effect(frozenset({"app/uninstalled"}), removed),
        Effect(frozenset({"app/scopes_update"}), rescoped),
        Effect(frozenset({"shop/update"}), changed),
    )


def _read_scopes(body: Body) -> frozenset[str]:
    current = body.get("current")
    if not isinstance(current, list) or len(current) > MOST_SCOPES:
        raise UnreadableBodyError("bad_current")
    if not all(isinstance(scope, str) and scope.isascii() and 0 < len(scope) <= 100 for scope in current):
        raise UnreadableBodyError("bad_current")
    return frozenset(current)
