"""The words in which the registry decides about a table: whose it is, how it is found, how it is erased. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Found(StrEnum):
    """How the rows of one person are found in a table."""

    address = "address"  # by the hash of an address
    handle = "handle"  # by the Shopify customer id, or as the only speaker for the person's contacts
    contact = "contact"  # by the contacts found
    subscription = "subscription"  # by the subscriptions of these contacts
    body = "body"  # by the text of the webhook
    request = "request"  # by the request itself


class Erased(StrEnum):
    """How a personal column is erased."""

    row = "row"  # the row is deleted
    null = "null"  # NULL; the row stays, and counts
    blank = "blank"  # overwritten with what says nothing
    kept_hash = "kept_hash"  # stays, as a hash: a no that must outlive the person
    keyed_hash = "keyed_hash"  # was never more than a hash under this instance's key: the tombstone
    sealed_then_null = "sealed_then_null"  # encrypted while it is needed, then NULL


class Paging(StrEnum):
    """By what a shop's rows are walked through when the shop is erased."""

    bigint = "bigint"  # a numeric id, in windows over the whole table
    uuid = "uuid"  # a random id, likewise
    shop_first = "shop_first"  # the primary key begins with the shop
    domain = "domain"  # the table knows the shop by its domain
    once = "once"  # one row, the last


@dataclass(frozen=True, slots=True)
class TableRule:
    """One table. Each column is in exactly one of `personal`, `merchant` (of the shop's owner) and `plain` (of nobody).

    `exported` columns are told on a data request; they need not be personal. `found` None: no row is a person's.
    """

    paging: Paging
    plain: frozenset[str]
    personal: Mapping[str, Erased] = field(default_factory=dict)
    merchant: frozenset[str] = frozenset()
    found: Found | None = None  # how rows that are a person's are found
    exported: tuple[str, ...] = ()
