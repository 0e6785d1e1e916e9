"""Reads the fields of a JSON object one by one, noting every fault instead of stopping at the first.

A fault names the dotted field, a stable code, and how to mend it. Booleans are not integers here, nor is 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from restock.errors import Fault

LARGEST_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_NOTHING: Mapping[str, object] = {}

Choice = TypeVar("Choice")


@dataclass(slots=True)
class Fields:
    """The fields of one object in a body. `present` is False when the object is missing or no object."""

    path: str
    values: Mapping[str, object]
    faults: list[Fault]
    present: bool = True

    @classmethod
    def of(cls, body: Mapping[str, object], name: str, faults: list[Fault], *, required: bool = False) -> Fields:
        """Open one object of the body; where it is required or something else, that is the one fault it has."""
        value = body.get(name)
        if isinstance(value, dict):
            return cls(name, value, faults)
        if value is not None:
            faults.append(Fault(name, "INVALID_OBJECT", "must be an object"))
        elif required:
            faults.append(Fault(name, "REQUIRED", "is required: an object"))
        return cls(name, _NOTHING, faults, present=value is None and not required)

    def fault(self, name: str, code: str, message: str) -> None:
        """Note one fault, unless the whole object already has one."""
        if self.present:
            if code == "REQUIRED" and (sent := self._other_spelling(name)):
                message = f"{message}; you sent {sent}: write {name}"
            self.faults.append(Fault(f"{self.path}.{name}", code, message))

    def identifier(self, name: str, *, required: bool = False) -> int:
        """Read one of Shopify's ids: an integer or decimal digits, 1 to LARGEST_ID. 0 when absent or faulty."""
        value = self.values.get(name)
        if type(value) is str and _DIGITS.fullmatch(value):
            value = int(value)
        if type(value) is int and 1 <= value <= LARGEST_ID:
            return value
        if value is not None:
            wanted = f"must be a whole number from 1 to {LARGEST_ID}, as a number or in digits"
            is_gid = type(value) is str and value.startswith("gid://")
            self.fault(name, "INVALID_ID", f"{wanted}: of a gid, what stands at its end" if is_gid else wanted)
        elif required:
            self.fault(name, "REQUIRED", "is required: the id as Shopify gives it")
        return 0

    def integer(self, name: str, least: int, most: int) -> int | None:
        """Read a whole number; None when absent or faulty."""
        value = self.values.get(name)
        if type(value) is int and least <= value <= most:
            return value
        if value is not None:
            self.fault(name, f"INVALID_{name.upper()}", f"must be a whole number from {least} to {most}")
        return None

    def flag(self, name: str) -> bool | None:
        """Read true or false; None when absent or faulty."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(name, "INVALID_BOOLEAN", "must be true or false")
        return None

    def text(self, name: str, longest: int, *, cut: bool = False) -> str | None:
        """Read a text of one line; None when absent, blank or faulty. `cut`: an over-long one is cut, not refused."""
        value = self.values.get(name)
        if value is None:
            return None
        if type(value) is str:
            line = (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()
            if len(line) <= longest:
                return line or None
            if cut:
                return line[:longest].rstrip() or None
        self.fault(name, f"INVALID_{name.upper()}", f"must be a text of at most {longest} characters")
        return None

    def pattern(self, name: str, shape: re.Pattern[str], longest: int, code: str, message: str) -> str | None:
        """Read a text of a given shape; None when absent, empty or faulty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if type(value) is str and len(value) <= longest and shape.fullmatch(value):
            return value
        self.fault(name, code, message)
        return None

    def choice(self, name: str, choices: Mapping[str, Choice]) -> Choice | None:
        """Read one of a few words, required; None when absent or faulty."""
        value = self.values.get(name)
        if type(value) is str and (chosen := choices.get(value)) is not None:
            return chosen
        code = "REQUIRED" if value is None or value == "" else f"INVALID_{name.upper()}"
        self.fault(name, code, f"must be one of {', '.join(choices)}")
        return None

    def address(self, name: str, required: str) -> str | None:
        """Read the text of an address, required with the given sentence; None when absent or faulty."""
        value = self.values.get(name)
        if type(value) is str and value.strip():
            return value
        if value is None or type(value) is str:
            self.fault(name, "REQUIRED", required)
        else:
            self.fault(name, f"INVALID_{name.upper()}", "must be a text")
        return None

    def _other_spelling(self, name: str) -> str | None:
        """Find a missing field under another spelling of its name; no name but a known one is ever repeated."""
        return next((spelling for spelling in _spellings(name) if spelling in self.values), None)


def _spellings(name: str) -> Iterator[str]:
    """Yield how else a field's name is written elsewhere: camelCase, PascalCase, kebab-case, without `shopify_`."""
    for known in (name, name.removeprefix("shopify_")):
        pascal = "".join(part.capitalize() for part in known.split("_"))
        for spelling in (known, pascal[0].lower() + pascal[1:], pascal, known.replace("_", "-")):
            if spelling != name:
                yield spelling
