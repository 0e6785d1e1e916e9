"""Locations by name: asked for once a minute at most, and never a reason for a page not to open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from restock.shopify.errors import AdminForbiddenError, AdminThrottledError, AdminUnavailableError, NoAccessError
from restock.shopify.values import Access, Location
from restock.shops.service.places import REMEMBERED_SECONDS, Places, Unnamed
from restock.shops.values import Shop, ShopAccess, ShopSettings, ShopState

T = TypeVar("T")
SHOP = replace(
    Shop(1, "kettle.myshopify.com", ShopState.installed, "Kettle", "en", None, ShopSettings()),
    access=ShopAccess.granted,
    scopes=frozenset({"read_products", "read_locations"}),
)
CLOSED, OPEN, ALSO = (
    Location(1, "Attic", False, True),
    Location(2, "pier", True, True),
    Location(3, "Harbour", True, True),
)


@dataclass
class Shopify:
    """Answers with three locations, or with what it is told to raise."""

    refusal: Exception | None = None
    asked: list[int] = field(default_factory=list)

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        self.asked.append(shop_id)
        return question(Access("kettle.myshopify.com", "token"))

    def locations(self, access: Access) -> Sequence[Location]:
        if self.refusal is not None:
            raise self.refusal
        return [CLOSED, OPEN, ALSO]


def test_those_in_use_come_first_by_name_and_are_asked_for_once_a_minute() -> None:
    shopify, now = Shopify(), [100.0]
    places = Places(shopify, shopify, ticks=lambda: now[0])
    assert places.of(SHOP) == [ALSO, OPEN, CLOSED]
    assert places.of(SHOP) == [ALSO, OPEN, CLOSED]
    assert shopify.asked == [1]
    now[0] += REMEMBERED_SECONDS
    places.of(SHOP)
    assert shopify.asked == [1, 1]


@pytest.mark.parametrize(
    "shop", [replace(SHOP, scopes=frozenset({"read_products"})), replace(SHOP, access=ShopAccess.needs_reauth)]
)
def test_without_the_permission_or_access_nobody_is_asked(shop: Shop) -> None:
    shopify = Shopify()
    assert Places(shopify, shopify).of(shop) is Unnamed.not_allowed
    assert shopify.asked == []


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (AdminForbiddenError("no"), Unnamed.not_allowed),
        (NoAccessError("no"), Unnamed.not_allowed),
        (AdminUnavailableError("away"), Unnamed.no_answer),
        (AdminThrottledError(3.0), Unnamed.no_answer),
    ],
)
def test_a_shop_that_does_not_answer_is_not_asked_again_at_once(refusal: Exception, why: Unnamed) -> None:
    shopify = Shopify(refusal)
    places = Places(shopify, shopify)
    assert (places.of(SHOP), places.of(SHOP)) == (why, why)
    assert shopify.asked == [1]
