"""The filters a text may use: the library's, each with a bound on what goes in and what comes out, and prices.

A filter is here because messages need it. Left out for good: `safe` and what decodes (they would undo the escaping),
`date` (the same message would say something else at its next attempt), and whatever walks through long lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol

from liquid.builtin.filters import array, math, misc, string

from restock.channels.texts.values import TextError
from restock.channels.wording import one_line, price_text

LONGEST_INPUT = 5_000
LONGEST_ARGUMENT = 500
LONGEST_LIST = 500
LARGEST_NUMBER = 10**12
_LETTERS_A_STEP = 64


class Spending(Protocol):
    """What a filter needs of the rendering it is part of."""

    def spend(self, steps: int) -> None: ...

    def resolve(self, name: str, *, token: None = None, default: object = None) -> Any: ...


def bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Put a bound around a filter: TextError for what is too large, and every letter is paid for."""
    with_environment = getattr(work, "with_environment", False)

    @wraps(work)
    def bound(value: object, *args: object, context: Any, **named: object) -> object:
        size = _size(name, value, LONGEST_INPUT)
        size += sum(_size(name, one, LONGEST_ARGUMENT) for one in (*args, *named.values()))
        context.spend(1 + size // _LETTERS_A_STEP)
        more = {"environment": context.env} if with_environment else {}
        said = work(value, *args, **named, **more)
        _size(name, said, LONGEST_INPUT)
        return said

    bound.with_context = True  # type: ignore[attr-defined]
    bound.with_environment = False  # type: ignore[attr-defined]
    return bound


def _size(name: str, value: object, longest: int) -> int:
    """Measure a value; raises TextError where it is too large."""
    match value:
        case str():
            size, limit = len(value), longest
        case list() | tuple():
            size = len(value) + sum(len(one) for one in value[:LONGEST_LIST] if isinstance(one, str))
            limit = LONGEST_INPUT if len(value) <= LONGEST_LIST else -1
        case range():
            size, limit = 1, 0
        case int() | float():
            size, limit = 1, 1 if abs(value) <= LARGEST_NUMBER else 0
        case _:
            size, limit = 1, 1
    if size > limit:
        raise TextError("too_large", f"gives the filter {name} more than it may work on")
    return size


def money(cents: object, *, context: Any) -> str:
    """Write a price as people of the message's locale do; it is given in hundredths, as Shopify's are."""
    context.spend(1)
    currency, locale = context.resolve("currency", default=None), context.resolve("locale", default="en")
    if not isinstance(cents, int) or isinstance(cents, bool) or not isinstance(currency, str) or not currency:
        return ""
    if abs(cents) > LARGEST_NUMBER:
        raise TextError("too_large", "gives the filter money more than it may work on")
    return one_line(price_text(cents, currency, str(locale)), 40)


money.with_context = True  # type: ignore[attr-defined]

_LIBRARY: Mapping[str, Callable[..., Any]] = {
    "append": string.append,
    "capitalize": string.capitalize,
    "downcase": string.downcase,
    "escape": string.escape,
    "lstrip": string.lstrip,
    "newline_to_br": string.newline_to_br,
    "prepend": string.prepend,
    "remove": string.remove,
    "remove_first": string.remove_first,
    "replace": string.replace,
    "replace_first": string.replace_first,
    "rstrip": string.rstrip,
    "slice": string.slice_,
    "split": string.split,
    "strip": string.strip,
    "strip_newlines": string.strip_newlines,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "upcase": string.upcase,
    "url_encode": string.url_encode,
    "abs": math.abs_,
    "at_least": math.at_least,
    "at_most": math.at_most,
    "ceil": math.ceil,
    "divided_by": math.divided_by,
    "floor": math.floor,
    "minus": math.minus,
    "modulo": math.modulo,
    "plus": math.plus,
    "round": math.round_,
    "times": math.times,
    "default": misc.default,
    "size": misc.size,
    "first": array.first,
    "join": array.join,
    "last": array.last,
}

FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: bounded(name, work) for name, work in _LIBRARY.items()},
    "money": money,
}
