"""What operators ask: alive, ready, metrics. Never says anything about a person or a shop by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import sqlalchemy.exc
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from restock.bootstrap import Services


def operations_blueprint(services: Services) -> Blueprint:
    """Build `/healthz`, `/readyz` and `/metrics`."""
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return _json({"status": "alive"}, 200)

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Ready means: the database answers, Valkey answers, and every migration is in."""
        parts = ready_parts(services)
        ready = all(parts.values())
        return _json({"status": "ready" if ready else "not ready", **parts}, 200 if ready else 503)

    @blueprint.get("/metrics")
    def metrics() -> Response:
        return Response(render_metrics(services.reports.backlog()), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def ready_parts(services: Services) -> dict[str, bool]:
    """Ask each part we cannot work without whether it answers, each within its own time limit."""
    try:
        migrated = services.database.at_head()
        database = True
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
        database = migrated = False
    return {"database": database, "migrations": migrated, "valkey": services.doorbell.answers()}


def render_metrics(gauges: dict[str, dict[tuple[tuple[str, str], ...], float]]) -> bytes:
    """Write gauges (name -> labels -> value) in Prometheus' text form.

    The figures are read from the tables, so that every web process tells the same. A gauge without a series is left
    out: its labels are not known then, and a series without them would be another one.
    """
    registry = CollectorRegistry()
    for name, series in gauges.items():
        if not series:
            continue
        label_names = sorted({label for labels in series for label, _ in labels})
        gauge = Gauge(f"restock_{name}", GAUGES.get(name, name), label_names, registry=registry)
        for labels, value in series.items():
            (gauge.labels(**dict(labels)) if labels else gauge).set(value)
    return generate_latest(registry)


GAUGES = {
    "subscriptions": "Subscriptions by state",
    "deliveries": "Deliveries of the last 24 hours by channel and state",
    "delivery_backlog_seconds": "Age of the oldest due delivery by channel",
    "inbox": "Webhooks of the last 24 hours by state",
    "inbox_backlog_seconds": "Age of the oldest webhook not applied",
    "stock_checks_due": "Variants whose stock is due to be read",
    "restock_events_open": "Restocks going on",
}


def _json(body: Mapping[str, object], status: int) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json", headers={"Cache-Control": "no-store"})
