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
        waiting = new_settings.waits_otherwise(was, now)
        return lambda: self._follow_up(after.id, set(planned), waiting)

    def _follow_up(self, shop_id: int, planned: set[int], channels: Sequence[ChannelName]) -> None:
        with self.database.transaction() as session:
            repository.replan_shop(session, shop_id, but=planned)
        if channels:
            self._wake(shop_id, channels)

    def _wake(self, shop_id: int, channels: Sequence[ChannelName]) -> None:
        """Have messages that wait for their hour or their day decided about again, a few in each transaction."""
        with self.database.transaction() as session:
            waiting = self.notices.waiting(session, shop_id, channels)
        for first in range(0, len(waiting), _WOKEN_AT_ONCE):
            with self.database.transaction() as session:
                self.notices.wake(session, shop_id, waiting[first : first + _WOKEN_AT_ONCE])


def _nothing() -> None:
    pass
