"""A shopper's yes to marketing, written into the shop's own customer list: where it was ticked, and only there.

It never writes against a no, ours or Shopify's, and never touches alerts about stock. It runs beside whoever starts
it, in a thread of its own and one at a time per process, a few shops at once; what is cut off is due again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar, assert_never

import structlog
from sqlalchemy.orm import Session

from restock.beside import Beside
from restock.channels.values import ChannelName
from restock.database import Database
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminRefusedError,
    AdminThrottledError,
    AdminUnauthorizedError,
    NoAccessError,
)
from restock.shopify.port import AdminApi
from restock.shopify.values import Access, ShopCustomer
from restock.subscriptions.repository import marketing
from restock.subscriptions.repository.marketing import DueWrite
from restock.subscriptions.rules.marketing import (
    AddAndWriteYes,
    Leave,
    OurWord,
    WriteYes,
    decide_write_back,
    objection,
    retry_seconds,
)

log = structlog.get_logger(__name__)

LEASE_SECONDS = 120.0  # more than the four calls one yes can take, at ten seconds each
AT_ONCE = 4  # a shop whose calls hang holds up three others at the most
MOST_A_RUN = 200  # of one shop, before the others get their turn
CLOSED_SECONDS = 3_600.0  # until a shop that let nothing be written is asked again

T = TypeVar("T")


class Tokens(Protocol):
    """Put a question to a shop with a token that is good now. Raises NoAccessError and any AdminError."""

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T: ...


@dataclass(frozen=True)
class MarketingWriteBack:
    """Write yeses to Shopify, and take a no that was said there."""

    database: Database
    tokens: Tokens
    admin: AdminApi
    _beside: Beside = field(default_factory=lambda: Beside("marketing"), repr=False)

    def take_new(self, limit: int = 1000) -> int:
        """Queue the yeses said since the last time; return how many."""
        with self.database.transaction() as session:
            return marketing.take_new(session, limit)

    def start(self) -> None:
        """Queue what is new and begin what is due in a thread, unless that is under way; returns at once."""
        self.take_new()
        with self.database.transaction() as session:
            is_due = bool(marketing.shops_due(session))
        if is_due:
            self._beside.start(self.run)

    def wait(self, seconds: float) -> bool:
        """Wait until what `start` began has ended; False when it has not within so many seconds."""
        return self._beside.wait(seconds)

    def run(self) -> int:
        """Write what is due, shops side by side; return how many were settled or left for later."""
        with self.database.transaction() as session:
            shop_ids = marketing.shops_due(session)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="marketing") as pool:
            return sum(pool.map(self.write_shop, shop_ids))

    def write_shop(self, shop_id: int) -> int:
        """Write what is due of one shop, at most MOST_A_RUN; return how many. Stops where the shop lets nothing in."""
        for done in range(MOST_A_RUN):
            with self.database.transaction() as session:
                due = marketing.claim(session, shop_id, LEASE_SECONDS)
            if due is None:
                return done
            if not self._settle(shop_id, due):
                return done + 1
        return MOST_A_RUN

    def refused_at_shopify(self, session: Session, shop_id: int, address_hash: bytes, said_at: datetime | None) -> bool:
        """Take a no to marketing that was said at Shopify, in the caller's transaction; False when it changes nothing.

        Of a person who has no contact here, nothing is kept.
        """
        return marketing.refuse(session, shop_id, address_hash, said_at)

    def _settle(self, shop_id: int, due: DueWrite) -> bool:
        """Write one yes and note what came of it; False when the shop is not to be asked further for now."""
        try:
            left = objection(_our_word(due)) or self.tokens.ask(shop_id, lambda access: self._write(access, due))
        except AdminThrottledError as throttled:
            return self._later(due, throttled.wait_seconds, "throttled", counts=False, go_on=False)
        except (NoAccessError, AdminUnauthorizedError, AdminForbiddenError):
            return self._later(due, CLOSED_SECONDS, "no_access", counts=False, go_on=False)
        except AdminRefusedError:
            return self._finish(due, "failed", "refused_by_shopify")
        except AdminError as error:
            return self._failed(shop_id, due, type(error).__name__)
        if left is None or left.is_done:
            return self._finish(due, "written", left.reason if left else None)
        return self._finish(due, "skipped", left.reason)

    def _write(self, access: Access, due: DueWrite) -> Leave | None:
        """Ask and write; None when it was written. Any part may run again: each ends in the same.

        Asking takes seconds, so the person's own word is read again before each write.
        """
        customer = self._find(access, due)
        decision = self._decide(due, customer)
        if isinstance(decision, AddAndWriteYes):
            customer = self._add(access, due)
            decision = self._decide(due, customer)
        match decision:
            case Leave():
                return decision
            case WriteYes() if customer is not None:
                self._consent(access, due, customer.customer_id)
                return None
            case WriteYes() | AddAndWriteYes():
                raise AssertionError("a customer who was added is there")
            case _:
                assert_never(decision)

    def _decide(self, due: DueWrite, customer: ShopCustomer | None) -> WriteYes | AddAndWriteYes | Leave:
        with self.database.transaction() as session:
            now = marketing.read_again(session, due)
        return Leave("erased") if now is None else decide_write_back(_our_word(now), customer)

    def _find(self, access: Access, due: DueWrite) -> ShopCustomer | None:
        if due.channel is ChannelName.email:
            return self.admin.customer(access, email=due.address)
        return self.admin.customer(access, phone=due.address)

    def _add(self, access: Access, due: DueWrite) -> ShopCustomer:
        if due.channel is ChannelName.email:
            return self.admin.add_customer(access, email=due.address)
        return self.admin.add_customer(access, phone=due.address)

    def _consent(self, access: Access, due: DueWrite, customer_id: int) -> None:
        said_at = due.said_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        write = self.admin.consent_to_email if due.channel is ChannelName.email else self.admin.consent_to_sms
        write(access, customer_id, said_at, confirmed=due.is_confirmed)

    def _failed(self, shop_id: int, due: DueWrite, reason: str) -> bool:
        seconds = retry_seconds(due.attempts + 1)
        if seconds is not None:
            return self._later(due, seconds, reason, counts=True, go_on=True)
        log.warning("marketing_write_given_up", shop_id=shop_id, write_id=due.id, reason=reason)
        return self._finish(due, "failed", reason)

    def _finish(self, due: DueWrite, state: str, reason: str | None) -> bool:
        with self.database.transaction() as session:
            marketing.finish(session, due, state, reason)
        return True

    def _later(self, due: DueWrite, seconds: float, reason: str, *, counts: bool, go_on: bool) -> bool:
        with self.database.transaction() as session:
            marketing.postpone(session, due, seconds, reason, counts=counts)
        return go_on


def _our_word(due: DueWrite) -> OurWord:
    return OurWord(due.channel, due.marketing, due.suppression, due.is_confirmed)
