"""Text messages leave as fast as their sender carries them, as many a day as their shop wants, and where it wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from restock.channels.values import Blame, ChannelName, Envelope, Outcome, Verdict
from restock.commands.shop_state import say_texts
from restock.config import Settings
from restock.deliveries.limits import repository, rules
from restock.deliveries.limits.opening import open_text_gate
from restock.deliveries.limits.rules import Day, Text, judge_day, natural_rate, shop_day, within
from restock.deliveries.limits.service import BURST_SECONDS, TextGate
from restock.deliveries.limits.values import Pace, TextsToday
from restock.deliveries.service import Deliveries
from tests.opened import nowhere
from tests.restocks.store import RecordingChannel, Store


@pytest.fixture
def texts(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database, [RecordingChannel(ChannelName.sms), RecordingChannel(ChannelName.email)])
    yield store
    store.close()


def gated(store: Store, rate: float | None = None, ceiling: Sequence[str] = ()) -> Deliveries:
    """The store's deliveries behind a gate."""
    pace = Pace("MG1", rate) if rate else None
    store.deliveries = replace(
        store.deliveries, gates={ChannelName.sms: TextGate(store.database, pace, tuple(ceiling))}
    )
    return store.deliveries


NUMBERS = "'+49151' || lpad((id * 10007 % 100000000)::text, 8, '0')"  # at no hour forbidden, and no neighbours


def texters(store: Store, count: int, number: str = NUMBERS) -> list[int]:
    """Have people wait for a text message, each with a number of their own."""
    joined = store.join(count, channel="sms")
    store.sql(f"UPDATE contacts SET address = {number} WHERE channel = 'sms' AND address LIKE 'shopper%'")
    return joined


def sent(store: Store) -> int:
    return len(store.channel.sent)


def states(store: Store) -> dict[tuple[str, str | None], int]:
    rows = store.sql("SELECT state, reason, count(*) FROM deliveries WHERE channel = 'sms' GROUP BY 1, 2")
    return {(str(state), None if reason is None else str(reason)): int(str(n)) for state, reason, n in rows}


def test_what_a_sender_does_not_carry_now_stays_queued_in_its_place_and_counts_no_attempt(texts: Store) -> None:
    gated(texts, rate=2)
    texters(texts, 20)
    texts.restock(None)
    began = time.monotonic()
    texts.send()
    assert 1 <= sent(texts) <= 2 * (BURST_SECONDS + time.monotonic() - began) + 1
    assert states(texts)["queued", None] == 20 - sent(texts)
    assert texts.one("SELECT max(attempt) FROM deliveries WHERE state = 'queued'") == 0
    order = [envelope.delivery_id for envelope in texts.channel.sent]
    assert order == sorted(order)


def test_other_channels_go_on_while_texts_wait(texts: Store) -> None:
    gated(texts, rate=1)
    texters(texts, 10)
    texts.join(10)
    texts.restock(None)
    texts.send()
    assert texts.one("SELECT count(*) FROM deliveries WHERE channel = 'email' AND state = 'sent'") == 10
    assert states(texts)["queued", None] > 0


def test_what_waited_for_its_sender_leaves_a_moment_later(texts: Store) -> None:
    gated(texts, rate=40)
    texters(texts, 110)
    texts.restock(None)
    deadline = time.monotonic() + 60
    while sent(texts) < 110 and time.monotonic() < deadline:
        texts.send()
        time.sleep(0.05)
    assert states(texts) == {("sent", None): 110}


class Clocked(RecordingChannel):
    """Remembers when it was handed what."""

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for envelope in envelopes:
            with self.lock:
                self.times.append(time.monotonic())
            yield Outcome(envelope.delivery_id, Verdict.accepted)

    times: list[float]


def test_several_workers_together_never_pass_the_rate(clean_database: str) -> None:
    channel = Clocked(ChannelName.sms)
    channel.times = []
    store = Store(clean_database, [channel])
    gated(store, rate=60)
    texters(store, 400)
    store.restock(None)
    began = time.monotonic()

    def work() -> None:
        while len(channel.times) < 240 and time.monotonic() < began + 60:
            store.deliveries.drain(ChannelName.sms, seconds=0.5)
            time.sleep(0.02)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert len(channel.times) >= 240
    for count, at in enumerate(sorted(channel.times), 1):
        assert count <= 60 * (at - began + BURST_SECONDS) + 4  # a message that begins within the rate may end beyond it


