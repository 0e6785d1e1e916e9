"""One well-formed JSON object out of a stranger's bytes, or a refusal that says what is wrong.

Stricter than `json.loads`: what two readers could understand differently is refused (RFC 8259 section 4, RFC 7493).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter

from restock.errors import MalformedJsonError

DEEPEST = 32
_BOM = b"\xef\xbb\xbf"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_object(body: bytes) -> dict[str, object]:
    """Read the body; raise MalformedJsonError unless it is exactly one JSON object.

    A byte order mark is forgiven; NaN, numbers beyond a double, doubled keys, NUL, lone surrogates and nesting deeper
    than DEEPEST are not.
    """
    try:
        value = _DECODER.decode(body.removeprefix(_BOM).decode())
    except UnicodeDecodeError:
        raise MalformedJsonError("The body is not UTF-8 text.") from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        if not body.strip():
            raise MalformedJsonError(f"The body is empty. {_WANTED}") from None
        message = f"The body is not well-formed JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise MalformedJsonError(message) from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedJsonError("The body has a number that is too long.") from None
    if not isinstance(value, dict):
        raise MalformedJsonError(_WANTED)
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        _require_shallow(value)
    if b"\\u" in body:  # otherwise neither can be in it
        _require_storable(value)
    return value


_WANTED = 'The body must be one JSON object, such as {"intent": {…}, "customer": {…}}.'
_LONGEST_NAME = 60
_TOO_DEEP = f"The body is nested more than {DEEPEST} levels deep."


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counted.items() if count > 1)[:_LONGEST_NAME]
        raise MalformedJsonError(f"The body names the field {json.dumps(twice)} twice in one object.")
    return fields


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedJsonError("The body has a number that is too large.")
    return value


def _constant(_name: str) -> object:
    raise MalformedJsonError("The body has NaN or Infinity, which JSON does not know.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _require_shallow(value: object, depth: int = 1) -> None:
    if depth > DEEPEST:
        raise MalformedJsonError(_TOO_DEEP)
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            if isinstance(inner, dict | list):
                _require_shallow(inner, depth + 1)


def _require_storable(value: object) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise MalformedJsonError("The body has a text with a NUL or half a surrogate pair in it.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _require_storable(name)
            _require_storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _require_storable(inner)
