"""Changed settings: restocks that are on are looked at by them at once. No queue is walked and nobody is asked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.values import ChannelName
from restock.database import Database
from restock.restocks import repository
from restock.restocks.repository import passes
from restock.restocks.rules import new_settings
from restock.restocks.service.ports import Notices
from restock.shops.values import Shop

_WOKEN_AT_ONCE = 500


@dataclass(frozen=True)
class NewSettings:
    """Have a merchant's changed settings acted on."""

    database: Database
    notices: Notices

    def changed(self, session: Session, before: Shop, after: Shop) -> Callable[[], None]:
        """Have every open restock of the shop planned by its new settings, in the transaction that saves them.

        It holds the shop. Where stock is read otherwise now, it is read again. Return what is to be done once they can
        be seen: a restock that began meanwhile was planned by the old ones.
        """
        was, now = before.settings, after.settings
        if not new_settings.shares_otherwise(was, now):
            return _nothing
        planned = repository.replan_shop(session, after.id)
        reads_anew = new_settings.reads_otherwise(was, now)
        if reads_anew:
            passes.hurry_pass(session, after.id)
            catalog.request_checks(session, after.id, set(planned.values()), 0)
        hours = new_settings.hours_changed(was, now)
        return lambda: self._follow_up(after.id, set(planned), hours)

    def _follow_up(self, shop_id: int, planned: set[int], hours: Sequence[ChannelName]) -> None:
        with self.database.transaction() as session:
            repository.replan_shop(session, shop_id, but=planned)
        if hours:
            self._wake(shop_id, hours)

    def _wake(self, shop_id: int, hours: Sequence[ChannelName]) -> None:
        """Have messages that wait for their people to wake decided about again, a few in each transaction."""
        with self.database.transaction() as session:
            asleep = self.notices.asleep(session, shop_id, hours)
        for first in range(0, len(asleep), _WOKEN_AT_ONCE):
            with self.database.transaction() as session:
                self.notices.wake(session, shop_id, asleep[first : first + _WOKEN_AT_ONCE])


def _nothing() -> None:
    pass
