"""The few words of the page's Shopify panel, and the faults they stand for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LATE_SECONDS = 10.0
_EXACT: Mapping[str, object] = {"copies": 1, "delay_seconds": 0.0, "is_lost": False, "is_shuffled": False}
WEBHOOKS: Mapping[str, Mapping[str, object]] = {
    "once": _EXACT,
    "twice": {**_EXACT, "copies": 2, "is_shuffled": True},
    "late": {**_EXACT, "delay_seconds": LATE_SECONDS},
    "never": {**_EXACT, "is_lost": True},
}
API: Mapping[str, Mapping[str, object]] = {
    "answers": {"throttled": False, "outage": False},
    "throttled": {"throttled": True, "outage": False},
    "down": {"throttled": False, "outage": True},
}


def word_for(words: Mapping[str, Mapping[str, object]], faults: Mapping[str, Any]) -> str:
    """Find the word for present faults; `custom` when none fits."""
    for word, meant in words.items():
        if all(faults.get(name) == value for name, value in meant.items()):
            return word
    return "custom"
