"""Recording receipts: the delivery, the offer behind it and the address's fate in one transaction.

A message that came back was never seen. If our own record had not counted it as accepted yet, its offer comes back as
after any refusal. Otherwise the person counts as told, as everybody was who had the message accepted, but the turn ends
now instead of in an hour: the units it kept are the next person's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from restock.channels.values import Blame, Receipt, ReceiptStatus
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.limits.second_tries import (
    FILTERED,
    MOST_UNREACHABLE,
    UNREACHABLE,
    UNREACHABLE_DAYS,
    second_try_key,
)
from restock.deliveries.repository import notices, receipts
from restock.deliveries.repository.receipts import Moved
from restock.deliveries.service.claiming import load_shop
from restock.deliveries.service.ports import Suppressions, Turns
from restock.failpoints import failpoint
from restock.shops.values import Shop
from restock.subscriptions.values import SuppressionReason


@dataclass(frozen=True)
class Receipts:
    """Write down what providers say later. `filtered` is told of text messages that carriers filtered."""

    database: Database
    turns: Turns
    suppressions: Suppressions
    filtered: Callable[[Shop], None] | None = None

    def record(self, receipt: Receipt, shop_id: int | None = None) -> bool:
        """Record one receipt; False when it is no news, or of a delivery that does not exist (any more).

        `shop_id` is the shop whose own provider spoke: of another shop's messages it says nothing.
        """
        may_suppress = receipt.blame is Blame.address or receipt.status is ReceiptStatus.bounced
        with self.database.transaction() as session:
            if may_suppress:
                receipts.hold_contact(session, receipt.delivery_id, shop_id)
            moved = receipts.move(session, receipt, shop_id)
            if moved is None:
                return False
            why = self._why_suppress(session, receipt, moved)
            if why is not None and moved.contact_id is not None:
                self.suppressions.suppress(session, moved.shop_id, moved.contact_id, why)
            if moved.offer_id is not None:
                self._tell(session, moved, moved.offer_id, receipt)
            is_filtered = self.filtered is not None and receipt.reason == FILTERED
            shop = load_shop(session, moved.shop_id) if is_filtered else None
            failpoint("receipt.before_commit")
        if shop is not None and self.filtered is not None:
            self.filtered(shop)
        return True

    def _why_suppress(self, session: Session, receipt: Receipt, moved: Moved) -> SuppressionReason | None:
        """Say why the address is written to no more; one message that came back for another reason is no reason yet."""
        if receipt.blame is Blame.address:
            return rules.suppression_of(receipt.reason, complained=receipt.status is ReceiptStatus.complained)
        if receipt.status is not ReceiptStatus.bounced or moved.contact_id is None:
            return None
        if receipt.reason == UNREACHABLE:
            never = receipts.count_since_reached(session, moved.contact_id, UNREACHABLE_DAYS, UNREACHABLE)
            return SuppressionReason.bounced if never >= MOST_UNREACHABLE else None
        if not moved.is_email:
            return None
        lately = receipts.count_bounces(session, moved.contact_id, rules.SOFT_BOUNCE_DAYS)
        return SuppressionReason.bounced if lately >= rules.MOST_SOFT_BOUNCES else None

    def _tell(self, session: Session, moved: Moved, offer_id: int, receipt: Receipt) -> None:
        """Tell the restocks; each of these changes an offer once, in the state it is for."""
        if receipt.status is ReceiptStatus.bounced:
            self.turns.offers_returned(session, moved.shop_id, [offer_id], receipt.reason)
            self.turns.offers_bounced(session, moved.shop_id, [offer_id])
            if receipt.again_seconds is not None:
                key = second_try_key(offer_id)
                again = receipts.second_try(session, receipt.delivery_id, moved, key, receipt.again_seconds)
                notices.add(session, [again] if again else [])
        else:
            self.turns.offers_accepted(session, load_shop(session, moved.shop_id), [offer_id])
