"""What is one person's, around the addresses and the customer id a request names. Pure.

Too little leaves somebody unerased; too much tells one shopper's addresses to another, or erases a stranger. So an
address that is named is the person's; a handle is, when nobody else speaks through it; and what else a handle leads to
is, when no other handle speaks for it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from restock.channels.values import ChannelName
from restock.privacy.values import Circle, Identity, Person
from restock.subscriptions.rules.emails import normalise_email
from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone

_SHORTEST_NUMBER = 6  # of digits: less is found in any text


def addresses_of(identity: Identity, country: str | None) -> tuple[tuple[ChannelName, str], ...]:
    """List the addresses an identity can mean, in the form their hashes are made of.

    `country` is the shop's own, for national phone numbers.
    """
    return tuple(dict.fromkeys([*_emails(identity.email), *_phones(identity.phone, country)]))


def _emails(typed: str | None) -> Iterator[tuple[ChannelName, str]]:
    if typed and (text := typed.strip()):
        yield ChannelName.email, (normalise_email(text) or text).lower()


def _phones(typed: str | None, country: str | None) -> Iterator[tuple[ChannelName, str]]:
    if not typed:
        return
    number = normalise_phone(typed, PhoneHints(shop_region=country))
    if not isinstance(number, PhoneFault):
        yield ChannelName.sms, number
    if country and not isinstance(number := normalise_phone(typed, PhoneHints(region=country)), PhoneFault):
        yield ChannelName.sms, number


def patterns_of(identity: Identity, country: str | None) -> tuple[str, ...]:
    """Write the regular expressions that find an identity's addresses in the text of a webhook.

    The text is in lower case, its bytes beyond ASCII written as `\\ooo`; numbers may have been typed with separators.
    """
    emails = {text for _, text in _emails(identity.email)} | {(identity.email or "").strip().lower()} - {""}
    typed = identity.phone or ""
    numbers = {_digits(text) for text in (typed, *(number for _, number in _phones(typed, country)))}
    return (
        *(rf"(?<![a-z0-9._+-]){re.escape(_escaped(text))}(?![a-z0-9-])" for text in sorted(emails)),
        *(r"[ ().-]*".join(number) + "(?![0-9])" for number in sorted(numbers) if len(number) >= _SHORTEST_NUMBER),
    )


def numbers_of(identity: Identity) -> tuple[str, ...]:
    """List the numbers that stand for a person: Shopify's of the customer and of the orders."""
    known = (identity.shopify_customer_id, *identity.order_ids)
    return tuple(str(number) for number in known if number is not None)


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _escaped(text: str) -> str:
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in text.encode())


def is_same(asked: Identity, other: Identity) -> bool:
    """Say whether two requests mean the same person: one part in common suffices."""
    by_id = asked.shopify_customer_id is not None and asked.shopify_customer_id == other.shopify_customer_id
    by_email = bool(asked.email and other.email) and set(_emails(asked.email)) & set(_emails(other.email))
    by_phone = bool(asked.phone and other.phone) and set(_phones(asked.phone, None)) & set(_phones(other.phone, None))
    return by_id or bool(by_email or by_phone) or (bool(asked.phone) and asked.phone == other.phone)


def is_about(export: Mapping[str, Any], identity: Identity, person: Person) -> bool:
    """Say whether an earlier export tells of this person: it was asked for so, or shows what is theirs."""
    asked, held = export["asked_for"], export["held"]
    if is_same(identity, Identity(asked["shopify_customer_id"], asked["email"], asked["phone"])):
        return True
    shown = {one["id"] for one in (*held.get("contacts", ()), *held.get("customers", ()))}
    return bool(shown & (person.contacts | {str(handle) for handle in person.handles}))


def find_person(circle: Circle, identity: Identity) -> Person:
    """Decide what in a circle is the person's."""
    named_channels = {circle.channels[contact] for contact in circle.named}
    contacts_of: dict[uuid.UUID, set[int]] = {handle: set() for handle in circle.handles}
    handles_of: dict[int, set[uuid.UUID]] = {contact: set() for contact in circle.channels}
    for handle, contact in circle.links:
        contacts_of[handle].add(contact)
        handles_of[contact].add(handle)
    own = {
        handle
        for handle, customer_id in circle.handles.items()
        if _is_own(customer_id, contacts_of[handle], circle, identity, named_channels)
    }
    led_to = {contact for handle in own for contact in contacts_of[handle]} - circle.named
    contacts = circle.named | {contact for contact in led_to if handles_of[contact] <= own}
    return Person(
        contacts=frozenset(contacts),
        handles=frozenset(own),
        shared_contacts=frozenset(led_to - contacts),
        shared_handles=frozenset(handle for contact in contacts for handle in handles_of[contact] if handle not in own),
    )


def _is_own(
    customer_id: int | None, contacts: set[int], circle: Circle, identity: Identity, named_channels: set[str]
) -> bool:
    """Say whether a handle is the person's alone.

    One whose customer is known is that customer's. Of the others, one that also speaks for another address of a kind
    the person named (a family's browser, a shop's terminal) is not.
    """
    if customer_id is not None and identity.shopify_customer_id is not None:
        return customer_id == identity.shopify_customer_id
    others = {circle.channels[contact] for contact in contacts - circle.named}
    return bool(contacts & circle.named) and not others & named_channels