def test_a_claim_that_never_commits_takes_no_permit(texts: Store) -> None:
    def dies(session: Session) -> None:
        assert repository.take(session, "sms", "MG1", 1.0, 2.0, [1, 1, 1, 1]) == 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        texts.in_transaction(dies)
    with texts.database.transaction() as session:
        assert repository.take(session, "sms", "MG1", 1.0, 2.0, [1, 1, 1, 1]) == 3


def test_a_message_longer_than_what_is_free_leaves_and_the_next_waits_for_it(texts: Store) -> None:
    def take(*segments: int) -> int:
        with texts.database.transaction() as session:
            return repository.take(session, "sms", "MG1", 1.0, 1.0, segments)

    assert take(7, 1) == 1
    assert take(1) == 0
    texts.pass_time("send_paces", "free_at", 5.9)
    assert take(1) == 0
    texts.pass_time("send_paces", "free_at", 1)
    assert take(1, 1) == 1


def test_a_provider_that_finds_us_too_fast_gets_a_pause_from_everybody(texts: Store) -> None:
    gated(texts, rate=100)
    texters(texts, 1)
    texts.restock(None)
    texts.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.deferred, "rate_limited", retry_after_seconds=9)
    texts.send()
    texters(texts, 3)
    texts.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.accepted)
    texts.check()
    texts.sql("UPDATE delivery_lanes SET next_at = now()")
    texts.sql("UPDATE deliveries SET next_at = now() WHERE state = 'queued'")
    texts.send()
    assert sent(texts) == 1
    texts.pass_time("send_paces", "free_at", 10)
    texts.send()
    assert states(texts)["sent", None] >= 1


