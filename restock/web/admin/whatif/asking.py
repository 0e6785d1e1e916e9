"""From the address of a dry run to what is pretended. Pure. A field with a fault counts as empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from restock.shops.values import PRESETS, NotificationPolicy, PolicyPreset

MOST_UNITS = 1_000_000
_VARIANT = re.compile(r"v(\d{1,18})", re.ASCII)
_SETTINGS = {
    "preset": "policy",
    "factor": "policy.factor",
    "turn": "policy.turn_minutes",
    "minimum": "policy.minimum_units",
}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What one visit asks. `variant_id` None: no dry run yet; `units` None: without limit; `changes`: settings to try.

    `faults` has the key of a sentence for each field that cannot be right.
    """

    variant_id: int | None = None
    units: int | None = None
    preset: PolicyPreset | None = None
    bought_percent: int = 0
    changes: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> NotificationPolicy | None:
        return PRESETS[self.preset] if self.preset else None

    @property
    def can_play(self) -> bool:
        return self.variant_id is not None and not self.faults


def read_what_if(query: Mapping[str, str]) -> WhatIf:
    """Read the address."""
    faults: dict[str, str] = {}
    variant = _VARIANT.fullmatch(query.get("item", ""))
    if query.get("item") and variant is None:
        faults["item"] = "fault.choice"
    is_limited = "unlimited" not in query
    units = _number(query, "units", MOST_UNITS, faults) if is_limited else None
    if variant is not None and is_limited and units is None:
        faults.setdefault("units", "fault.units")
    policy = query.get("policy", "")
    if policy and policy not in PRESETS:
        faults["policy"] = "fault.choice"
    return WhatIf(
        variant_id=int(variant[1]) if variant else None,
        units=units,
        preset=PolicyPreset(policy) if policy in PRESETS else None,
        bought_percent=_number(query, "bought", 100, faults) or 0,
        changes={key: query[name].strip() for name, key in _SETTINGS.items() if query.get(name, "").strip()},
        faults=faults,
    )


def field_of(key: str) -> str:
    """Name the field in which a setting is typed."""
    return next((name for name, known in _SETTINGS.items() if known == key), key)


def _number(query: Mapping[str, str], name: str, most: int, faults: dict[str, str]) -> int | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) <= most):
        faults[name] = "fault.units" if name == "units" else "fault.percent"
        return None
    return int(text)
