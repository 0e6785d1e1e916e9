"""What one worker process has: its services and its stop flag, built once, used by every job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from rq import get_current_job

from restock.bootstrap import Services, build_services
from restock.jobs import Queue
from restock.worker.chain import Chain, Drains
from restock.worker.stopping import NeverStop, StopFlag

if TYPE_CHECKING:
    from restock.config import Settings


@dataclass
class _Process:
    services: Services | None = None
    stop: StopFlag | None = None


_this = _Process()


def adopt(settings: Settings, stop: StopFlag, queue: Queue) -> None:
    """Build what this process works with on its queue, so that the first job finds it; connects to nothing yet."""
    _this.services, _this.stop = build_services(settings), stop
    if queue is Queue.stock:
        chain_of(_this.services, stop)
    else:
        _ = drains_of(_this.services, stop), dict(_this.services.channels)


def current_services() -> Services:
    """Give this process's services; outside a worker they are built from the environment."""
    if _this.services is None:
        from restock.config import load_settings

        _this.services = build_services(load_settings())
    return _this.services


def current_chain() -> Chain:
    """Give the chain of work on this process's services, and put the job's id on every log line from here on."""
    _name_the_job()
    return chain_of(current_services(), _this.stop or NeverStop())


def current_drains() -> Drains:
    """Give the chain's last link alone, likewise."""
    _name_the_job()
    return drains_of(current_services(), _this.stop or NeverStop())


def chain_of(services: Services, stop: StopFlag) -> Chain:
    """Build the chain of work on given services."""
    return Chain(
        services.inbox,
        services.restocks,
        services.deliveries,
        services.doorbell,
        services.settings.workers,
        stop.requested,
    )


def drains_of(services: Services, stop: StopFlag) -> Drains:
    """Build the chain's last link on given services."""
    return Drains(services.deliveries, services.doorbell, services.settings.workers, stop.requested)


def _name_the_job() -> None:
    job = get_current_job()
    structlog.contextvars.clear_contextvars()
    if job is not None:
        structlog.contextvars.bind_contextvars(job=job.id)
