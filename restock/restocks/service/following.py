"""What a reading leads to for one variant: its event opens, goes on or closes. One variant, one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.values import Check, StockReading
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks import repository, rules
from restock.restocks.service.threads import is_of_nobody
from restock.restocks.values import CloseReason, OpenEvent
from restock.shops.repository import by_id
from restock.shops.service import to_shop
from restock.shops.values import NotificationPolicy, Shop

log = structlog.get_logger(__name__)

TakeReading = Callable[[Session, Shop, int], StockReading | None]


@dataclass(frozen=True)
class Following:
    """Follow readings, each variant by itself: one that cannot be followed fails alone."""

    database: Database

    def check(self, check: Check, take: TakeReading, finish: Callable[[Session], None]) -> None:
        """Take a checked variant's reading, follow it, and settle the check, all in one transaction.

        One that fails stays claimed, and comes back after its lease.
        """
        try:
            with self.database.transaction() as session:
                self._check(session, check, take)
                finish(session)
                failpoint("check.before_commit")
            failpoint("check.after_commit")
        except Exception as error:  # the door of one small job: the others go on, and this one comes back
            if is_of_nobody(error):
                log.info("shop_gone", shop_id=check.shop_id)
            else:
                log.exception("stock_check_failed", shop_id=check.shop_id, variant_id=check.variant_id)

    def variant(self, shop_id: int, variant_id: int, told_at: datetime | None = None) -> None:
        """Follow the reading that is kept of a variant; the next pass tries again what fails."""
        self.check(Check(shop_id, variant_id, 0, told_at), kept_reading, lambda _: None)

    def _check(self, session: Session, check: Check, take: TakeReading) -> None:
        event = repository.lock_open_event(session, check.shop_id, check.variant_id)
        shop = load_shop(session, check.shop_id)
        if shop is None or not shop.is_installed:
            if event is not None:
                repository.close_event(session, event.id, CloseReason.shop_uninstalled)
            return
        reading = take(session, shop, check.variant_id)
        if reading is not None:
            _follow(session, reading, shop.settings.policy, event, check.told_at)


def _follow(
    session: Session,
    reading: StockReading,
    policy: NotificationPolicy,
    event: OpenEvent | None,
    told_at: datetime | None,
) -> None:
    waiting = int(subscriptions.is_waited_for(session, reading.shop_id, reading.variant_id))
    decision = rules.detect_restock(
        reading,
        policy,
        waiting,
        event_is_open=event is not None,
        open_turns=int(event is not None and repository.has_open_turn(session, event.id)),
    )
    match decision:
        case rules.Open():
            repository.open_event(session, reading.shop_id, reading.variant_id, reading.units, told_at)
            failpoint("event.opened")
            log.info("restock_opened", shop_id=reading.shop_id, variant_id=reading.variant_id)
        case rules.Keep() if event is not None and waiting:
            repository.replan(session, [event.id])
        case rules.Close(reason) if event is not None:
            close_event(session, event, reason)
        case rules.Keep() | rules.Close() | rules.Nothing():
            pass
        case _:
            assert_never(decision)


def kept_reading(session: Session, shop: Shop, variant_id: int) -> StockReading | None:
    """Take the reading that is kept, as it is."""
    return catalog.current_reading(session, shop.id, variant_id)


def close_event(session: Session, event: OpenEvent, reason: CloseReason) -> None:
    """Close an event, and say so."""
    repository.close_event(session, event.id, reason)
    log.info("restock_closed", shop_id=event.shop_id, variant_id=event.variant_id, reason=reason.value)


def load_shop(session: Session, shop_id: int) -> Shop | None:
    """Read a shop as it is now."""
    row = by_id(session, shop_id)
    return to_shop(row) if row else None
