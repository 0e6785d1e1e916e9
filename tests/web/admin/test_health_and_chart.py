"""What is well and what is not; where the bars stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.values import ChannelName
from restock.reports.values.overview import Day
from restock.restocks.values import ReconcileState
from restock.shops.values import Shop, ShopAccess, ShopSettings, ShopState
from restock.web.admin.chart import HEIGHT, WIDTH, draw, round_up
from restock.web.admin.health import Machine, examine
from restock.web.admin.wording import texts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHOP = Shop(1, "kettle.myshopify.com", ShopState.installed, "Kettle", "en", "EUR", ShopSettings(), ShopAccess.granted)
ALL_ON = Machine(frozenset(ChannelName), 900.0)
LAST = NOON - timedelta(minutes=3)
STEADY = ReconcileState(None, LAST - timedelta(minutes=12), LAST, 40, 900.0)


def test_a_shop_in_good_order_has_nothing_but_good_news() -> None:
    findings = examine(SHOP, ALL_ON, NOON - timedelta(minutes=3), STEADY, NOON)
    assert {finding.tone for finding in findings} == {"success"}


@pytest.mark.parametrize(
    ("shop", "machine", "last", "key"),
    [
        (replace(SHOP, access=ShopAccess.needs_reauth), ALL_ON, NOON, "health.access.needs_reauth"),
        (replace(SHOP, access=ShopAccess.none), ALL_ON, NOON, "health.access.none"),
        (SHOP, Machine(frozenset({ChannelName.email}), 900), NOON, "health.channel.no_provider"),
        (
            replace(SHOP, settings=ShopSettings(channels=frozenset({ChannelName.sms}))),
            ALL_ON,
            NOON,
            "health.channel.off",
        ),
        (SHOP, ALL_ON, None, "health.news.never"),
        (SHOP, ALL_ON, NOON - timedelta(days=2), "health.news.quiet"),
    ],
)
def test_what_is_wrong_is_said(shop: Shop, machine: Machine, last: datetime | None, key: str) -> None:
    findings = examine(shop, machine, last, STEADY, NOON)
    assert key in [finding.key for finding in findings]
    assert all(finding.key in texts() for finding in findings)


@pytest.mark.parametrize(
    ("state", "key", "facts"),
    [
        (STEADY, "reached", {"every": 900.0, "variants": 40}),
        (replace(STEADY, interval_seconds=930.0), "reached", {"every": 930.0}),
        (replace(STEADY, interval_seconds=5400.0), "slower", {"every": 5400.0, "wanted": 900.0, "variants": 40}),
        (replace(STEADY, started_at=NOON - timedelta(minutes=14)), "reached", {}),
        (replace(STEADY, started_at=NOON - timedelta(hours=3)), "long", {"every": 10800.0, "wanted": 900.0}),
        (ReconcileState(NOON, None, None, None, None), "first", {"wanted": 900.0}),
        (ReconcileState(NOON - timedelta(hours=1), None, None, None, None), "long", {"every": 3600.0}),
        (None, "nobody", {"wanted": 900.0}),
    ],
)
def test_how_often_stock_is_read_is_said_as_it_is_reached(
    state: ReconcileState | None, key: str, facts: dict[str, object]
) -> None:
    """A round that takes longer than it should counts as soon as it does, not only once it has ended."""
    finding = examine(SHOP, ALL_ON, NOON, state, NOON)[-1]
    assert finding.key == f"health.reading.{key}"
    assert facts.items() <= dict(finding.facts).items()
    assert finding.tone == {"reached": "success", "slower": "warning", "long": "warning"}.get(key, "info")


@pytest.mark.parametrize("access", [ShopAccess.none, ShopAccess.needs_reauth])
def test_a_shop_that_cannot_be_asked_is_not_said_to_be(access: ShopAccess) -> None:
    finding = examine(replace(SHOP, access=access), ALL_ON, NOON, STEADY, NOON)[-1]
    assert finding.key == "health.reading.recorded"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=40))
def test_every_bar_stands_inside_the_drawing_and_every_figure_has_one(figures: list[tuple[int, int]]) -> None:
    days = [Day(date(2026, 1, 1) + timedelta(days=n), a, b) for n, (a, b) in enumerate(figures)]
    chart = draw(days)
    assert len(chart.bars) == sum((a > 0) + (b > 0) for a, b in figures)
    for bar in chart.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 0.1
        assert bar.y >= -0.01
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.02)


@pytest.mark.parametrize(("value", "top"), [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (2001, 5000)])
def test_the_scale_ends_at_a_round_number(value: int, top: int) -> None:
    assert round_up(value) == top
