"""When people may be woken: zones of addresses, hours on people's own clocks, and the days on which clocks change."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.timezone import time_zones_for_geographical_number, time_zones_for_number

from restock.channels.values import ChannelName
from restock.shops.rules.texts import read_hours
from restock.shops.values import ChannelHours, SendHours
from restock.subscriptions.rules.zones import candidate_zones, wakes_at, with_wakes_at
from restock.subscriptions.values import QueuePlace

SMS, EMAIL, PUSH = ChannelName.sms, ChannelName.email, ChannelName.push
BERLIN, NEW_YORK, TOKYO = "Europe/Berlin", "America/New_York", "Asia/Tokyo"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _wakes(hours: str, zones: str, now: str, channel: ChannelName = EMAIL) -> str | None:
    found = wakes_at(channel, read_hours(hours), zones.split(), _at(now))
    return found.astimezone(UTC).strftime("%m-%d %H:%M") if found else None


ZONES = [
    (SMS, "+12125550123", None, (NEW_YORK,)),
    (SMS, "+19075550123", None, ("America/Adak", "America/Anchorage")),
    (SMS, "+14165550123", None, ("America/Toronto",)),
    (SMS, "+4915112345678", TOKYO, (BERLIN,)),
    (SMS, "+87077123456", TOKYO, (TOKYO,)),  # a satellite telephone is anywhere
    (SMS, "+87077123456", None, ("UTC",)),
    (SMS, None, BERLIN, (BERLIN,)),
    (SMS, "", "No/Where", ("UTC",)),
    (EMAIL, "a@shop.example", BERLIN, (BERLIN,)),
    (EMAIL, "+12125550123", BERLIN, (BERLIN,)),
    (PUSH, "https://push.example/1", None, ("UTC",)),
    (PUSH, None, "../etc/passwd", ("UTC",)),
]


@pytest.mark.parametrize(("channel", "address", "shop_zone", "zones"), ZONES)
def test_a_person_is_where_the_number_says_else_where_the_shop_is(
    channel: ChannelName, address: str | None, shop_zone: str | None, zones: tuple[str, ...]
) -> None:
    assert candidate_zones(channel, address, shop_zone) == zones


def test_a_number_whose_place_is_unsure_may_be_in_every_zone_of_its_country() -> None:
    zones = candidate_zones(SMS, "+79161234567", None)
    assert len(zones) > 10
    assert "Europe/Moscow" in zones


def test_every_country_s_numbers_are_placed_as_google_places_them_or_more_carefully() -> None:
    """A fixed line's own town may be known where we only say the country; an area code of +1 always tells its place."""
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.VOIP)
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in kinds:
            if number := phonenumbers.example_number_for_type(region, kind):
                typed = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                ask = time_zones_for_geographical_number if number.country_code == 1 else time_zones_for_number
                theirs = set(ask(number)) - {"Etc/Unknown"}
                assert theirs <= set(candidate_zones(SMS, typed, None)), typed


OPENINGS = [
    ("always", "any", BERLIN, "2026-05-04T03:00+02:00", None),
    ("within the hours", "9-20", BERLIN, "2026-05-04T09:00+02:00", None),
    ("the last minute", "9-20", BERLIN, "2026-05-04T19:59+02:00", None),
    ("closed at the hour", "9-20", BERLIN, "2026-05-04T20:00+02:00", "05-05 07:00"),
    ("before opening", "9-20", BERLIN, "2026-05-04T08:59+02:00", "05-04 07:00"),
    ("another day's hours", "9-20 sun 12-20", BERLIN, "2026-05-03T09:30+02:00", "05-03 10:00"),
    ("closed on Sunday", "9-20 sun off", BERLIN, "2026-05-02T21:00+02:00", "05-04 07:00"),
    ("one day a week", "off wed 9-10", BERLIN, "2026-05-06T10:00+02:00", "05-13 07:00"),
    ("over midnight, before", "20-2", BERLIN, "2026-05-04T23:00+02:00", None),
    ("over midnight, after", "20-2", BERLIN, "2026-05-05T01:59+02:00", None),
    ("over midnight, over", "20-2", BERLIN, "2026-05-05T02:00+02:00", "05-05 18:00"),
    ("into a day that is closed", "9-2 sun off", BERLIN, "2026-05-03T01:00+02:00", None),
    ("the night before clocks go forward", "9-20", BERLIN, "2026-03-28T21:00+01:00", "03-29 07:00"),
    ("the night before clocks go back", "9-20", BERLIN, "2026-10-24T21:00+02:00", "10-25 08:00"),
    ("opens in the hour that is skipped", "2-20", BERLIN, "2026-03-29T01:30+01:00", "03-29 01:00"),
    ("the only hour is skipped", "off sun 2-3", BERLIN, "2026-03-23T00:00+01:00", "04-05 00:00"),
    ("an hour that comes twice", "2-3", BERLIN, "2026-10-25T02:30+01:00", None),
    ("a zone with a half hour", "9-20", "Asia/Kolkata", "2026-05-04T08:00+05:30", "05-04 03:30"),
    ("all of several", "9-20", f"{NEW_YORK} America/Los_Angeles", "2026-05-04T09:00-04:00", "05-04 16:00"),
    (
        "one of several is not enough",
        "9-20",
        f"{NEW_YORK} America/Los_Angeles",
        "2026-05-04T20:30-04:00",
        "05-05 16:00",
    ),
    ("both at once are rare", "9-20", f"{BERLIN} Pacific/Auckland", "2026-05-04T05:00+00:00", "05-04 07:00"),
    ("never together: the western one", "9-12", f"{NEW_YORK} {TOKYO}", "2026-05-04T12:00+00:00", "05-04 13:00"),
    ("never together: open in the west", "9-12", f"{NEW_YORK} {TOKYO}", "2026-05-04T14:00+00:00", None),
]


