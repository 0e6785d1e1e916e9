"""What people answer by text message: a stop and a start, for every shop that writes from the number they answered.

All shops of an instance share its sender: whoever says stop to it is written to by none of them (and Twilio would
refuse it). A start lifts what a stop began and nothing else. A shop that has taken the app out counts with the others:
it may be back with everybody who waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from restock.channels.values import ChannelName
from restock.database import Database
from restock.ids import address_hash
from restock.subscriptions import repository
from restock.subscriptions.repository.endings import contacts_of, lock_contact
from restock.subscriptions.service.ports import NoTurns, Turns
from restock.subscriptions.values import AddressHolder, SuppressionReason

_NOT_STOPPED = (None, SuppressionReason.unsubscribed)


@dataclass(frozen=True)
class AnswerService:
    """Act on an answer. Each method may run twice for one answer; one contact is one transaction."""

    database: Database
    settle_seconds: float = 10.0
    turns: Turns = field(default_factory=NoTurns)

    def stop(self, number: str) -> AddressHolder | None:
        """Never write to this number (E.164) again; return whom to answer, None when nothing changed."""
        changed = [one for one in self._holders(number) if one.suppression in _NOT_STOPPED]
        for one in changed:
            with self.database.transaction() as session:
                lock_contact(session, one.contact_id, one.shop_id)
                self.turns.person_left(session, one.shop_id, one.contact_id)
                repository.suppress(session, one.shop_id, one.contact_id, SuppressionReason.stopped)
        return changed[0] if changed else None

    def start(self, number: str) -> AddressHolder | None:
        """Lift what a stop of this number (E.164) began; return whom to answer, None when nothing changed."""
        stopped = [one for one in self._holders(number) if one.suppression == SuppressionReason.stopped]
        for one in stopped:
            with self.database.transaction() as session:
                repository.confirm(session, one.contact_id, self.settle_seconds, source="sms")
        return stopped[0] if stopped else None

    def holder_of(self, number: str) -> AddressHolder | None:
        """Find whom this number (E.164) had to do with last; None for a stranger's."""
        return next(iter(self._holders(number)), None)

    def _holders(self, number: str) -> Sequence[AddressHolder]:
        with self.database.transaction() as session:
            return contacts_of(session, address_hash(ChannelName.sms, number))
