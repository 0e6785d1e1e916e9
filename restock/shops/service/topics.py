"""The webhooks a shop sends because of an optional scope: subscribed to when it is granted, ended when it is not.

The topics every shop sends stand in shopify.app.toml and are none of this module's.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from restock.shopify.errors import AdminForbiddenError, AdminRefusedError, NoAccessError
from restock.shopify.port import AdminApi
from restock.shops import repository
from restock.shops.rules.topics import TopicPlan, plan_topics, wanted_topics
from restock.shops.service.tokens import TokenService

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TopicService:
    """Keep a shop's own subscriptions as its scopes say. `uri` is where its webhooks are to go."""

    tokens: TokenService
    admin: AdminApi
    uri: str

    def reconcile(self, shop_id: int) -> TopicPlan:
        """Compare and change what differs; return what was to be changed.

        A topic that Shopify does not give us, or does not let us end, is logged and passed over. Raises as
        `TokenService.ask` does.
        """
        with self.tokens.renewal.database.transaction() as session:
            row = repository.by_id(session, shop_id)
            scopes = frozenset(row.scopes) if row else None
        if scopes is None:
            raise NoAccessError("there is no such shop")
        found = self.tokens.ask(shop_id, self.admin.topic_subscriptions)
        plan = plan_topics(wanted_topics(scopes), found, self.uri)
        for subscription_id in plan.end:
            self._end(shop_id, subscription_id)
        for topic in plan.add:
            self._subscribe(shop_id, topic)
        return plan

    def _end(self, shop_id: int, subscription_id: str) -> None:
        try:
            self.tokens.ask(shop_id, lambda access: self.admin.unsubscribe(access, subscription_id))
        except (AdminRefusedError, AdminForbiddenError) as refused:
            log.warning("topic_not_ended", shop_id=shop_id, error=type(refused).__name__)

    def _subscribe(self, shop_id: int, topic: str) -> None:
        try:
            self.tokens.ask(shop_id, lambda access: self.admin.subscribe(access, topic, self.uri))
        except (AdminRefusedError, AdminForbiddenError) as refused:
            log.warning("topic_refused", shop_id=shop_id, topic=topic, error=type(refused).__name__)
