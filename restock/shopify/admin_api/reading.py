"""One value inside an answer, with the path to it, read as what the schema says it is. Pure.

Whatever has another shape is an AdminSurpriseError that names the path and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from restock.shopify.errors import AdminSurpriseError

LARGEST = 2**63 - 1  # what a BIGINT holds
_GID = re.compile(r"gid://shopify/([A-Za-z]+)/(\d{1,19})(?:\?.*)?", re.ASCII)


def gid(kind: str, number: int) -> str:
    """Write a number as the GraphQL id of a thing."""
    return f"gid://shopify/{kind}/{number}"


@dataclass(frozen=True, slots=True)
class Part:
    """A value and where it stands."""

    value: Any
    path: str = "data"

    def at(self, key: str) -> Part:
        """Go to a field; absent is a surprise, null is not."""
        if not isinstance(self.value, dict) or key not in self.value:
            raise AdminSurpriseError(f"{self.path}.{key} is missing")
        return Part(self.value[key], f"{self.path}.{key}")

    def walk(self, *keys: str) -> Part | None:
        """Go down several fields; None where one of them is null."""
        part = self
        for key in keys:
            part = part.at(key)
            if part.value is None:
                return None
        return part

    def items(self, key: str) -> Sequence[Part]:
        """Read a list."""
        part = self.at(key)
        if not isinstance(part.value, list):
            raise part.surprise("a list")
        return [Part(one, f"{part.path}[{index}]") for index, one in enumerate(part.value)]

    def text(self, key: str) -> str:
        """Read a text."""
        found = self.optional_text(key)
        if found is None:
            raise self.at(key).surprise("a text")
        return found

    def optional_text(self, key: str) -> str | None:
        """Read a text that may be null, as a database can hold it."""
        part = self.at(key)
        if part.value is None:
            return None
        if not isinstance(part.value, str):
            raise part.surprise("a text")
        return part.value.replace("\x00", "").encode("utf-8", "replace").decode()

    def whole(self, key: str) -> int:
        """Read a whole number that a BIGINT can hold."""
        part = self.at(key)
        if type(part.value) is not int or abs(part.value) > LARGEST:
            raise part.surprise("a whole number")
        return part.value

    def optional_whole(self, key: str) -> int | None:
        """Read a whole number that may be null."""
        return None if self.at(key).value is None else self.whole(key)

    def flag(self, key: str) -> bool:
        """Read a yes or no."""
        part = self.at(key)
        if not isinstance(part.value, bool):
            raise part.surprise("true or false")
        return part.value

    def number(self, kind: str, key: str = "id") -> int:
        """Read the number of a GraphQL id of this kind of thing, exactly."""
        match = _GID.fullmatch(self.text(key))
        if not match or match[1] != kind or not 0 < int(match[2]) <= LARGEST:
            raise self.at(key).surprise(f"the id of a {kind}")
        return int(match[2])

    def cents(self, key: str) -> int:
        """Read a decimal text as hundredths."""
        part = self.at(key)
        try:
            cents = Decimal(self.text(key)) * 100
            if 0 <= cents <= LARGEST:
                return int(cents.to_integral_value())
        except ArithmeticError:  # not a number, or one too large to multiply
            pass
        raise part.surprise("an amount")

    def moment(self, key: str) -> datetime:
        """Read an ISO 8601 moment, in UTC."""
        try:
            moment = datetime.fromisoformat(self.text(key))
            if moment.tzinfo:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.at(key).surprise("a moment")

    def surprise(self, wanted: str) -> AdminSurpriseError:
        """Make the error that says what should have stood here."""
        return AdminSurpriseError(f"{self.path} is not {wanted}")
