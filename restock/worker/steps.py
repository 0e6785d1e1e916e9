"""Everything that happens by the clock: one table of steps, each a claim, so that several sweepers may run at once.

A step must be short: what is large is rung for and done by a worker, unless Valkey is away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from restock.jobs import JobName, Queue, bell
from restock.worker.chain import Chain

if TYPE_CHECKING:
    from restock.bootstrap import Services

EVERY_TICK = 0.0
ROUNDS = 10  # of a batch, before the other steps get their turn
GO_ON = object()  # what a step returns that has more to do: it is run again at the next tick
LOOK_SECONDS = 0.2
INLINE_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done again and again. EVERY_TICK: whenever the sweeper wakes."""

    name: str
    every_seconds: float
    run: Callable[[], object]


def steps_of(services: Services, chain: Chain) -> tuple[Step, ...]:
    """Build the table for given services."""
    settings, deliveries, subscriptions = services.settings, services.deliveries, services.subscriptions
    reconcile_seconds = settings.reconcile_minutes * 60
    return (
        Step("stock", EVERY_TICK, lambda: ring_stock(services, chain)),
        Step("confirmations", EVERY_TICK, deliveries.open_confirmations),
        Step("reminders", 15, lambda: _in_rounds(deliveries.open_reminders)),
        Step("drains", EVERY_TICK, lambda: ring_drains(services, chain)),
        Step("purchases", 1, lambda: _in_rounds(services.purchases.close_due)),
        Step("marketing", 15, services.marketing.start),
        Step("priorities", 15, services.priorities.start),
        Step("shop alerts", 15, services.shop_alerts.start),
        Step("turns", 1, lambda: _in_rounds(services.restocks.end_turns)),
        Step("leases", min(5.0, settings.delivery_lease_seconds / 4), lambda: _in_rounds(deliveries.expire_leases)),
        Step("unknown", 1, deliveries.resolve_unknown),
        Step("reconcile", min(60.0, reconcile_seconds / 4), lambda: _reconcile_some(services)),
        Step("expiry", 60, lambda: _in_rounds(subscriptions.expire_due)),
        Step("resume", 15, lambda: _in_rounds(subscriptions.choices.resume_due)),
        Step("unconfirmed", 600, lambda: _in_rounds(subscriptions.purge_unconfirmed)),
        Step("orphans", 600, lambda: _in_rounds(subscriptions.sweep_orphans)),
        Step("privacy", 1, services.privacy.work_due),
        Step("age", 60, services.privacy.sweep),
        Step("latency", 60, services.latency.settle),
        Step("tokens", 60, services.upkeep.start),
        Step("retention", 600, lambda: _in_rounds(services.inbox.purge)),
    )


def ring_stock(services: Services, chain: Chain) -> None:
    """Ring for the first link of the chain that has work; the worker goes on from there. Without Valkey, do it here."""
    job = _due_job(services)
    if job is None:
        return
    waiting = services.doorbell.waiting(Queue.stock)
    if waiting is not None and bell(job) in waiting:
        return
    if waiting is None or not services.doorbell.ring(job):
        links: dict[JobName, Callable[[], None]] = {
            JobName.apply_inbox: lambda: chain.apply_inbox(INLINE_DRAIN_SECONDS),
            JobName.check_stock: lambda: chain.check_stock(INLINE_DRAIN_SECONDS),
            JobName.plan_waves: lambda: chain.plan_waves(INLINE_DRAIN_SECONDS),
            JobName.reconcile: lambda: chain.reconcile(INLINE_DRAIN_SECONDS),
        }
        links[job]()


def ring_drains(services: Services, chain: Chain) -> None:
    """Ring for the deliveries that are due. Without Valkey, send a little of each channel here."""
    if chain.drains.ring():
        return
    for channel in services.deliveries.due():
        chain.drains.drain(channel, INLINE_DRAIN_SECONDS)


def _due_job(services: Services) -> JobName | None:
    if services.inbox.has_due():
        return JobName.apply_inbox
    due = services.restocks.due()
    if due.checks:
        return JobName.check_stock
    if due.plans:
        return JobName.plan_waves
    return JobName.reconcile if due.passes else None


def _reconcile_some(services: Services) -> object:
    return GO_ON if services.restocks.reconcile_some(LOOK_SECONDS) else None


def _in_rounds(batch: Callable[[], int]) -> None:
    for _ in range(ROUNDS):
        if not batch():
            return
