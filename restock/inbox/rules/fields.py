"""One field of a webhook's body as a checked value. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

LARGEST = 2**63 - 1  # what a BIGINT holds
_LONGEST_TEXT = 1_000
_GID = re.compile(r"gid://shopify/[A-Za-z]+/(\d{1,19})(?:\?.*)?", re.ASCII)
_LEVEL_ITEM = re.compile(r"gid://shopify/InventoryLevel/.*[?&]inventory_item_id=(\d{1,19})", re.ASCII)


class UnreadableBodyError(Exception):
    """A body cannot be understood. `reason` is a stable word and never quotes the body."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_object(body: bytes) -> Mapping[str, Any]:
    """Read a body as one JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # too deep for Python's reader is not understood either
        raise UnreadableBodyError("not_json") from None
    if not isinstance(value, dict):
        raise UnreadableBodyError("not_an_object")
    return value


def read_id(value: Mapping[str, Any], key: str) -> int:
    """Read a required id, a number or its decimal text."""
    found = optional_id(value, key)
    if found is None:
        raise UnreadableBodyError(f"bad_{key}")
    return found


def optional_id(value: Mapping[str, Any], key: str) -> int | None:
    """Read an id that may be absent or null."""
    raw = value.get(key)
    if isinstance(raw, str) and raw.isascii() and raw.isdecimal() and len(raw) <= 19:
        raw = int(raw)
    if raw is None:
        return None
    if type(raw) is not int or not 0 < raw <= LARGEST:
        raise UnreadableBodyError(f"bad_{key}")
    return raw


def own_id(value: Mapping[str, Any]) -> int:
    """Read the id of the thing a body is about, from its GraphQL id where it has one."""
    return gid_number(value.get("admin_graphql_api_id")) or read_id(value, "id")


def gid_number(gid: object) -> int | None:
    """Read the number of a GraphQL id; None when it is none."""
    return _matched(_GID, gid)


def level_item_id(value: Mapping[str, Any]) -> int:
    """Read which item a level is of; its GraphQL id carries the item's in the query."""
    return _matched(_LEVEL_ITEM, value.get("admin_graphql_api_id")) or read_id(value, "inventory_item_id")


def optional_count(value: Mapping[str, Any], key: str) -> int | None:
    """Read a count that may be null or negative."""
    raw = value.get(key)
    if raw is not None and (type(raw) is not int or abs(raw) > LARGEST):
        raise UnreadableBodyError(f"bad_{key}")
    return raw


def optional_flag(value: Mapping[str, Any], key: str) -> bool | None:
    """Read a yes or no that may be absent."""
    raw = value.get(key)
    if raw is not None and not isinstance(raw, bool):
        raise UnreadableBodyError(f"bad_{key}")
    return raw


def optional_text(value: object) -> str | None:
    """Take a text as the database can hold it; None for anything else and for nothing."""
    if not isinstance(value, str):
        return None
    return value[:_LONGEST_TEXT].replace("\x00", "").encode("utf-8", "replace").decode().strip() or None


def optional_cents(value: object) -> int | None:
    """Read a price such as "19.99" in hundredths, whatever the currency's own decimals; None when it is none."""
    try:
        cents = Decimal(str(value)) * 100
        return int(cents) if 0 <= cents <= LARGEST and not isinstance(value, bool) else None
    except (ArithmeticError, ValueError):  # not a number, or one too large to multiply
        return None


def read_moment(value: object) -> datetime | None:
    """Read an ISO 8601 moment (nanoseconds are cut to microseconds); None when absent, without zone or unreadable."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _matched(pattern: re.Pattern[str], text: object) -> int | None:
    match = pattern.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) if match and 0 < int(match[1]) <= LARGEST else None
