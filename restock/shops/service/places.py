"""A shop's locations by their names, for whoever chooses among them. It only asks; nothing is kept but for a minute.

Without the permission, without access, or while Shopify does not answer there are none: numbers do as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog

from restock.shopify.errors import AdminError, AdminForbiddenError, NoAccessError
from restock.shopify.values import Access, Location
from restock.shops.values import Shop, ShopAccess

log = structlog.get_logger(__name__)

REMEMBERED_SECONDS = 60.0
_MOST_SHOPS = 1_000
_SCOPES = frozenset({"read_locations", "write_locations"})

T = TypeVar("T")


class Tokens(Protocol):
    """Put a question to a shop with a token that is good now. Raises NoAccessError and any AdminError."""

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T: ...


class NamedLocations(Protocol):
    """Ask for every location of a shop."""

    def locations(self, access: Access) -> Sequence[Location]: ...


class Unnamed(StrEnum):
    """Why locations have no names."""

    not_allowed = "not_allowed"  # the shop has not granted the permission
    no_answer = "no_answer"  # Shopify did not say


@dataclass(frozen=True)
class Places:
    """Name a shop's locations. Safe across threads; call it with no transaction open."""

    tokens: Tokens
    admin: NamedLocations
    ticks: Callable[[], float] = time.monotonic
    _known: dict[int, tuple[float, Sequence[Location] | Unnamed]] = field(default_factory=dict)

    def of(self, shop: Shop) -> Sequence[Location] | Unnamed:
        """List a shop's locations, those in use first, by name; or say why nobody can."""
        if shop.access is not ShopAccess.granted or _SCOPES.isdisjoint(shop.scopes):
            return Unnamed.not_allowed
        until, found = self._known.get(shop.id, (0.0, Unnamed.no_answer))
        if self.ticks() < until:
            return found
        found = self._ask(shop.id)
        if len(self._known) >= _MOST_SHOPS:
            self._known.clear()
        self._known[shop.id] = (self.ticks() + REMEMBERED_SECONDS, found)
        return found

    def _ask(self, shop_id: int) -> Sequence[Location] | Unnamed:
        try:
            found = self.tokens.ask(shop_id, self.admin.locations)
        except (AdminForbiddenError, NoAccessError):
            return Unnamed.not_allowed
        except AdminError as error:
            log.info("locations_not_named", shop_id=shop_id, kind=type(error).__name__)
            return Unnamed.no_answer
        return sorted(found, key=lambda one: (not one.is_active, one.name.casefold(), one.location_id))