def test_at_the_cap_of_the_day_messages_wait_for_the_next_one_and_say_so(texts: Store) -> None:
    texts.set(sms__daily_cap="4")
    gated(texts)
    texters(texts, 10)
    texts.restock(None)
    texts.send()
    a_message = int(str(texts.one("SELECT segment_count / message_count FROM text_days")))
    assert sent(texts) == 4 // a_message
    assert states(texts) == {("sent", None): sent(texts), ("queued", "day_cap"): 10 - sent(texts)}
    today = texts.deliveries.texts_today(texts.shop)
    assert today == TextsToday(sent(texts) * a_message, 4, capped_count=10 - sent(texts))
    assert say_texts(today).startswith(f"{today.segment_count} of 4 segments today; {today.capped_count} wait")
    texts.send()
    assert texts.one("SELECT segment_count FROM text_days") == sent(texts) * a_message <= 4
    texts.sql("UPDATE text_days SET day = day - 1")
    texts.sql("UPDATE deliveries SET next_at = now() WHERE state = 'queued'")
    texts.sql("UPDATE delivery_lanes SET next_at = now()")
    texts.send()
    assert sent(texts) == 2 * (4 // a_message)


def test_stock_is_looked_at_again_when_the_day_is_over(texts: Store) -> None:
    texts.set(sms__daily_cap="1", policy="everyone")
    gated(texts)
    texters(texts, 4)
    texts.restock(9)
    texts.send()
    texts.restock(0)
    texts.sql("UPDATE text_days SET day = day - 1")
    texts.sql("UPDATE deliveries SET next_at = now() WHERE state = 'queued'")
    texts.sql("UPDATE delivery_lanes SET next_at = now()")
    told = sent(texts)
    texts.send()
    assert sent(texts) == told


def test_a_raised_cap_counts_within_half_an_hour(texts: Store) -> None:
    texts.set(sms__daily_cap="1")
    gated(texts)
    texters(texts, 3)
    texts.restock(None)
    texts.send()
    waits = texts.one("SELECT max(extract(epoch FROM next_at - now())) FROM deliveries WHERE state = 'queued'")
    assert float(str(waits)) <= 1800


def test_a_raised_cap_counts_at_once_where_it_is_raised_in_the_settings(texts: Store) -> None:
    texts.set(sms__daily_cap="1")
    gated(texts)
    texters(texts, 3)
    texts.restock(None)
    texts.send()
    assert sent(texts) < 3
    texts.set(sms__daily_cap="")
    texts.send()
    assert sent(texts) == 3


@pytest.mark.parametrize("verdict", [Verdict.deferred, Verdict.refused])
def test_what_the_provider_does_not_take_does_not_count(texts: Store, verdict: Verdict) -> None:
    texts.set(sms__daily_cap="5")
    gated(texts)
    texts.channel.answer = lambda envelope: Outcome(envelope.delivery_id, verdict, "busy")
    texters(texts, 3)
    texts.restock(None)
    texts.send()
    assert texts.sql("SELECT segment_count, message_count FROM text_days") == [(0, 0)]
    assert {row[0] for row in texts.sql("SELECT message_count FROM text_blocks")} == {0}


class Tomorrow:
    """A clock of a worker that is asked after midnight."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=1)


def test_what_is_given_back_after_midnight_is_given_back_to_its_own_day(texts: Store) -> None:
    gated(texts)
    texts.deliveries = replace(texts.deliveries, clock=Tomorrow())
    texts.channel.answer = lambda envelope: Outcome(envelope.delivery_id, Verdict.deferred, "busy")
    texters(texts, 3)
    texts.restock(None)
    texts.send()
    assert sent(texts) == 3
    assert texts.sql("SELECT segment_count, message_count FROM text_days") == [(0, 0)]


def test_an_outage_never_makes_a_flood_of_one_number(texts: Store) -> None:
    """The first in line asks a provider that is down again and again: that is one message, however often."""
    gated(texts)
    texts.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.deferred, "provider_unreachable", Blame.provider)
    texters(texts, 1)
    texts.restock(None)
    for _ in range(rules.FLOOD_COUNT + 2):
        texts.send()
        texts.sql("UPDATE provider_states SET next_probe_at = now()")
    assert sent(texts) == rules.FLOOD_COUNT + 2
    assert states(texts) == {("queued", "provider_unreachable"): 1}
    texts.channel.answer = lambda envelope: Outcome(envelope.delivery_id, Verdict.accepted)
    texts.send()
    assert states(texts) == {("sent", None): 1}


def test_two_workers_at_once_stay_within_the_cap(texts: Store) -> None:
    texts.set(sms__daily_cap="20")
    gated(texts)
    texters(texts, 200)
    texts.restock(None)
    threads = [threading.Thread(target=texts.send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(str(texts.one("SELECT segment_count FROM text_days"))) <= 20
    assert sent(texts) == texts.one("SELECT message_count FROM text_days")


def test_a_number_of_a_country_that_is_not_the_shops_is_not_written_to(texts: Store) -> None:
    texts.set(country="DE")
    gated(texts)
    texters(texts, 2)
    texters(texts, 1, "'+447400123456'")
    texters(texts, 1, "'+18765551234'")  # Jamaica shares the calling code, and is dear
    texts.restock(None)
    texts.send()
    assert states(texts) == {("sent", None): 2, ("skipped", "country_off"): 2}
    texts.set(sms__countries="GB,DE,JM")
    texts.stock(0)
    texts.check()
    texts.restock(None)
    texts.send()
    assert {"+447400123456", "+18765551234"} <= {envelope.recipient.address for envelope in texts.channel.sent}


def test_no_shop_goes_beyond_the_operators_countries(texts: Store) -> None:
    texts.set(sms__countries="any")
    gated(texts, ceiling=["US", "CA"])
    texters(texts, 1)
    texts.restock(None)
    texts.send()
    assert states(texts) == {("skipped", "country_off"): 1}


def test_a_flood_of_neighbouring_numbers_is_stopped_and_others_are_written_to(texts: Store) -> None:
    gated(texts)
    texters(texts, 1000, "'+1876555' || lpad((id % 10000)::text, 4, '0')")
    texters(texts, 20)
    texts.restock(None)
    texts.send()
    written = [envelope.recipient.address for envelope in texts.channel.sent]
    assert sum(number.startswith("+1876555") for number in written) <= rules.FLOOD_COUNT
    assert sum(number.startswith("+49") for number in written) == 20
    assert states(texts)["skipped", "number_flood"] >= 900


def test_where_carriers_filter_much_the_rest_waits(texts: Store) -> None:
    gate = TextGate(texts.database)
    gated(texts)
    for _ in range(rules.FEWEST_FILTERED):
        gate.count_filtered(texts.shop, datetime.now(UTC))
    texters(texts, 3)
    texts.restock(None)
    texts.send()
    assert sent(texts) == 0
    assert states(texts) == {("queued", "filtered_by_carriers"): 3}


def test_a_number_that_is_none_is_left_to_the_channel(texts: Store) -> None:
    gated(texts, rate=100)
    texters(texts, 1, "'+491'")
    texts.restock(None)
    texts.send()
    assert sent(texts) == 1


@given(st.lists(st.integers(1, 11), max_size=50), st.none() | st.integers(-5, 100))
def test_who_comes_first_leaves_first_and_never_more_than_there_is_room_for(costs: list[int], room: int | None) -> None:
    count = within(costs, room)
    assert room is None or sum(costs[:count]) <= max(0, room)
    assert count == len(costs) or (room is not None and sum(costs[: count + 1]) > room)


@given(
    st.lists(st.integers(1, 3), max_size=40),
    st.integers(0, 60),
    st.none() | st.integers(1, 60),
    st.integers(0, 60),
)
def test_every_message_is_let_go_held_or_stopped_once(
    costs: list[int], spent: int, cap: int | None, filtered: int
) -> None:
    wanted = [Text(number, "+1415555", cost) for number, cost in enumerate(costs)]
    said = judge_day(wanted, Day(spent, spent, filtered), cap)
    assert sorted([*said.leaving, *said.held, *said.flooding], key=lambda text: text.delivery_id) == wanted
    assert cap is None or not said.leaving or spent + sum(text.segment_count for text in said.leaving) <= cap


@pytest.mark.parametrize(
    ("sender", "has_service", "rate"),
    [
        ("+14155550000", False, 1),
        ("+18005550000", False, 3),
        ("+18885550000", False, 3),
        ("+4915112345678", False, 10),
        ("12345", False, 100),
        ("123456", False, 100),
        ("ACME", False, 10),
        ("", True, 10),
        ("+14155550000", True, 10),
    ],
)
def test_a_sender_is_as_fast_as_its_kind(sender: str, has_service: bool, rate: float) -> None:
    assert natural_rate(sender, has_service=has_service) == rate


@pytest.mark.parametrize(
    ("zone", "day", "hours_left"),
    [
        ("UTC", "2026-03-28", 1),
        ("America/New_York", "2026-03-28", 5),
        ("Pacific/Auckland", "2026-03-29", 12),
        ("Europe/Berlin", "2026-03-29", 23),  # an hour is lost that day
        ("Nowhere/Land", "2026-03-28", 1),
        (None, "2026-03-28", 1),
    ],
)
def test_a_day_is_the_shops_own(zone: str | None, day: str, hours_left: int) -> None:
    found, seconds = shop_day(datetime(2026, 3, 28, 23, 0, tzinfo=UTC), zone)
    assert (found.isoformat(), seconds) == (day, hours_left * 3600)


@pytest.mark.parametrize(
    ("environment", "pace"),
    [
        ({"twilio_from": "+14155550000"}, Pace("+14155550000", 1)),
        ({"twilio_messaging_service_sid": "MG1", "twilio_from": "+14155550000"}, Pace("MG1", 10)),
        ({"twilio_from": "+14155550000", "sms_segments_per_second": 4.5}, Pace("+14155550000", 4.5)),
        ({"twilio_from": "+14155550000", "sms_segments_per_second": 0}, None),
        ({"twilio_from": "+14155550000", "twilio_api_url": "http://127.0.0.1:1"}, None),
        (
            {"twilio_from": "+1", "twilio_api_url": "http://127.0.0.1:1", "sms_segments_per_second": 2},
            Pace("+1", 2),
        ),
    ],
)
def test_the_pace_is_what_the_operator_says_or_what_the_sender_carries(
    make_settings: Callable[..., Settings], environment: dict[str, object], pace: Pace | None
) -> None:
    assert open_text_gate(make_settings(**environment), nowhere()).pace == pace
