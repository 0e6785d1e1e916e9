"""The words of privacy. Standard library only; what names a person is never part of a repr."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class RequestKind(StrEnum):
    """What Shopify passes on."""

    data_request = "data_request"  # tell the merchant what is held about a person
    customer_redact = "customer_redact"  # erase a person
    shop_redact = "shop_redact"  # erase everything of a shop that left


class RequestState(StrEnum):
    """What became of a request."""

    received = "received"  # waits for its turn, or is being worked on
    done = "done"
    refused = "refused"  # the shop has the app again
    failed = "failed"  # cannot be done; `reason` says why


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is meant, as Shopify names a person. Each part alone suffices; None: not told.

    `contact_id`: whoever followed a link that was sent to this contact, and asks for themselves.
    """

    shopify_customer_id: int | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    order_ids: tuple[int, ...] = field(default=(), repr=False)
    contact_id: int | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request as it came. `identity` None: it is about a whole shop."""

    shop_domain: str
    kind: RequestKind
    identity: Identity | None = None
    shopify_request_id: int | None = None


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A claimed request; `progress` is how far an earlier attempt came."""

    id: int
    shop_domain: str
    kind: RequestKind
    attempts: int
    identity_sealed: bytes | None = field(default=None, repr=False)
    progress: str | None = None


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request as the merchant sees it. `row_count`: rows found or erased; `export_until` None: no export to fetch."""

    id: int
    kind: RequestKind
    state: RequestState
    reason: str | None
    shopify_request_id: int | None
    row_count: int
    received_at: datetime
    finished_at: datetime | None
    export_until: datetime | None


@dataclass(frozen=True, slots=True)
class Circle:
    """Who shares what around the addresses and the customer id a request names.

    `named`: contacts whose address is named. `channels`: the channel of every contact. `handles`: for every handle the
    Shopify customer it is said to belong to, None where nobody said. `links`: (handle, contact) with an intent between.
    """

    named: frozenset[int]
    channels: Mapping[int, str]
    handles: Mapping[uuid.UUID, int | None]
    links: frozenset[tuple[uuid.UUID, int]]


@dataclass(frozen=True, slots=True)
class Person:
    """What is one person's: to be told or erased.

    `shared_handles` also speak for the person's contacts, and `shared_contacts` are also spoken for by the person's
    handles, but both belong to others as well: of those, only what the person said goes.
    """

    contacts: frozenset[int] = frozenset()
    handles: frozenset[uuid.UUID] = frozenset()
    shared_contacts: frozenset[int] = frozenset()
    shared_handles: frozenset[uuid.UUID] = frozenset()

    @property
    def is_nobody(self) -> bool:
        return not (self.contacts or self.handles)


@dataclass(frozen=True, slots=True)
class Belongings:
    """A person with what hangs on them: every subscription of the contacts, the hashes of every address, the orders."""

    person: Person
    subscription_ids: tuple[int, ...] = ()
    hashes: tuple[bytes, ...] = field(default=(), repr=False)
    order_ids: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Export:
    """Everything held on a person, as the merchant downloads it."""

    request_id: int
    json: str = field(repr=False)
    html: str = field(repr=False)
