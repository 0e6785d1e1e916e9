"""What operators read: the same series whatever there is to tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from restock.config import Settings
from restock.reports.values import Gauges
from restock.reports.values.latency import Incident, Percentiles, Pulse, Speed
from restock.web.operations import GAUGES, render_metrics, status_of, took
from tests.application import open_app


@pytest.mark.parametrize("name", sorted(GAUGES))
def test_a_gauge_with_nothing_to_tell_has_no_series_rather_than_one_without_labels(name: str) -> None:
    assert f"restock_{name}" not in render_metrics({name: {}}).decode()


def test_series_keep_their_labels() -> None:
    gauges: Gauges = {
        "delivery_backlog_seconds": {(("channel", "email"),): 3.5},
        "deliveries": {(("channel", "sms"), ("state", "sent")): 2.0},
        "inbox_backlog_seconds": {(): 0.0},
    }
    lines = [line for line in render_metrics(gauges).decode().splitlines() if not line.startswith("#")]
    assert lines == [
        'restock_delivery_backlog_seconds{channel="email"} 3.5',
        'restock_deliveries{channel="sms",state="sent"} 2.0',
        "restock_inbox_backlog_seconds 0.0",
    ]


def a_pulse(*incidents: Incident) -> Pulse:
    speed = Speed(
        1.0, Percentiles(0), Percentiles(3, 0.21, 0.5, 0.9), Percentiles(40, 1.25, 70.0, 9000.0), Percentiles(0)
    )
    return Pulse(datetime(2026, 11, 2, 12, tzinfo=UTC), speed, 0.4, incidents)


def test_the_status_is_told_in_seconds_and_utc() -> None:
    since = datetime(2026, 11, 2, 14, 2, tzinfo=timezone(timedelta(hours=3)))
    assert status_of(a_pulse(Incident("email", since))) == {
        "status": "delayed",
        "at": "2026-11-02T12:00:00Z",
        "incidents": [{"channel": "email", "service": None, "state": "delayed", "since": "2026-11-02T11:02:00Z"}],
        "backlog_seconds": 0.4,
        "restock_to_sent_seconds": {"count": 40, "p50": 1.25, "p95": 70.0, "p99": 9000.0, "hours": 1.0},
        "restock_to_first_sent_seconds": {"count": 3, "p50": 0.21, "p95": 0.5, "p99": 0.9, "hours": 1.0},
    }
    assert status_of(a_pulse())["status"] == "operational"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.04, "0.0 s"), (9.96, "10.0 s"), (70, "70 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_durations_are_written_in_the_unit_that_suits_them(seconds: float | None, words: str) -> None:
    assert took(seconds) == words


def test_the_status_page_is_public_cached_for_seconds_and_names_nobody(
    make_settings: Callable[..., Settings], clean_database: str
) -> None:
    app = open_app(make_settings(database_url=clean_database, redis_url="redis://127.0.0.1:1/0"))
    services = app.extensions["restock"]
    services.shops.add("kettle")
    with services.database.transaction() as session:
        session.execute(
            text("""INSERT INTO provider_states (channel, provider, state, reason, opened_at, last_failure_at)
                    VALUES ('push', 'push services', 'open', 'vapid_rejected', now(), now())""")
        )
    client = app.test_client()
    page = client.get("/status", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    told = client.get("/status", headers={"Accept": "application/json"})
    assert told.get_json()["incidents"][0]["channel"] == "push"
    assert client.get("/status").mimetype == "application/json", "whoever does not care gets what programs read"
    for answer in (page, told):
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=10"
        assert "Accept" in answer.headers["Vary"]
        assert "kettle" not in answer.get_data(as_text=True)
        assert "vapid" not in answer.get_data(as_text=True), "why is the operator's business"
    assert "Browser notifications</strong> delayed since" in page.get_data(as_text=True)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    metrics = client.get("/metrics").get_data(as_text=True)
    assert 'restock_provider_down{channel="push"} 1.0' in metrics
    services.close()