@pytest.mark.parametrize(
    ("hours", "zones", "now", "opening"), [row[1:] for row in OPENINGS], ids=[r[0] for r in OPENINGS]
)
def test_hours_open_on_people_s_own_clocks(hours: str, zones: str, now: str, opening: str | None) -> None:
    assert _wakes(hours, zones, now) == opening


US = [
    ("any", NEW_YORK, "2026-05-04T20:00-04:00", "05-05 13:00"),
    ("any", NEW_YORK, "2026-05-03T11:00-04:00", "05-03 16:00"),  # a Sunday
    ("8-22", NEW_YORK, "2026-05-04T08:30-04:00", "05-04 13:00"),
    ("12-14", NEW_YORK, "2026-05-04T10:00-04:00", "05-04 16:00"),
    ("20-23", NEW_YORK, "2026-05-04T10:00-04:00", None),  # the two never meet
    ("any", "Pacific/Guam", "2026-05-04T21:00+10:00", "05-04 23:00"),
    ("any", "America/Toronto", "2026-05-04T23:00-04:00", None),
    ("any", BERLIN, "2026-05-04T23:00+02:00", None),
]


@pytest.mark.parametrize(("hours", "zones", "now", "opening"), US)
def test_nobody_in_the_us_is_texted_outside_the_lawful_hours(
    hours: str, zones: str, now: str, opening: str | None
) -> None:
    assert _wakes(hours, zones, now, SMS) == opening


def test_the_lawful_hours_of_texting_do_not_bind_mail() -> None:
    assert _wakes("any", NEW_YORK, "2026-05-04T23:00-04:00", EMAIL) is None


def _is_open(days: tuple[tuple[int, int] | None, ...], zone: str, moment: datetime) -> bool:
    """Say it the slow way: look at the clock on the wall."""
    wall = moment.astimezone(ZoneInfo(zone))
    today, yesterday = days[wall.weekday()], days[wall.weekday() - 1]
    if today and today[0] <= wall.hour and (today[1] <= today[0] or wall.hour < today[1]):
        return True
    return bool(yesterday and yesterday[1] <= yesterday[0] and wall.hour < yesterday[1])


DAY = st.none() | st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda day: day[0] != day[1])
WEEK = st.tuples(*[DAY] * 7).filter(any)
PLACES = st.sampled_from(
    [BERLIN, NEW_YORK, TOKYO, "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Kiritimati",
     "Pacific/Pago_Pago", "America/Santiago", "Africa/Cairo", "Asia/Beirut", "UTC"]
)  # fmt: skip
MINUTES = st.integers(0, 3 * 366 * 24 * 4).map(lambda n: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * n))
CHANGES = st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"]).flatmap(
    lambda day: st.integers(-96, 192).map(
        lambda n: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=15 * n)
    )
)


@given(days=WEEK, zones=st.lists(PLACES, min_size=1, max_size=3, unique=True), now=MINUTES | CHANGES)
@settings(max_examples=400, deadline=None)
def test_whoever_wakes_is_awake_everywhere_and_was_not_before(
    days: tuple[tuple[int, int] | None, ...], zones: list[str], now: datetime
) -> None:
    """Held against clocks on walls, quarter by quarter, over days of 23, 24 and 25 hours."""
    found = wakes_at(EMAIL, SendHours(days), zones, now)
    moments = (now + timedelta(minutes=15 * n) for n in range(4 * 24 * 15))
    expected = next((one for one in moments if all(_is_open(days, zone, one) for zone in zones)), None)
    if expected is not None:
        assert (found or now) == expected
    else:  # never together: whoever's clock is behind all others decides
        west = min(zones, key=lambda zone: now.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        assert found == wakes_at(EMAIL, SendHours(days), [west], now)
        assert found is None or wakes_at(EMAIL, SendHours(days), zones, found) is None


def _page(size: int) -> list[QueuePlace]:
    since = datetime(2026, 5, 1, tzinfo=UTC)
    areas = (212, 415, 312, 808, 787, 907, 202, 305, 602, 503)
    return [
        QueuePlace(n, n, "sms", 1, since, 0, f"+1{areas[n % 10]}5{n:06d}")
        if n % 2
        else QueuePlace(n, n, "email", 1, since)
        for n in range(size)
    ]


def test_a_page_of_a_queue_says_who_sleeps_and_leaves_the_others_alone() -> None:
    since = datetime(2026, 5, 1, tzinfo=UTC)
    awake = QueuePlace(1, 1, "email", 1, since)
    asleep = QueuePlace(2, 2, "sms", 1, since, 0, "+4915112345678")
    now = _at("2026-05-04T23:00+02:00")
    page = with_wakes_at([awake, asleep], ChannelHours(), NEW_YORK, now)
    assert page[0] is awake
    assert page[1].wakes_at == _at("2026-05-05T09:00+02:00")
    assert "4915" not in repr(page)


def test_a_page_takes_next_to_no_time() -> None:
    """Less than 15 µs of work a person on an idle machine; the best of five, and four times that, for a busy one."""
    page, best = _page(1000), float("inf")
    for n in range(5):
        began = time.process_time()
        with_wakes_at(page, ChannelHours(), BERLIN, _at(f"2026-05-04T03:0{n}+00:00"))
        best = min(best, time.process_time() - began)
    assert best / len(page) < 60e-6
