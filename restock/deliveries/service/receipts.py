"""Recording receipts: the delivery, the offer behind it and the address's fate in one transaction.

A message that came back was never seen. If our own record had not counted it as accepted yet, its offer comes back as
after any refusal. Otherwise the person counts as told, as everybody was who had the message accepted, but the turn ends
now instead of in an hour: the units it kept are the next person's.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from restock.channels.values import Blame, Receipt, ReceiptStatus
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.repository import receipts
from restock.deliveries.repository.receipts import Moved
from restock.deliveries.service.claiming import load_shop
from restock.deliveries.service.ports import Suppressions, Turns
from restock.failpoints import failpoint


@dataclass(frozen=True)
class Receipts:
    """Write down what providers say later."""

    database: Database
    turns: Turns
    suppressions: Suppressions

    def record(self, receipt: Receipt) -> bool:
        """Record one receipt; False when it is no news, or of a delivery that does not exist (any more)."""
        with self.database.transaction() as session:
            if receipt.blame is Blame.address:
                receipts.hold_contact(session, receipt.delivery_id)
            moved = receipts.move(session, receipt)
            if moved is None:
                return False
            if receipt.blame is Blame.address and moved.contact_id is not None:
                why = rules.suppression_of(receipt.reason, complained=receipt.status is ReceiptStatus.complained)
                self.suppressions.suppress(session, moved.shop_id, moved.contact_id, why)
            if moved.offer_id is not None:
                self._tell(session, moved, moved.offer_id, receipt)
            failpoint("receipt.before_commit")
        return True

    def _tell(self, session: Session, moved: Moved, offer_id: int, receipt: Receipt) -> None:
        """Tell the restocks; each of these changes an offer once, in the state it is for."""
        if receipt.status is ReceiptStatus.bounced:
            self.turns.offers_returned(session, moved.shop_id, [offer_id], receipt.reason)
            self.turns.offers_bounced(session, moved.shop_id, [offer_id])
        else:
            self.turns.offers_accepted(session, load_shop(session, moved.shop_id), [offer_id])
