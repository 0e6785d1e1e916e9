"""The demo store: its products, its two locations, and its settings. Pure.

The numbers are made up, in the form and size of Shopify's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SHOP_DOMAIN = "playground.myshopify.com"
SHOP_NAME = "Harbour & Pine"
CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Location:
    """A place that holds stock."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class StoreVariant:
    """One size or colour; `stock` is what each location starts with, in the order of LOCATIONS."""

    id: int
    title: str
    sku: str
    stock: tuple[int, int]

    @property
    def inventory_item_id(self) -> int:
        return self.id + 7_000_000_000


@dataclass(frozen=True, slots=True)
class StoreProduct:
    """One product. `picture` names an SVG of the page's own."""

    id: int
    handle: str
    title: str
    line: str
    price_cents: int
    option: str
    picture: str
    variants: tuple[StoreVariant, ...]


LOCATIONS = (Location(81_230_001, "Harbour shop"), Location(81_230_002, "Pine Street store"))

PRODUCTS = (
    StoreProduct(
        8_412_300_010,
        "lookout-beanie",
        "Lookout Beanie",
        "Ribbed lambswool, knitted slowly.",
        3400,
        "Size",
        "beanie",
        (
            StoreVariant(45_120_000_101, "Small", "BEA-S", (0, 0)),
            StoreVariant(45_120_000_102, "Medium", "BEA-M", (0, 0)),
            StoreVariant(45_120_000_103, "Large", "BEA-L", (4, 2)),
        ),
    ),
    StoreProduct(
        8_412_300_020,
        "cove-mug",
        "Cove Enamel Mug",
        "For tea on the jetty.",
        1800,
        "Colour",
        "mug",
        (
            StoreVariant(45_120_000_201, "Cream", "MUG-CR", (6, 3)),
            StoreVariant(45_120_000_202, "Pine", "MUG-PI", (0, 0)),
        ),
    ),
    StoreProduct(
        8_412_300_030,
        "ferry-tote",
        "Ferry Tote",
        "Heavy canvas, one good strap.",
        4200,
        "Colour",
        "tote",
        (
            StoreVariant(45_120_000_301, "Natural", "TOT-NA", (0, 0)),
            StoreVariant(45_120_000_302, "Rust", "TOT-RU", (2, 1)),
        ),
    ),
    StoreProduct(
        8_412_300_040,
        "tideline-boots",
        "Tideline Boots",
        "Dry feet, any weather.",
        12900,
        "Size",
        "boots",
        (
            StoreVariant(45_120_000_401, "38", "BOO-38", (1, 0)),
            StoreVariant(45_120_000_402, "40", "BOO-40", (0, 0)),
            StoreVariant(45_120_000_403, "42", "BOO-42", (0, 0)),
            StoreVariant(45_120_000_404, "44", "BOO-44", (3, 2)),
        ),
    ),
)

VARIANTS: Mapping[int, tuple[StoreProduct, StoreVariant]] = {
    variant.id: (product, variant) for product in PRODUCTS for variant in product.variants
}


def settings_of_the_shop(base_url: str) -> dict[str, str]:
    """Name the shop's settings that differ from the defaults: its name, and links that lead back to this page."""
    return {
        "name": SHOP_NAME,
        "currency": CURRENCY,
        "policy": "strict",  # a unit, a person: the counting shows
        "send_hours.sms": "any",  # nobody sleeps here
        "sms.countries": "any",  # nor does a text message cost anything
        "product_url_template": f"{base_url}/playground?variant={{variant_id}}",
    }
