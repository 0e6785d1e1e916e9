"""Which bytes are one well-formed JSON object: a field named twice is found wherever it hides."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.errors import MalformedJsonError
from restock.web.storefront.strict_json import read_object
from tests.spent import at_most

Pairs = list[tuple[str, object]]

_NAMES = st.sampled_from(["a", "b", "a:", ":", '":', "ä"])
_PLAIN = st.one_of(
    st.integers(-9, 9), st.booleans(), st.none(), st.sampled_from(["", ":", '"a":1', "https://a.example"])
)
_OBJECTS = st.recursive(
    st.lists(st.tuples(_NAMES, _PLAIN), max_size=3),
    lambda inner: st.lists(
        st.tuples(_NAMES, st.one_of(_PLAIN, inner, st.lists(inner, max_size=2).map(tuple))), max_size=4
    ),
    max_leaves=6,
)


def write(pairs: Pairs, gap: str) -> str:
    return "{" + ",".join(f"{json.dumps(name)}{gap}:{gap}{_written(value, gap)}" for name, value in pairs) + "}"


def _written(value: object, gap: str) -> str:
    if isinstance(value, list):
        return write(value, gap)
    return f"[{','.join(_written(one, gap) for one in value)}]" if isinstance(value, tuple) else json.dumps(value)


def names_twice(pairs: object) -> bool:
    if isinstance(pairs, tuple):
        return any(map(names_twice, pairs))
    if not isinstance(pairs, list):
        return False
    return len({name for name, _ in pairs}) < len(pairs) or any(names_twice(value) for _, value in pairs)


@given(_OBJECTS, st.sampled_from(["", " ", "\n\t"]))
def test_a_body_is_read_unless_an_object_in_it_names_a_field_twice(pairs: Pairs, gap: str) -> None:
    text = write(pairs, gap)
    if names_twice(pairs):
        with pytest.raises(MalformedJsonError, match="twice"):
            read_object(text.encode())
    else:
        assert read_object(text.encode()) == json.loads(text)


def test_the_doubled_field_is_named_soon_however_many_stand_before_it() -> None:
    """Nobody may hold up the others' posts by a body that takes seconds to refuse."""
    fields = [f'"{number:x}":1' for number in range(8_000)]
    with at_most(0.5), pytest.raises(MalformedJsonError, match='"1f3f" twice'):
        read_object(f"{{{','.join([*fields, fields[-1]])}}}".encode())
