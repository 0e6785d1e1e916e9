"""Who stands first: customers to whom the merchant gave a tag in Shopify, as Shopify itself says.

Only customers whose id Shopify vouched for (the app proxy's signed word) can stand first: anybody may claim an id.
A shop's list is read at once when its tag is set or changed, then every quarter of an hour; who gets the tag, or signs
up, in between stands first from the next reading on. It runs in a thread of its own, one at a time per process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from restock.beside import Beside
from restock.database import Database
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminThrottledError,
    AdminUnauthorizedError,
    NoAccessError,
)
from restock.shopify.values import Access
from restock.shops.repository import priority as lists
from restock.shops.repository.priority import DueList
from restock.shops.values import PriorityList
from restock.subscriptions.repository import queue

log = structlog.get_logger(__name__)

EVERY_SECONDS = 900.0
LEASE_SECONDS = 900.0  # more than reading the longest list takes on the smallest plan
AT_ONCE = 2
SHOPS_A_RUN = 100
ROWS_A_TRANSACTION = 1000

T = TypeVar("T")


class Tokens(Protocol):
    """Put a question to a shop with a token that is good now. Raises NoAccessError and any AdminError."""

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T: ...


class TaggedCustomers(Protocol):
    """Ask which customers have a tag."""

    def tagged_customers(self, access: Access, tag: str) -> Set[int]: ...


@dataclass(frozen=True)
class Priorities:
    """Read lists of customers, and let those who wait stand first."""

    database: Database
    tokens: Tokens
    admin: TaggedCustomers
    _beside: Beside = field(default_factory=lambda: Beside("priorities"), repr=False)

    def start(self) -> None:
        """Begin what is due in a thread, unless that is under way; returns at once."""
        self._beside.start(self.run)

    def wait(self, seconds: float) -> bool:
        """Wait until what `start` began has ended; False when it has not within so many seconds."""
        return self._beside.wait(seconds)

    def run(self) -> int:
        """Read the lists that are due, a few shops at once; return how many."""
        with self.database.transaction() as session:
            due = lists.claim_lists(session, SHOPS_A_RUN, LEASE_SECONDS)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="priorities") as pool:
            list(pool.map(self._read_safely, due))
        return len(due)

    def state(self, shop_id: int) -> PriorityList | None:
        """Say what is known of a shop's list; None when it has none."""
        with self.database.transaction() as session:
            return lists.priority_list(session, shop_id)

    def _read_safely(self, due: DueList) -> None:
        try:
            self._read(due)
        except Exception:  # the door of one shop's work: the others go on, and this one comes back after its lease
            log.exception("priorities_failed", shop_id=due.shop_id)

    def _read(self, due: DueList) -> None:
        tag = due.tag
        if tag is None:
            self._give(due.shop_id, frozenset())
            with self.database.transaction() as session:
                lists.drop_list(session, due.shop_id)
            return
        if not due.may_ask:
            self._close(due)
            return
        try:
            found = self.tokens.ask(due.shop_id, lambda access: self.admin.tagged_customers(access, tag))
        except (NoAccessError, AdminUnauthorizedError, AdminForbiddenError):
            self._close(due)
        except AdminThrottledError as throttled:
            self._unknown(due, "throttled", min(max(throttled.wait_seconds, 30.0), EVERY_SECONDS))
        except AdminError as error:
            log.warning("priority_list_not_read", shop_id=due.shop_id, error=type(error).__name__)
            self._unknown(due, "unavailable", EVERY_SECONDS)
        else:
            self._give(due.shop_id, found)
            with self.database.transaction() as session:
                lists.list_known(session, due, len(found), EVERY_SECONDS)

    def _close(self, due: DueList) -> None:
        """Let nobody stand first: what can no longer be asked is not true for ever."""
        self._give(due.shop_id, frozenset())
        self._unknown(due, "no_access", EVERY_SECONDS)

    def _give(self, shop_id: int, customer_ids: Set[int]) -> None:
        """Let those who wait stand first whose customer is among these, and nobody else; a page a transaction."""
        first: set[int] = set()
        for some in _pages(customer_ids):
            with self.database.transaction() as session:
                first |= queue.waiting_of(session, shop_id, some)
        with self.database.transaction() as session:
            before = queue.standing_first(session, shop_id)
        for ids, priority in ((first - before, 1), (before - first, 0)):
            for some in _pages(ids):
                with self.database.transaction() as session:
                    queue.set_priority(session, shop_id, some, priority)

    def _unknown(self, due: DueList, reason: str, seconds: float) -> None:
        with self.database.transaction() as session:
            lists.list_unknown(session, due, reason, seconds)


def _pages(ids: Collection[int]) -> Iterator[list[int]]:
    whole = sorted(ids)
    for start in range(0, len(whole), ROWS_A_TRANSACTION):
        yield whole[start : start + ROWS_A_TRANSACTION]
