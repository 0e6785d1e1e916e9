"""What Shopify says of a shop, made usable: by its Admin API and by its webhook alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from restock.shopify.values import ShopProfile
from restock.shops.rules import SETTINGS
from restock.shops.values import Profile

_LONGEST_URL = 300


def profile_of(said: ShopProfile) -> dict[str, str]:
    """Read the Admin API's answer; what is absent or cannot be used is left out."""
    return _checked(
        name=said.name,
        currency=said.currency,
        country=said.country,
        locale=None,
        time_zone=said.time_zone,
        url=said.primary_url,
    )


def profile_in(body: Mapping[str, Any]) -> dict[str, str]:
    """Read the body of shop/update; what is absent or cannot be used is left out."""
    domain = body.get("domain")
    return _checked(
        name=body.get("name"),
        currency=body.get("currency"),
        country=body.get("country_code"),
        locale=body.get("primary_locale"),
        time_zone=body.get("iana_timezone"),
        url=f"https://{domain}" if isinstance(domain, str) and domain else None,
    )


def stored_profile(stored: Mapping[str, Any]) -> Profile:
    """Make the value of what is stored; keys of another version are passed over."""
    return Profile(**{one.name: stored.get(one.name) for one in fields(Profile)})


def _checked(
    *, name: object, currency: object, country: object, locale: object, time_zone: object, url: object
) -> dict[str, str]:
    profile = Profile(
        name=_usable("name", _one_line(name)),
        currency=_usable("currency", currency),
        country=_usable("country", country),
        locale=_usable("locale", locale),
        time_zone=_zone(time_zone),
        primary_url=_web_address(url),
    )
    return {key: value for key, value in asdict(profile).items() if value is not None}


def _usable(key: str, text: object) -> str | None:
    """Read a text as the setting of that name would."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return SETTINGS[key].write(SETTINGS[key].read(text.strip()))
    except ValueError:
        return None


def _one_line(text: object) -> str | None:
    """Shorten a name to what a setting may hold, without what cannot be printed."""
    if not isinstance(text, str):
        return None
    return "".join(letter for letter in text if letter.isprintable())[:100].strip()


def _zone(text: object) -> str | None:
    try:
        return ZoneInfo(text).key if isinstance(text, str) else None
    except (ValueError, OSError, KeyError):  # no such zone, or no name for one
        return None


def _web_address(text: object) -> str | None:
    if not isinstance(text, str) or len(text) > _LONGEST_URL:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    plain = parts.scheme == "https" and bool(parts.hostname) and parts.netloc == parts.hostname
    return f"https://{parts.hostname}" if plain else None
