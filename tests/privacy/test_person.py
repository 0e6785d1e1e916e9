"""What is one person's: enough to leave nothing behind, and never a stranger's."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.values import ChannelName
from restock.privacy.rules.person import addresses_of, find_person, is_same, patterns_of
from restock.privacy.values import Circle, Identity, Person

A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))
MAIL, OTHER_MAIL, PHONE, BROWSER = 10, 11, 20, 30
CHANNELS = {MAIL: "email", OTHER_MAIL: "email", PHONE: "sms", BROWSER: "push"}
ASKED = Identity(shopify_customer_id=7, email="ada@example.com")


def circle(
    *links: tuple[uuid.UUID, int], named: set[int] | None = None, handles: dict[uuid.UUID, int] | None = None
) -> Circle:
    seen = {handle for handle, _ in links} | set(handles or {})
    contacts = {contact for _, contact in links} | (named or set())
    known = {handle: (handles or {}).get(handle) for handle in seen}
    return Circle(frozenset(named or ()), {c: CHANNELS[c] for c in contacts}, known, frozenset(links))


CASES = {
    "nobody": (circle(), Person()),
    "an address nobody speaks for": (circle(named={MAIL}), Person(contacts=frozenset({MAIL}))),
    "an address and its one handle": (
        circle((A, MAIL), named={MAIL}),
        Person(contacts=frozenset({MAIL}), handles=frozenset({A})),
    ),
    "the handle leads to a phone and a browser": (
        circle((A, MAIL), (A, PHONE), (A, BROWSER), named={MAIL}),
        Person(contacts=frozenset({MAIL, PHONE, BROWSER}), handles=frozenset({A})),
    ),
    "found by the customer id alone": (
        circle((A, PHONE), handles={A: 7}),
        Person(contacts=frozenset({PHONE}), handles=frozenset({A})),
    ),
    "a shop's terminal speaks for another address of the kind named": (
        circle((A, MAIL), (A, OTHER_MAIL), named={MAIL}),
        Person(contacts=frozenset({MAIL}), shared_handles=frozenset({A})),
    ),
    "a browser that is another customer's": (
        circle((A, MAIL), (A, BROWSER), named={MAIL}, handles={A: 8}),
        Person(contacts=frozenset({MAIL}), shared_handles=frozenset({A})),
    ),
    "a phone that somebody else's handle speaks for as well": (
        circle((A, MAIL), (A, PHONE), (B, PHONE), (B, OTHER_MAIL), named={MAIL}),
        Person(contacts=frozenset({MAIL}), handles=frozenset({A}), shared_contacts=frozenset({PHONE})),
    ),
    "two handles of the same person share a phone": (
        circle((A, MAIL), (A, PHONE), (B, MAIL), (B, PHONE), named={MAIL}),
        Person(contacts=frozenset({MAIL, PHONE}), handles=frozenset({A, B})),
    ),
    "a stranger who posts a person's customer id with an address of somebody else": (
        circle((A, MAIL), (C, OTHER_MAIL), (B, OTHER_MAIL), named={MAIL}, handles={C: 7}),
        Person(
            contacts=frozenset({MAIL}), handles=frozenset({A, C}), shared_contacts=frozenset({OTHER_MAIL})
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_the_persons(case: str) -> None:
    facts, expected = CASES[case]
    assert find_person(facts, ASKED) == expected


handles = st.sampled_from([A, B, C])
contacts = st.sampled_from(sorted(CHANNELS))


@given(
    links=st.frozensets(st.tuples(handles, contacts)),
    named=st.frozensets(contacts),
    customers=st.dictionaries(handles, st.sampled_from([7, 8])),
)
def test_nobody_else_loses_or_shows_an_address(
    links: frozenset[tuple[uuid.UUID, int]], named: frozenset[int], customers: dict[uuid.UUID, int]
) -> None:
    """Every named address goes; another only when all who speak for it are the person's; nothing is both kinds."""
    facts = circle(*links, named=set(named), handles=customers)
    person = find_person(facts, ASKED)
    assert named <= person.contacts
    for contact in person.contacts - named:
        assert {handle for handle, spoken in links if spoken == contact} <= person.handles
    assert all(customers.get(handle) != 8 for handle in person.handles)
    assert not person.contacts & person.shared_contacts
    assert not person.handles & person.shared_handles
    assert {handle for handle, spoken in links if spoken in person.contacts} <= person.handles | person.shared_handles


@pytest.mark.parametrize(
    ("identity", "country", "expected"),
    [
        (Identity(email=" Ada@Example.COM "), None, [(ChannelName.email, "ada@example.com")]),
        (Identity(email="no address"), None, [(ChannelName.email, "no address")]),
        (Identity(phone="+91 81236 76393"), None, [(ChannelName.sms, "+918123676393")]),
        (Identity(phone="08123676393"), "IN", [(ChannelName.sms, "+918123676393")]),
        (Identity(shopify_customer_id=7), "IN", []),
    ],
)
def test_the_addresses_an_identity_can_mean(
    identity: Identity, country: str | None, expected: list[tuple[ChannelName, str]]
) -> None:
    assert list(addresses_of(identity, country)) == expected


@pytest.mark.parametrize(
    ("identity", "said", "named"),
    [
        (Identity(email="A.b+c@Example.com"), "to a.b+c@example.com, at once", True),
        (Identity(email="a.b+c@example.com"), "to axb+c@example.com", False),
        (Identity(email="ä@example.com"), r"to \303\244@example.com", True),
        (Identity(phone="555-625-1199"), "(555) 625 11 99", True),
        (Identity(phone="555-625-1199"), "(555) 625 11 990", False),
        (Identity(phone="12"), "12", False),
    ],
)
def test_an_address_is_found_in_a_text_however_it_is_written(identity: Identity, said: str, named: bool) -> None:
    assert any(re.search(pattern, said) for pattern in patterns_of(identity, None)) is named


@pytest.mark.parametrize(
    ("asked", "other", "same"),
    [
        (Identity(7), Identity(7), True),
        (Identity(7, "a@example.com"), Identity(8, "A@example.com"), True),
        (Identity(phone="+918123676393"), Identity(phone="+91 8123676393"), True),
        (Identity(7, "a@example.com", "+918123676393"), Identity(8, "b@example.com", "+918123676394"), False),
        (Identity(), Identity(), False),
    ],
)
def test_two_requests_mean_the_same_person(asked: Identity, other: Identity, same: bool) -> None:
    assert is_same(asked, other) is same


def test_an_identity_is_not_printed() -> None:
    assert repr(Identity(7, "ada@example.com", "+918123676393", (5,))) == "Identity()"
