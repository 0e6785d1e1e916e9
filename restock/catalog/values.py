"""The words of the catalog: a StockReading and the facts it is made of. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from restock.shops.values import PublicationCheck


class ReadingSource(StrEnum):
    """Where a reading comes from."""

    webhook = "webhook"  # computed from the levels and quantities the shop's webhooks told us
    admin = "admin"  # asked of Shopify's Admin API


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """What is known of one variant's stock when no Admin API can be asked.

    `levels` has the recorded available count of each stocked location of every item of the variant; empty when no
    level is known. `inventory_quantity` is what the product's webhook said, None when it said nothing.
    `status` and `published` are None when the product has not been seen.
    """

    levels: tuple[int, ...] = ()
    levels_known: bool = False
    inventory_quantity: int | None = None
    tracked: bool = True
    continues_selling: bool = False
    status: str | None = None
    published: bool | None = None
    deleted: bool = False


class StockVerdict(NamedTuple):
    """What the recorded facts amount to. `units` None means without limit; an unsellable variant has 0."""

    sellable: bool
    units: int | None


@dataclass(frozen=True, slots=True)
class AdminVerdict:
    """What Shopify's word amounts to. `lagging`: there is stock, and Shopify does not sell it (yet)."""

    sellable: bool
    units: int | None
    lagging: bool = False

    @property
    def stock(self) -> StockVerdict:
        return StockVerdict(self.sellable, self.units)


@dataclass(frozen=True, slots=True)
class ReadingBasis:
    """The merchant's choices a reading depends on. No `locations`: Shopify's own count is meant."""

    publication_check: PublicationCheck
    locations: frozenset[int] = frozenset()
    minimum_units: int = 1


@dataclass(frozen=True, slots=True)
class KeptReading:
    """What the last reading of a variant came to, and by which choices.

    `basis` None: not known. `held_from`: it is enough for a restock only since the choices were other than these.
    """

    verdict: StockVerdict
    basis: ReadingBasis | None = None
    held_from: ReadingBasis | None = None
    lagging_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StockReading:
    """Whether a variant can be bought online, and how many units of it. `units` None means without limit.

    `held`: it is enough for a restock by changed settings alone, and the merchant has not confirmed them.
    """

    shop_id: int
    variant_id: int
    sellable: bool
    units: int | None
    source: ReadingSource
    read_at: datetime
    held: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One claimed check: read this variant again, then finish with the version that was claimed.

    `told_at` is when the first webhook behind it came, None without one; `attempts` counts the claims.
    """

    shop_id: int
    variant_id: int
    version: int
    told_at: datetime | None = field(default=None, compare=False)
    attempts: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """Shopify has answered, and the readings are kept. `look_again`: seconds after which to ask about some again.

    `unknown` are the variants that Shopify does not have (any more).
    """

    look_again: Mapping[int, float] = field(default_factory=dict)
    unknown: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Later:
    """The shop's points are used up for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Away:
    """Shopify gave no answer."""


@dataclass(frozen=True, slots=True)
class NoWord:
    """The shop does not let us ask."""


Answer = Asked | Later | Away | NoWord


@dataclass(frozen=True, slots=True)
class GoodsFacts:
    """What a message may say about a variant.

    `variant_title` is None where the product has no choice to name. `price_cents` is in hundredths of the currency
    whatever its own decimals, None when not told. `handle` None: the product's page is not known.
    """

    title: str
    variant_title: str | None
    price_cents: int | None
    currency: str | None
    image_url: str | None
    handle: str | None
    product_id: int


class MarketPrice(NamedTuple):
    """What a variant costs in one market, in hundredths of its currency."""

    cents: int
    currency: str


@dataclass(frozen=True, slots=True, order=True)
class SourceTime:
    """How new a statement is: when the thing changed, and, between equals, when the news was sent."""

    updated_at: datetime
    triggered_at: datetime


@dataclass(frozen=True, slots=True)
class VariantSaid:
    """A variant as one webhook told it; None: not told, which never erases what is known."""

    variant_id: int
    product_id: int
    at: SourceTime
    title: str | None = None
    sku: str | None = None
    price_cents: int | None = None
    inventory_item_id: int | None = None
    inventory_policy: str | None = None
    tracked: bool | None = None
    inventory_quantity: int | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class ProductSaid:
    """A product as one webhook told it.

    `variants` are those listed in full (Shopify lists 100); `variant_ids` are all there are, None when not told.
    `variant_count` says how many there are where their ids are not told.
    """

    product_id: int
    at: SourceTime
    title: str
    handle: str | None = None
    vendor: str | None = None
    status: str | None = None
    published: bool | None = None
    image_url: str | None = None
    variants: tuple[VariantSaid, ...] = ()
    variant_ids: frozenset[int] | None = None
    variant_count: int | None = None


@dataclass(frozen=True, slots=True)
class ProductGone:
    """A product was deleted. Ids are never used again, so nothing brings it back."""

    product_id: int
    at: SourceTime


@dataclass(frozen=True, slots=True)
class LevelSaid:
    """How many of an item a location has; None: it does not stock the item (any more)."""

    inventory_item_id: int
    location_id: int
    available: int | None
    at: SourceTime


@dataclass(frozen=True, slots=True)
class ItemSaid:
    """Whether an item's stock is counted at all. `tracked` None: not told."""

    inventory_item_id: int
    tracked: bool | None
    at: SourceTime


@dataclass(frozen=True, slots=True)
class ItemGone:
    """An item was deleted, and what it stood for with it."""

    inventory_item_id: int
    at: SourceTime
