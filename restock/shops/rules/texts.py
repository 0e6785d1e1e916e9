"""How single settings are read from the text a merchant types, and written back. Pure.

Every reader raises ValueError for what it does not take.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from restock.channels.values import ChannelName
from restock.shops.values import Market, SendHours

URL_PLACEHOLDERS = frozenset({"shop", "handle", "variant_id", "product_id"})
MOST_ORIGINS = 50
MOST_LOCATIONS = 200
MOST_MARKETS = 50
LONGEST_URL = 500
LONGEST_NAME = 100
LONGEST_TAG = 255  # Shopify's limit for a tag
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
MOST_ALERTED = 5
LONGEST_EMAIL = 254  # RFC 5321 section 4.5.3.1, without the brackets
_EMAIL = re.compile(r"[^\s@<>\x00-\x20\x7f\"(),:;\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}")
EVERYONE = float("inf")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


def one_of(words: type[StrEnum]) -> Callable[[str], Any]:
    return lambda text: words(text.lower())


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text[:12]) <= most and len(text) <= 12):
            raise ValueError
        return int(text)

    return read


def read_factor(text: str) -> float:
    if text.lower() == "everyone":
        return EVERYONE
    if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII) or not 0.1 <= float(text) <= 100:
        raise ValueError
    return float(text)


def write_factor(value: float) -> str:
    return "everyone" if value == EVERYONE else f"{value:g}"


def read_flag(text: str) -> bool:
    word = text.lower()
    if word not in _YES | _NO:
        raise ValueError
    return word in _YES


def read_channels(text: str) -> frozenset[ChannelName]:
    return frozenset(ChannelName(word.strip().lower()) for word in text.split(","))


def write_channels(value: frozenset[ChannelName]) -> str:
    return ",".join(name for name in ChannelName if name in value)


def read_origins(text: str) -> tuple[str, ...]:
    origins = tuple(dict.fromkeys(_read_origin(word.strip()) for word in text.split(",")))
    if len(origins) > MOST_ORIGINS:
        raise ValueError
    return origins


def _read_origin(text: str) -> str:
    parts = urlsplit(text.lower().rstrip("/"))
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise ValueError
    own_port = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    if parts.netloc not in (host, f"{host}:{port}") or parts.path or parts.query or parts.fragment:
        raise ValueError
    return f"{parts.scheme}://{host}{own_port}"


def read_locations(text: str) -> tuple[int, ...]:
    words = [word.strip().removeprefix("gid://shopify/Location/") for word in text.split(",")]
    if len(words) > MOST_LOCATIONS or not all(re.fullmatch(r"[1-9]\d{0,18}", word, re.ASCII) for word in words):
        raise ValueError
    return tuple(sorted({int(word) for word in words}))


def write_locations(value: tuple[int, ...]) -> str:
    return ",".join(str(one) for one in value)


def read_markets(text: str) -> tuple[Market, ...]:
    found = [_read_market(word.strip()) for word in text.split(",")]
    markets = {one.market_id: one for one in found}
    if len(markets) != len(found) or len(found) > MOST_MARKETS:
        raise ValueError
    return tuple(markets[market_id] for market_id in sorted(markets))


def write_markets(value: tuple[Market, ...]) -> str:
    return ",".join(f"{one.market_id}={one.country}" + (f"@{one.base_url}" if one.base_url else "") for one in value)


def _read_market(text: str) -> Market:
    matched = re.fullmatch(r"([1-9]\d{0,18})=([A-Za-z]{2})(?:@(\S+))?", text, re.ASCII)
    if matched is None:
        raise ValueError
    market_id, country, base_url = matched.groups()
    return Market(int(market_id), read_country(country), _read_origin(base_url) if base_url else None)


def read_url_template(text: str) -> str:
    pieces = list(string.Formatter().parse(text))
    names = {name for _, name, _, _ in pieces if name is not None}
    if any(spec or conversion for _, _, spec, conversion in pieces) or not names <= URL_PLACEHOLDERS:
        raise ValueError
    if not names & {"handle", "variant_id", "product_id"} or "{{" in text or "}}" in text:
        raise ValueError
    parts = urlsplit(text.replace("{shop}", "shop.example"))
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch((parts.hostname or "").lower()) or "@" in text:
        raise ValueError
    if len(text) > LONGEST_URL or not re.fullmatch(r"[!-~]+", text) or (parts.port is not None and parts.port < 1):
        raise ValueError
    return text


def read_emails(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if len(found) > MOST_ALERTED or not all(_is_email(one) for one in found):
        raise ValueError
    return found


def _is_email(text: str) -> bool:
    host = text.rpartition("@")[2].lower()
    return bool(len(text) <= LONGEST_EMAIL and text.isprintable() and _EMAIL.fullmatch(text) and "." in host) and bool(
        _HOST.fullmatch(host)
    )


def read_countries(text: str) -> tuple[str, ...]:
    if text.lower() == "any":
        return ("any",)
    return tuple(dict.fromkeys(read_country(word.strip()) for word in text.split(",")))


def read_country(text: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS  # sixty modules, for the few who read a country

    if text.upper() not in SUPPORTED_REGIONS:
        raise ValueError
    return text.upper()


def read_currency(text: str) -> str:
    from babel.numbers import is_currency

    if not is_currency(text.upper()):
        raise ValueError
    return text.upper()


def read_locale(text: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(text.replace("_", "-"), sep="-")).replace("_", "-")
    except UnknownLocaleError:
        raise ValueError from None


def read_name(text: str) -> str:
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise ValueError
    return text


def read_tag(text: str) -> str:
    if len(text) > LONGEST_TAG or "," in text or not text.isprintable():
        raise ValueError
    return text


def read_hours(text: str) -> SendHours:
    """Read `any`, or the hours of all days and then those of the days that differ: `9-20 sat 10-18 sun off`."""
    first, *rest = text.lower().split()
    if first == "any" and not rest:
        return SendHours()
    days = [_read_day(first)] * len(WEEKDAYS)
    if len(rest) % 2:
        raise ValueError
    for names, hours in zip(rest[::2], rest[1::2], strict=True):
        for name in names.split(","):
            days[WEEKDAYS.index(name)] = _read_day(hours)
    if not any(days):
        raise ValueError
    return SendHours() if set(days) == {(0, 24)} else SendHours(tuple(days))


def write_hours(value: SendHours) -> str:
    if value.always:
        return "any"
    usual = max(value.days, key=value.days.count)
    others = [f"{name} {_day(day)}" for name, day in zip(WEEKDAYS, value.days, strict=True) if day != usual]
    return " ".join([_day(usual), *others])


def _read_day(text: str) -> tuple[int, int] | None:
    if text == "off":
        return None
    matched = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text, re.ASCII)
    opens, closes = (int(hour) for hour in matched.groups()) if matched else (0, 0)
    if opens == closes or opens > 23 or closes > 24:
        raise ValueError
    return opens, closes


def _day(hours: tuple[int, int] | None) -> str:
    return f"{hours[0]}-{hours[1]}" if hours else "off"
