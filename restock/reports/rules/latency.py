"""What of the latency figures goes where. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from restock.reports.values import Gauges
from restock.reports.values.latency import Incident, Percentiles, Speed

_QUIET_AFTER = timedelta(minutes=15)


def latency_gauges(speed: Speed) -> Gauges:
    """Write the figures of all shops for operators; a stage of which nothing was measured has no series."""
    stages = {"decided": speed.decided, "first": speed.first, "sent": speed.sent, "delivered": speed.delivered}
    return {
        "latency_seconds": {
            (("stage", stage), ("quantile", quantile)): seconds
            for stage, figures in stages.items()
            for quantile, seconds in _named(figures)
            if seconds is not None
        }
    }


def _named(figures: Percentiles) -> Sequence[tuple[str, float | None]]:
    return ("0.5", figures.p50), ("0.95", figures.p95), ("0.99", figures.p99)


def incidents_of(outages: Sequence[tuple[str, str | None, datetime, datetime, int]], now: datetime) -> list[Incident]:
    """Choose what is told to everybody: (channel, service of it, since, last failure, messages that wait).

    A provider that nobody needed since, and nobody waits for, may well be back.
    """
    return [
        Incident(channel, since, service)
        for channel, service, since, failed_at, waiting_count in outages
        if waiting_count or now - failed_at <= _QUIET_AFTER
    ]
