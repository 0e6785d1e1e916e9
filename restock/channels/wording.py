"""The phrases of every message in the languages we speak, and how a stranger's text is made safe to put in one.

Pure: a phrase file beside this module is read when its language is first spoken, and kept. A new language is one file
in `locales/` with the same keys as `en.json` (a test compares their slots), and its name in `tongues`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_timedelta
from babel.numbers import format_currency

from restock.channels.tongues import nearest, nearest_of
from restock.channels.values import Notice

_UNWANTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_SPACES = re.compile(r"\s+")
_NEVER_A_LARGER_UNIT = 1e9


@dataclass(frozen=True, slots=True)
class Phrases:
    """What we say in one language. `direction` is ltr or rtl."""

    language: str
    direction: str
    texts: Mapping[str, str]

    def say(self, key: str, **slots: str | int) -> str:
        """Fill one phrase; KeyError for a phrase or slot that does not exist."""
        text = self.texts[key]
        return text.format(**slots) if slots else text

    def kind(self, channel: str, notice: Notice, part: str, **slots: str | int) -> str:
        """Fill the phrase of one kind of notice; a test message speaks like what it is a sample of."""
        return self.say(f"{channel}.{notice.occasion}.{part}", **slots)


def phrases_for(locale: str) -> Phrases:
    """Find the nearest language: `fr-CA`, then `fr`, then English."""
    return _load(nearest_of(locale))


@cache
def _load(language: str) -> Phrases:
    source = resources.files("restock.channels").joinpath("locales", f"{language}.json")
    texts = json.loads(source.read_text(encoding="utf-8"))
    return Phrases(language, texts.pop("direction"), texts)


def tongue_of(notice: Notice, phrases: Phrases) -> tuple[str, str]:
    """Name the language of a message and its direction; with words of the shop's it may be one we do not speak."""
    known = known_locale(notice.locale) if notice.words else None
    if known is None or nearest(notice.locale) is not None:
        return phrases.language, phrases.direction
    return known.language, "rtl" if known.text_direction == "rtl" else "ltr"


def one_line(text: str, longest: int = 200) -> str:
    """Make a stranger's text fit for a subject, a notification or a text message.

    Control characters, line breaks, hidden direction marks and lone surrogates become one space; what is too long is
    cut with an ellipsis.
    """
    clean = _SPACES.sub(" ", _UNWANTED.sub(" ", text)).strip()
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"


def product_name(notice: Notice, phrases: Phrases, longest: int = 120) -> str:
    """Name the goods: title, and variant where there is one; a general word when they are not known."""
    product = notice.product
    if product is None or not one_line(product.title):
        return phrases.say("product.unknown")
    variant = one_line(product.variant_title or "", longest)
    title = one_line(product.title, longest)
    return one_line(f"{title} – {variant}", longest) if variant else title


@lru_cache(maxsize=256)
def duration(minutes: int, language: str) -> str:
    """Say how long that is, in the largest unit it fills: `90 minutes`, `1 hour`, `3 days`."""
    span, locale = timedelta(minutes=minutes), known_locale(language) or Locale("en")
    if minutes % (24 * 60) == 0:
        return format_timedelta(span, threshold=1, locale=locale)
    unit: Literal["hour", "minute"] = "hour" if minutes % 60 == 0 else "minute"
    return format_timedelta(span, granularity=unit, threshold=_NEVER_A_LARGER_UNIT, locale=locale)


@lru_cache(maxsize=1024)
def price_text(cents: int, currency: str, locale: str) -> str:
    """Write a price as people of that locale do; in English where the locale is not known."""
    return str(format_currency(Decimal(cents) / 100, currency, locale=known_locale(locale) or Locale("en")))


@lru_cache(maxsize=256)
def known_locale(locale: str) -> Locale | None:
    """Find a locale by its name, `fr-CA` or `fr_CA`; None: there is none of that name."""
    try:
        return Locale.parse(locale[:35].replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return None


def isolate(text: str, phrases: Phrases) -> str:
    """Keep a name in another script from turning a right-to-left line around (Unicode FSI … PDI)."""
    return f"\u2068{text}\u2069" if phrases.direction == "rtl" else text
