"""How long a restock took to become messages: measured live, kept once, told without names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from restock.channels.values import Blame, Outcome, Verdict
from restock.reports.rules.latency import incidents_of, latency_gauges
from restock.reports.service.latency import LatencyReports
from restock.reports.values.latency import Percentiles, Speed
from tests.restocks.store import VARIANT, Store, together

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    yield store
    store.close()


@pytest.fixture
def reports(store: Store) -> LatencyReports:
    return LatencyReports(store.database, store.deliveries.outages)


def a_restock(store: Store, people: int = 100) -> int:
    """People told 1, 2, 3 … seconds after the stock changed, half of whose messages arrived a second later."""
    store.join(people)
    store.restock(None)
    store.send()
    store.sql(
        "UPDATE restock_events SET stock_changed_at = now() - interval '200 s', opened_at = now() - interval '199 s'"
    )
    store.sql("UPDATE waves SET planned_at = (SELECT stock_changed_at + interval '0.5 s' FROM restock_events)")
    store.sql("""
        UPDATE deliveries SET sent_at = e.stock_changed_at + make_interval(secs => place),
            state = CASE WHEN place % 2 = 0 THEN 'delivered' ELSE 'sent' END,
            finished_at = CASE WHEN place % 2 = 0 THEN e.stock_changed_at + make_interval(secs => place + 1) END
        FROM restock_events e, (SELECT id, row_number() OVER (ORDER BY id) AS place FROM deliveries) numbered
        WHERE numbered.id = deliveries.id
    """)
    return int(str(store.one("SELECT id FROM restock_events")))


def test_an_open_restock_is_measured_as_it_stands(store: Store, reports: LatencyReports) -> None:
    found = reports.of_event(store.shop, a_restock(store))
    assert found is not None
    assert found.decided_seconds == pytest.approx(0.5)
    assert found.first_sent_seconds == pytest.approx(1)
    assert (found.sent.count, found.delivered.count) == (100, 50)
    assert (found.sent.p50, found.sent.p95, found.sent.p99) == pytest.approx((50.5, 95.05, 99.01))
    assert found.delivered.p50 == pytest.approx(52)


def test_figures_are_kept_once_when_a_restock_is_over_and_outlive_its_messages(
    store: Store, reports: LatencyReports
) -> None:
    event_id = a_restock(store)
    measured = reports.of_event(store.shop, event_id)
    assert reports.settle() == 0, "it goes on"
    store.sql("UPDATE restock_events SET closed_at = now() - interval '5 minutes'")
    assert reports.settle() == 0, "receipts may still come"
    store.sql("UPDATE restock_events SET closed_at = now() - interval '11 minutes'")
    assert together(reports.settle, reports.settle) == []
    assert reports.settle() == 0
    assert store.one("SELECT count(*) FROM event_latency") == 1
    store.sql("DELETE FROM deliveries")
    assert reports.of_event(store.shop, event_id) == measured


def test_a_restock_nobody_was_told_of_is_over_too(store: Store, reports: LatencyReports) -> None:
    store.join(1)
    store.restock(1)
    store.sql("UPDATE restock_events SET closed_at = now() - interval '1 day'")
    assert reports.settle() == 1
    assert store.sql("SELECT sent_count, sent_p50, first_sent_seconds FROM event_latency") == [(0, None, None)]


def test_the_latest_restocks_are_told_with_their_goods_those_going_on_first(
    store: Store, reports: LatencyReports
) -> None:
    over = a_restock(store, 2)
    store.sql("UPDATE restock_events SET closed_at = now() - interval '11 minutes'")
    reports.settle()
    store.join(1, variant=VARIANT + 1)
    store.restock(None, variant=VARIANT + 1)
    assert [speed.event_id for _, speed in reports.latest(store.shop)] == [over], "nobody has been told of the other"
    store.send()
    found = reports.latest(store.shop)
    assert [(goods.variant_id, goods.product_title) for goods, _ in found] == [(VARIANT + 1, "Mug"), (VARIANT, "Mug")]
    assert found[1][1] == reports.of_event(store.shop, over)
    assert reports.latest(store.shops.add("other")) == []


def test_another_shops_restock_is_not_told(store: Store, reports: LatencyReports) -> None:
    assert reports.of_event(store.shops.add("other"), a_restock(store, 2)) is None


def test_the_day_of_a_shop_and_the_hour_of_all(store: Store, reports: LatencyReports) -> None:
    a_restock(store)
    day = reports.of_shop(store.shop)
    assert (day.hours, day.sent.count, day.sent.p50) == (24, 100, pytest.approx(50.5))
    assert day.first == Percentiles(1, pytest.approx(1), pytest.approx(1), pytest.approx(1))
    assert day.decided.p99 == pytest.approx(0.5)
    assert reports.pulse().speed.sent.count == 100
    assert reports.of_shop(store.shops.add("other")).sent == Percentiles(0)


def test_what_is_older_than_the_hour_is_left_out(store: Store, reports: LatencyReports) -> None:
    a_restock(store)
    for column in ("sent_at", "finished_at"):
        store.pass_time("deliveries", column, 3601)
    store.pass_time("restock_events", "opened_at", 3601)
    assert reports.pulse().speed == Speed(1, *[Percentiles(0)] * 4)


def test_a_later_wave_counts_from_its_own_planning(store: Store, reports: LatencyReports) -> None:
    event_id = a_restock(store, 1)
    store.sql("UPDATE waves SET number = 2, planned_at = (SELECT sent_at FROM deliveries) - interval '0.25 s'")
    found = reports.of_event(store.shop, event_id)
    assert found is not None
    assert found.sent.p50 == pytest.approx(0.25)
    assert found.decided_seconds is None


def test_somebody_asleep_is_measured_from_when_they_woke(store: Store, reports: LatencyReports) -> None:
    event_id = a_restock(store, 1)
    store.sql("UPDATE deliveries SET created_at = sent_at - interval '8 h', next_at = sent_at - interval '2 s'")
    store.sql("UPDATE restock_events SET stock_changed_at = stock_changed_at - interval '8 h'")
    found = reports.of_event(store.shop, event_id)
    assert found is not None
    assert found.sent.p50 == pytest.approx(2)
    assert found.first_sent_seconds == pytest.approx(2)
    assert reports.pulse().speed.first == Percentiles(1, *[pytest.approx(2)] * 3), "no alarm about a night"


def test_a_restock_found_without_a_webhook_counts_from_when_it_was_found(store: Store, reports: LatencyReports) -> None:
    store.join(1)
    store.restock(1)
    store.send()
    event_id = int(str(store.one("SELECT id FROM restock_events WHERE stock_changed_at IS NULL")))
    found = reports.of_event(store.shop, event_id)
    assert found is not None
    assert found.changed_at == store.one("SELECT opened_at FROM restock_events")
    assert found.sent.p50 is not None


def test_the_pulse_is_taken_once_in_ten_seconds(store: Store, reports: LatencyReports) -> None:
    first = reports.pulse()
    a_restock(store, 1)
    assert reports.pulse() is first


def test_a_provider_that_is_down_is_an_incident_and_a_backlog(store: Store, reports: LatencyReports) -> None:
    store.join(2)
    store.restock(None)
    store.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.deferred, "login_rejected", Blame.provider)
    store.send()
    for table, column in (("deliveries", "next_at"), ("delivery_lanes", "next_at"), ("provider_states", "opened_at")):
        store.pass_time(table, column, 600)
    pulse = reports.pulse()
    assert [one.channel for one in pulse.incidents] == ["email"]
    assert pulse.backlog_seconds == pytest.approx(600, abs=30)
    gauges = reports.gauges()
    assert gauges["provider_down"] == {(("channel", "email"),): 1.0}
    assert gauges["provider_down_waiting"] == {(("channel", "email"),): 2.0}


def test_a_provider_nobody_needs_any_more_is_no_incident_for_long() -> None:
    long_ago, lately = NOON - timedelta(hours=1), NOON - timedelta(minutes=1)
    assert [one.since for one in incidents_of([("email", None, long_ago, lately, 0)], NOON)] == [long_ago]
    assert [one.since for one in incidents_of([("email", None, long_ago, long_ago, 3)], NOON)] == [long_ago]
    assert incidents_of([("email", None, long_ago, long_ago, 0)], NOON) == []


def test_what_was_not_measured_has_no_series() -> None:
    speed = Speed(1, Percentiles(0), Percentiles(2, 1.0, 2.0, 3.0), Percentiles(0), Percentiles(0))
    assert latency_gauges(speed) == {
        "latency_seconds": {
            (("stage", "first"), ("quantile", "0.5")): 1.0,
            (("stage", "first"), ("quantile", "0.95")): 2.0,
            (("stage", "first"), ("quantile", "0.99")): 3.0,
        }
    }


def test_a_large_restock_is_measured_by_a_part_of_it(store: Store, reports: LatencyReports) -> None:
    """45,000 messages: every third is looked at, and the figures are the same."""
    event_id = a_restock(store, 1)
    store.sql("""
        INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, offer_id, event_id, state, sent_at)
        SELECT d.shop_id, d.lane_id, d.kind, d.channel, 'more:' || n, d.offer_id, d.event_id, 'sent',
            e.stock_changed_at + make_interval(secs => n / 450.0)
        FROM deliveries d JOIN restock_events e ON e.id = d.event_id, generate_series(1, 44999) n
    """)
    found = reports.of_event(store.shop, event_id)
    assert found is not None
    assert found.sent.count == 45_000
    assert (found.sent.p50, found.sent.p99) == pytest.approx((50, 99), abs=0.2)
