"""What a person changes about their own alerts, by the link we sent them.

The link proves one address and no more, so everything is scoped by that contact; whatever is not its own does not
exist. Each use case is one transaction that holds the contact first, and repeating it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row
from sqlalchemy.orm import Session

from restock.catalog.repository import request_checks
from restock.database import Database
from restock.subscriptions import repository
from restock.subscriptions.repository import choices
from restock.subscriptions.repository.choices import Changed
from restock.subscriptions.repository.endings import lock_contact
from restock.subscriptions.service.ports import NoTurns, Turns
from restock.subscriptions.values import HistoryEntry, HistoryKind, SubscriptionState

MOST_UNITS = 1000
_SHOPPER, _CLOCK = "shopper", "restock"


@dataclass(frozen=True)
class Choices:
    """The use cases of one person's alerts. `settle_seconds`: how long stock may settle before it is looked at."""

    database: Database
    settle_seconds: float = 10.0
    turns: Turns = field(default_factory=NoTurns)

    def pause(self, contact_id: int, alert_id: int | None, until: datetime | None = None) -> int:
        """Let one alert rest, or all (None); return how many changed. The place is kept.

        A turn whose message has not left goes to the next in line; one that is on its way, or running, stays.
        `until` None: until the person goes on.
        """
        with self.database.transaction() as session:
            shop_id = _hold(session, contact_id)
            if shop_id is None:
                return 0
            mine = choices.own(session, shop_id, contact_id, alert_id)
            self.turns.alerts_paused(session, shop_id, mine)
            changed = choices.pause(session, shop_id, contact_id, alert_id, until)
            _note(session, shop_id, changed, HistoryKind.paused, _SHOPPER)
            return len(changed)

    def resume(self, contact_id: int, alert_id: int | None) -> int:
        """Let one alert, or all (None), go on at its old place; return how many did. Their stock is looked at."""
        with self.database.transaction() as session:
            shop_id = _hold(session, contact_id)
            changed = choices.resume(session, shop_id, contact_id, alert_id) if shop_id is not None else []
            if shop_id is not None:
                _note(session, shop_id, changed, HistoryKind.resumed, _SHOPPER)
                self._look(session, shop_id, changed)
            return len(changed)

    def resume_due(self, limit: int = 1000) -> int:
        """Let alerts go on whose rest is over; return how many."""
        with self.database.transaction() as session:
            due = choices.resume_due(session, limit)
            for shop_id, changed in sorted(due.items()):
                _note(session, shop_id, changed, HistoryKind.resumed, _CLOCK)
                self._look(session, shop_id, changed)
        return sum(len(changed) for changed in due.values())

    def set_quantity(self, contact_id: int, alert_id: int, quantity: int) -> bool:
        """Want another quantity, 1 to MOST_UNITS; False where nothing changed.

        Nothing does while a turn is being handed over or once the waiting is over: so many units are kept by then.
        """
        if not 1 <= quantity <= MOST_UNITS:
            return False
        with self.database.transaction() as session:
            shop_id = _hold(session, contact_id)
            if shop_id is None:
                return False
            changed = choices.set_quantity(session, shop_id, contact_id, alert_id, quantity)
            _note(session, shop_id, changed, HistoryKind.quantity, _SHOPPER, quantity)
            self._look(session, shop_id, changed)
            return bool(changed)

    def leave(self, contact_id: int, alert_id: int) -> bool:
        """End one alert; False when it was over already. What its turn keeps goes to the next in line."""
        with self.database.transaction() as session:
            shop_id = _hold(session, contact_id)
            if shop_id is None:
                return False
            mine = choices.own(session, shop_id, contact_id, alert_id)
            given_up = self.turns.alerts_left(session, shop_id, mine)
            return bool(choices.leave(session, shop_id, contact_id, alert_id)) or given_up > 0

    def speak(self, contact_id: int, locale: str) -> bool:
        """Write to this contact in another language from now on; False when that was so already."""
        with self.database.transaction() as session:
            shop_id = _hold(session, contact_id)
            return shop_id is not None and choices.set_locale(session, shop_id, contact_id, locale)

    def _look(self, session: Session, shop_id: int, changed: Sequence[Changed]) -> None:
        """Have the stock looked at of what is waited for (again, or in another quantity)."""
        variants = {one.variant_id for one in changed if one.state == SubscriptionState.active}
        if variants:
            request_checks(session, shop_id, variants, self.settle_seconds)


def _hold(session: Session, contact_id: int) -> int | None:
    """Hold a contact until the transaction ends; return its shop, None when the contact is gone."""
    contact: Row[tuple[int, int]] | None = lock_contact(session, contact_id)
    return None if contact is None else contact.shop_id


def _note(  # noqa: PLR0917 (one line of the history)
    session: Session,
    shop_id: int,
    changed: Sequence[Changed],
    kind: HistoryKind,
    said_by: str,
    units: int | None = None,
) -> None:
    entries = [HistoryEntry(one.id, kind, units=units, said_by=said_by) for one in changed]
    repository.add_history(session, shop_id, entries)
