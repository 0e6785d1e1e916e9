"""The texts of answers as values. Pure.

What Shopify says went wrong becomes the error it is; an id it gives null for, it does not know. Nothing of an answer is
ever repeated in a message but codes and the names of fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from restock.shopify.admin_api.pacing import Bucket
from restock.shopify.admin_api.reading import Part
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminRefusedError,
    AdminSurpriseError,
    AdminThrottledError,
    AdminUnauthorizedError,
    AdminUnavailableError,
)

_CODE = re.compile(r"[A-Za-z_]{1,60}", re.ASCII)
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
_FORBIDDEN = frozenset({"ACCESS_DENIED", "FORBIDDEN", "SHOP_INACTIVE"})
_THEIR_FAULT = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
_UNKNOWN_ID = frozenset({"NOT_FOUND", "RESOURCE_NOT_FOUND"})  # beside a null where the thing would stand
_CLOSED = frozenset({402, 403, 404, 423})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, taken apart. `cost` is what Shopify charged for the question; None where it does not say."""

    data: Part | None
    codes: tuple[str, ...]  # of the errors; an error without a code is an empty text
    cost: float | None
    bucket: Bucket | None


def take_apart(text: str) -> Answer:
    """Read the envelope; raise AdminUnavailableError for what is no GraphQL answer at all (a page, half an answer)."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise AdminUnavailableError("the answer is not JSON") from None
    if not isinstance(whole, dict) or not ({"data", "errors"} & whole.keys()):
        raise AdminSurpriseError("the answer has neither data nor errors")
    data = whole.get("data")
    if data is not None and not isinstance(data, dict):
        raise AdminSurpriseError("data is not an object")
    cost = _mapping(_mapping(whole.get("extensions")).get("cost"))
    return Answer(
        data=Part(data) if data is not None else None,
        codes=_codes(whole.get("errors")),
        cost=_number(cost.get("requestedQueryCost")),
        bucket=_bucket(cost.get("throttleStatus")),
    )


def data_of(answer: Answer, wait_seconds: float) -> Part:
    """Return what was asked for, or raise what the answer says; `wait_seconds` is what a throttled caller is told."""
    codes = {code.upper() for code in answer.codes}
    if "THROTTLED" in codes:
        raise AdminThrottledError(wait_seconds)
    if codes & _FORBIDDEN:
        raise AdminForbiddenError("the shop has not granted what this question needs")
    if codes & _THEIR_FAULT:
        raise AdminUnavailableError("an error of Shopify's own")
    if codes - _UNKNOWN_ID or answer.data is None:
        raise AdminSurpriseError(f"the question was not answered: {', '.join(sorted(codes - {''})) or 'no code'}")
    return answer.data


def status_fault(status: int, wait_seconds: float) -> AdminError:
    """Make the error that an answer with another status than 200 stands for."""
    if status == 401:
        return AdminUnauthorizedError("the token is not good any more")
    if status == 429:
        return AdminThrottledError(wait_seconds)
    if status in _CLOSED:
        return AdminForbiddenError(f"HTTP {status}: the shop is closed or has not granted this")
    if status >= 500 or 300 <= status < 400 or status in (408, 425):
        return AdminUnavailableError(f"HTTP {status}")
    return AdminSurpriseError(f"HTTP {status}")


def told_seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After in seconds; None for none and for a date, which Shopify does not send."""
    return float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after) else None


def result_of(data: Part, mutation: str) -> Part:
    """Return a mutation's payload; raise AdminRefusedError with the fields and codes when Shopify said no."""
    payload = data.at(mutation)
    if payload.value is None:
        raise AdminSurpriseError(f"{payload.path} is null")
    if faults := payload.items("userErrors"):
        raise AdminRefusedError(f"{mutation}: {'; '.join(_user_fault(fault) for fault in faults[:5])}")
    return payload


def refused_fields(data: Part, mutation: str) -> list[str]:
    """List the fields that a mutation's user errors name."""
    return [_words(fault.at("field").value) for fault in data.at(mutation).items("userErrors")]


def _user_fault(fault: Part) -> str:
    value = _mapping(fault.value)
    return f"{_words(value.get('field')) or 'the whole'} {_words(value.get('code')) or 'refused'}"


def _words(value: object) -> str:
    """Take a code, or a path of names, when it is nothing else."""
    parts = value if isinstance(value, list) else [value]
    return ".".join(part for part in parts if isinstance(part, str) and _CODE.fullmatch(part))


def _codes(errors: object) -> tuple[str, ...]:
    if errors is None:
        return ()
    if not isinstance(errors, list):
        return ("",)
    return tuple(_words(_mapping(_mapping(error).get("extensions")).get("code")) for error in errors)


def _bucket(status: object) -> Bucket | None:
    found = _mapping(status)
    maximum, available, rate = (
        _number(found.get(key)) for key in ("maximumAvailable", "currentlyAvailable", "restoreRate")
    )
    if maximum is None or available is None or not rate or maximum <= 0:
        return None
    return Bucket(maximum, available, rate)


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e9 else None  # type: ignore[arg-type, operator]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
