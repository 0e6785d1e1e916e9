"""The words of the merchant's pages, from one file for each language: `texts/en.json`.

A key that is missing is a fault of ours and raises KeyError; a test compares the file with what the pages ask for.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from babel.numbers import format_decimal

_TEXTS = Path(__file__).parent / "texts"


@cache
def texts(locale: str = "en") -> dict[str, str]:
    """Read all sentences of a language."""
    found: dict[str, str] = json.loads((_TEXTS / f"{locale}.json").read_text("utf-8"))
    return found


def say(key: str, **facts: object) -> str:
    """Give one sentence with its facts filled in; the template escapes the whole."""
    return texts()[key].format(**facts)


def say_count(key: str, number: int, **facts: object) -> str:
    """Give the sentence for a number of things: `key.one` or `key.other`."""
    form = "one" if number == 1 else "other"
    return say(f"{key}.{form}", n=format_decimal(number, locale="en"), **facts)


def say_code(group: str, code: str | None, fallback: str) -> str:
    """Give the sentence for a stable word of a table, or the fallback where nobody has put it into words yet."""
    known = texts()
    return known.get(f"{group}.{code}", known[fallback])
