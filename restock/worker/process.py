"""What one process of ours has: its settings, its services, its stop flag. Built at first use, and anew after a fork.

The parent of a work-horse therefore never opens a database connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import structlog
from rq import get_current_job

from restock.bootstrap import Services, build_services
from restock.config import Settings, load_settings
from restock.worker.chain import Chain
from restock.worker.stopping import NeverStop, StopFlag


@dataclass
class _Process:
    settings: Settings | None = None
    stop: StopFlag | None = None
    services: Services | None = None
    pid: int = 0


_this = _Process()


def adopt(settings: Settings, stop: StopFlag) -> None:
    """Say what this process and those it forks work with."""
    _this.settings, _this.stop, _this.services = settings, stop, None


def current_services() -> Services:
    """Give this process's own services."""
    if _this.services is None or _this.pid != os.getpid():
        _this.settings = _this.settings or load_settings()
        _this.services, _this.pid = build_services(_this.settings), os.getpid()
    return _this.services


def current_chain() -> Chain:
    """Give the chain of work on this process's services, and put the job's id on every log line from here on."""
    job = get_current_job()
    structlog.contextvars.clear_contextvars()
    if job is not None:
        structlog.contextvars.bind_contextvars(job=job.id)
    return chain_of(current_services(), _this.stop or NeverStop())


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
