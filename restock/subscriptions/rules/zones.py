"""When a person may be woken: the time zones an address can be in, and when their send hours open. Pure.

Where somebody is can only be guessed from the address, so a message leaves when it is within the hours in every zone
the address may be in. Phone numbers are placed by Google's numbering data; numbers that were ported or travel are not
where they seem.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global

from restock.channels.values import ChannelName
from restock.shops.values import ChannelHours, SendHours
from restock.subscriptions.values import QueuePlace

# What 47 CFR 64.1200(c)(1) and the states' own laws leave in common; a shop's own hours only narrow it.
US_SMS_HOURS = SendHours(((9, 20),) * 6 + ((12, 20),))
_US_TERRITORIES = ("US", "PR", "GU", "AS", "VI", "MP")
# Calling codes where a number that gets SMS belongs to a place, which its first digits tell; elsewhere, to a country.
_PLACED = frozenset({"1", "52", "54", "55", "62", "86"})
_DAYS_AHEAD = 15  # two weeks, for the one weekday whose only hour a clock change skips
_NO_ZONE = ("UTC",)


def candidate_zones(channel: ChannelName, address: str | None, shop_zone: str | None) -> tuple[str, ...]:
    """Name the zones (IANA) a person may be in: those of the phone number, else the shop's, else UTC; never none."""
    if channel is ChannelName.sms and address and (found := _zones_of_number(address.removeprefix("+"))):
        return found
    return (shop_zone,) if shop_zone and _is_zone(shop_zone) else _NO_ZONE


def wakes_at(channel: ChannelName, hours: SendHours, zones: Sequence[str], now: datetime) -> datetime | None:
    """Say when the hours are open in all these zones next (UTC); None: they are now.

    US zones are never texted outside US_SMS_HOURS; where the shop's hours never meet those, they count alone. Zones
    whose hours never overlap are judged by the westernmost, the last to open on any day.
    """
    us_limits = channel is ChannelName.sms
    if hours.always and not us_limits:
        return None
    return _next_open(hours, tuple(zones), us_limits, now)


def with_wakes_at(
    page: Sequence[QueuePlace], hours: ChannelHours, shop_zone: str | None, now: datetime
) -> Sequence[QueuePlace]:
    """Fill in when each person of a queue's page wakes; who is awake stays as given."""
    return [_with_wakes_at(place, hours, shop_zone, now) for place in page]


def _with_wakes_at(place: QueuePlace, hours: ChannelHours, shop_zone: str | None, now: datetime) -> QueuePlace:
    channel = ChannelName(place.channel)
    opening = wakes_at(channel, hours.of(channel), candidate_zones(channel, place.address, shop_zone), now)
    return place if opening is None else replace(place, wakes_at=opening)


def _zones_of_number(digits: str) -> tuple[str, ...]:
    """Find the zones by the number's longest known beginning where that says the place, else by its calling code."""
    from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX  # for those who write text messages alone

    code = next((digits[:length] for length in (1, 2, 3) if digits[:length] in _calling_codes()), "")
    if code not in _PLACED:
        return TIMEZONE_DATA.get(code, ())
    beginnings = (digits[:length] for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1))
    return next((TIMEZONE_DATA[one] for one in beginnings if one in TIMEZONE_DATA), ())


@cache
def _calling_codes() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(str(code) for code in COUNTRY_CODE_TO_REGION_CODE)


@cache
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=4096)
def _next_open(hours: SendHours, zones: tuple[str, ...], us_limits: bool, now: datetime) -> datetime | None:
    """Go from one zone's opening to the next until all are open; a page of a queue asks with one and the same `now`."""
    moment = opening = now.timestamp()
    day = datetime.fromtimestamp(moment, UTC).date()
    while opening < moment + _DAYS_AHEAD * 86_400:
        latest = max(_opens_after(hours, zone, us_limits, day, opening) for zone in zones)
        if latest == opening:
            break
        opening = latest
    else:
        west = min(zones, key=lambda zone: now.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        opening = _opens_after(hours, west, us_limits, day, moment)
    return None if opening == moment else datetime.fromtimestamp(opening, UTC)


def _opens_after(hours: SendHours, zone: str, us_limits: bool, day: date, moment: float) -> float:
    """Say when it is open in one zone, at `moment` or next."""
    starts, ends = _intervals(hours, zone, us_limits, day)
    place = bisect_right(ends, moment)
    return max(moment, starts[place]) if place < len(starts) else math.inf


@lru_cache(maxsize=2048)
def _intervals(hours: SendHours, zone: str, us_limits: bool, day: date) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """List when it is open in one zone around a UTC day: starts and ends, in seconds since the epoch."""
    found = _merged(_openings(hours, zone, day))
    if us_limits and zone in _us_zones():
        allowed = _merged(_openings(US_SMS_HOURS, zone, day))
        met = [(max(one[0], two[0]), min(one[1], two[1])) for one in found for two in allowed]
        found = [(start, end) for start, end in met if start < end] or allowed
    return tuple(start for start, _ in found), tuple(end for _, end in found)


def _openings(hours: SendHours, zone: str, day: date) -> Iterator[tuple[float, float]]:
    """Yield each local day's opening. Hours that a clock change skips are not there; those it repeats last longer."""
    for offset in range(-2, _DAYS_AHEAD + 3):
        local = day + timedelta(days=offset)
        todays = (0, 24) if hours.always else hours.days[local.weekday()]
        if todays is not None:
            opens, closes = todays
            start, end = _at(local, opens, zone), _at(local, closes + 24 * (closes <= opens), zone)
            if start < end:
                yield start, end


def _at(day: date, hour: int, zone: str) -> float:
    """Say when a clock there shows this hour first; within a gap, when the clock jumps."""
    days, hour = divmod(hour, 24)
    return datetime.combine(day + timedelta(days=days), time(hour), ZoneInfo(zone)).timestamp()


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@cache
def _us_zones() -> frozenset[str]:
    zones = get_global("territory_zones")
    return frozenset(zone for territory in _US_TERRITORIES for zone in zones.get(territory, ()))
