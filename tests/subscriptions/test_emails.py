"""What people type as an e-mail address, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from restock.subscriptions.rules.emails import judge_email, normalise_email


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  ada@example.com\n", "ada@example.com"),
        ("Ada.Love+shoes@Example.COM", "Ada.Love+shoes@example.com"),
        ("ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_is_kept_as_it_goes_onto_the_wire(typed: str, expected: str) -> None:
    assert normalise_email(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "", "ada", "ada@", "@example.com", "ada@localhost", "ada@example", "ada@shop.test", "ada@[127.0.0.1]",
        "Ada <ada@example.com>", '"ada"@example.com', "ada@example.com, bob@example.com",
        "ada@example.com\r\nBcc: b@c.de", "a" * 65 + "@example.com", "ada@" + "a" * 64 + ".com", ".ada@example.com",
        "ada..b@example.com", "адa@example.com", "ada@-example.com", "ada@exa_mple.com", "ada@example.123",
        "x" * 300 + "@example.com", "ada@foo.local",
    ],
)  # fmt: skip
def test_what_is_no_deliverable_address_is_refused(typed: str) -> None:
    assert normalise_email(typed) is None


_WORD = st.text("abcxyzABZ019_+-.", min_size=1, max_size=70)
_DOMAIN = st.lists(st.text("abcxyzAZ019-", min_size=1, max_size=66), min_size=1, max_size=4).map(".".join)
_TAIL = st.sampled_from(["com", "co.uk", "test", "local", "invalid", "arpa", "x", "c0m", "123", "onion", "xn--p1ai"])


@given(_WORD, _DOMAIN, _TAIL)
@example("a", "xn--a", "com")
@example("a", "ab--cd", "com")
@example("a", "home", "arpa")
@example("a" * 65, "a", "com")
def test_the_short_way_gives_the_librarys_verdict(local: str, domain: str, tail: str) -> None:
    text = f"{local}@{domain}.{tail}"
    assert normalise_email(text) == judge_email(text)


@given(st.from_regex(r"[a-z0-9+_.-]{1,20}@([a-z0-9-]{1,12}\.){1,3}[a-z]{2,10}", fullmatch=True))
def test_ordinary_addresses_are_judged_alike_both_ways(text: str) -> None:
    assert normalise_email(text) == judge_email(text)
