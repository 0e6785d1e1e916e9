"""What a no to marketing at Shopify leads to: it is ours too. Alerts about stock go on; they were asked for apart.

Whoever has no contact here leaves nothing behind: the text of the webhook goes once it is read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from restock.inbox import repository
from restock.inbox.rules.consents import CONSENT_TOPICS, read_no
from restock.inbox.service.effects import Body, Effect, Origin
from restock.shops import repository as shop_rows
from restock.shops.service import to_shop


class Marketing(Protocol):
    """Take a no that was said at Shopify, in the caller's transaction; False when it changes nothing."""

    def refused_at_shopify(
        self, session: Session, shop_id: int, address_hash: bytes, said_at: datetime | None
    ) -> bool: ...


def consent_effects(marketing: Marketing) -> tuple[Effect, ...]:
    """Say what the news of marketing consent leads to."""

    def changed(session: Session, origin: Origin, body: Body) -> None:
        row = shop_rows.by_id(session, origin.shop_id) if origin.shop_id is not None else None
        if row is None:
            return
        no = read_no(origin.topic, body, to_shop(row).settings.country)
        if no is not None:
            marketing.refused_at_shopify(session, row.id, no.address_hash, no.said_at)
        repository.empty_body(session, origin.message_id)

    return (Effect(CONSENT_TOPICS, changed),)
