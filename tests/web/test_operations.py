"""What operators read: the same series whatever there is to tell."""

from __future__ import annotations

import pytest

from restock.reports.values import Gauges
from restock.web.operations import GAUGES, render_metrics


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
