"""From one piece of work to the next: what a webhook leads to is done in one go, without waiting for the sweeper.

Each link is a service call that may run twice. A chain broken in the middle is taken up again by the sweeper, because
every link finds its work in the tables.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from restock.channels.values import ChannelName
from restock.deliveries.values import Drained
from restock.jobs import JobName, Queue, bell
from restock.restocks.values import StockDue

INBOX_BATCH = 100
INBOX_ROUNDS = 20  # before what they told of is looked at
PAGES_BETWEEN_NEWS = 1
PLAN_SECONDS = 30.0  # a job is over long before RQ would end it
ROWS_PER_DRAIN = 500  # below that, a second worker would only be in the way
DRAIN_SECONDS = 30.0
PASS_SECONDS = 20.0


class Inbox(Protocol):
    """What the chain needs of the inbox."""

    def apply_due(self, limit: int = ...) -> int: ...

    def has_due(self) -> bool: ...


class Restocks(Protocol):
    """What the chain needs of the restocks."""

    def check_due(self, limit: int = ..., patience_seconds: float = ...) -> int: ...

    def due(self) -> StockDue: ...

    def plan_due(self, limit: int = ...) -> int: ...

    def reconcile_due(self, seconds: float = ..., give_way: Callable[[], bool] = ...) -> int: ...


class Deliveries(Protocol):
    """What the chain needs of the deliveries."""

    def due(self) -> dict[ChannelName, int]: ...

    def drain(
        self,
        channel: ChannelName,
        seconds: float = ...,
        give_way: Callable[[], bool] = ...,
        stopping: Callable[[], bool] = ...,
    ) -> Drained: ...


class Bells(Protocol):
    """What the chain needs of the doorbell."""

    def ring(self, job: JobName, **ids: int | str) -> bool: ...

    def waiting(self, queue: Queue) -> list[str] | None: ...


@dataclass(frozen=True)
class Drains:
    """The chain's last link, which is all that a delivery worker does. `delivery_workers`: how many can run at once."""

    deliveries: Deliveries
    doorbell: Bells
    delivery_workers: int
    stopping: Callable[[], bool]

    def ring(self) -> bool:
        """Ring for as many drains as there is work for, and no more than wait already; False when Valkey is away."""
        due = self.deliveries.due()
        waiting = self.doorbell.waiting(Queue.deliveries) if due else []
        if waiting is None:
            return False
        for channel, rows in due.items():
            wanted = min(self.delivery_workers, math.ceil(rows / ROWS_PER_DRAIN))
            for _ in range(wanted - waiting.count(bell(JobName.drain, channel=channel.value))):
                self.doorbell.ring(JobName.drain, channel=channel.value)
        return True

    def drain(self, channel: ChannelName, seconds: float = DRAIN_SECONDS) -> Drained:
        """Send what is due on one channel; ring again for what is left."""
        own = bell(JobName.drain, channel=channel.value)

        def give_way() -> bool:
            return self.stopping() or any(other != own for other in self.doorbell.waiting(Queue.deliveries) or ())

        drained = self.deliveries.drain(channel, seconds, give_way, self.stopping)
        if drained.left:
            self.doorbell.ring(JobName.drain, channel=channel.value)
        return drained


@dataclass(frozen=True)
class Chain:
    """Do one link and what follows from it."""

    inbox: Inbox
    restocks: Restocks
    deliveries: Deliveries
    doorbell: Bells
    delivery_workers: int
    stopping: Callable[[], bool]

    @cached_property
    def drains(self) -> Drains:
        return Drains(self.deliveries, self.doorbell, self.delivery_workers, self.stopping)

    def apply_inbox(self, seconds: float = PLAN_SECONDS) -> None:
        """Give webhooks their effects, then look at the stock they told of."""
        for _ in range(INBOX_ROUNDS):
            if self.stopping() or self.inbox.apply_due(INBOX_BATCH) < INBOX_BATCH:
                break
        self.check_stock(seconds)

    def check_stock(self, seconds: float = PLAN_SECONDS) -> None:
        """Look at the stock whose check is due, then plan what it leads to."""
        self.restocks.check_due()
        self.plan_waves(seconds)

    def plan_waves(self, seconds: float = PLAN_SECONDS) -> None:
        """Plan due queues page by page for so long; ring again for what is left.

        Messages leave while the rest is still being planned, and news of stock is looked at between the pages: however
        many people one restock has, another that begins meanwhile waits for one page.
        """
        until = time.monotonic() + seconds
        while not self.stopping() and self.restocks.plan_due(PAGES_BETWEEN_NEWS):
            self.drains.ring()
            self._hear_news()
            if time.monotonic() >= until:
                self.doorbell.ring(JobName.plan_waves)
                return

    def _hear_news(self) -> None:
        """Take in what has come meanwhile; shops that answer late are not waited for."""
        if self.inbox.has_due():
            self.inbox.apply_due(INBOX_BATCH)
        if self.restocks.due().checks:
            self.restocks.check_due(patience_seconds=0)

    def reconcile(self, seconds: float = PASS_SECONDS) -> None:
        """Go on with the passes over what is waited for, until something was told of; plan what they lead to."""
        own = bell(JobName.reconcile)

        def give_way() -> bool:
            return self.stopping() or any(other != own for other in self.doorbell.waiting(Queue.stock) or ())

        self.restocks.reconcile_due(seconds, give_way)
        self.plan_waves()
