"""The functions RQ may run: an id in, one call. Everything else about a job stands in `restock.jobs.JOBS`."""

from __future__ import annotations

from restock.channels.values import ChannelName
from restock.worker.process import current_chain, current_drains


def apply_inbox() -> None:
    """Give webhooks their effects and do what follows from them."""
    current_chain().apply_inbox()


def check_stock() -> None:
    """Look at stock whose check is due and do what follows from it."""
    current_chain().check_stock()


def plan_waves() -> None:
    """Plan the queues whose time has come."""
    current_chain().plan_waves()


def reconcile() -> None:
    """Ask about what is waited for and do what follows from it."""
    current_chain().reconcile()


def drain(channel: str) -> None:
    """Send what is due on one channel."""
    current_drains().drain(ChannelName(channel))
