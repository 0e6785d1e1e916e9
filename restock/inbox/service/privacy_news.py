"""What Shopify's compliance webhooks lead to: a request, taken down in a moment and done later.

Also for a shop that has left or was never here: it asks after the app is gone.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from restock.inbox.rules.compliance import KINDS, read_request
from restock.inbox.service.effects import Body, Effect, Origin
from restock.privacy.service import PrivacyService


def privacy_effects(privacy: PrivacyService) -> tuple[Effect, ...]:
    """Say what the compliance topics lead to."""

    def asked(session: Session, origin: Origin, body: Body) -> None:
        privacy.receive(session, read_request(origin.topic, origin.shop_domain, body))

    return (Effect(frozenset(KINDS), asked, for_absent_shops=True),)
