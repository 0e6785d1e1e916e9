"""What operators ask: alive, ready, metrics; and what anybody may: is it working. Never names a person or a shop."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy.exc
from flask import Blueprint, Response, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from restock.reports.values.latency import Percentiles, Pulse

if TYPE_CHECKING:
    from restock.bootstrap import Services


def operations_blueprint(services: Services) -> Blueprint:
    """Build `/healthz`, `/readyz`, `/metrics` and `/status`."""
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
        gauges = services.reports.backlog() | services.latency.gauges()
        return Response(render_metrics(gauges), content_type=CONTENT_TYPE_LATEST)

    @blueprint.get("/status")
    def status() -> Response:
        """Answer in HTML where the visitor's browser asks for it, in JSON otherwise."""
        pulse = services.latency.pulse()
        if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
            return _status_page(pulse)
        return _public(_json(status_of(pulse), 200))

    return blueprint


def ready_parts(services: Services) -> dict[str, bool]:
    """Ask each part we cannot work without whether it answers, each within its own time limit."""
    try:
        migrated = services.database.at_head()
        database = True
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
        database = migrated = False
    return {"database": database, "migrations": migrated, "valkey": services.doorbell.answers()}


def status_of(pulse: Pulse) -> dict[str, object]:
    """Write the state of the instance as JSON has it: times in UTC, durations in seconds."""
    return {
        "status": "delayed" if pulse.incidents else "operational",
        "at": _written(pulse.at),
        "incidents": [
            {"channel": one.channel, "service": one.service, "state": "delayed", "since": _written(one.since)}
            for one in pulse.incidents
        ],
        "backlog_seconds": round(pulse.backlog_seconds, 1),
        "restock_to_sent_seconds": _rounded(pulse.speed.sent) | {"hours": pulse.speed.hours},
        "restock_to_first_sent_seconds": _rounded(pulse.speed.first) | {"hours": pulse.speed.hours},
    }


def _rounded(figures: Percentiles) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(figures).items()}


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _status_page(pulse: Pulse) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = Response(render_template("status/page.html", pulse=pulse, nonce=nonce, took=took, utc=UTC))
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    page.headers["Referrer-Policy"] = "no-referrer"
    return _public(page)


def _public(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=10"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.vary.add("Accept")
    return response


def took(seconds: float | None) -> str:
    """Write a duration in the unit that suits it; a dash where nothing was measured."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


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
    "provider_down": "1 for a channel whose provider takes nothing",
    "provider_down_waiting": "Messages that wait for a provider that takes nothing",
    "latency_seconds": "Last hour: from stock change to decided, first message sent, sent, delivered",
}


def _json(body: Mapping[str, object], status: int) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json", headers={"Cache-Control": "no-store"})
