"""The words of the catalog: a StockReading and the facts it is made of. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class StockReading:
    """Whether a variant can be bought online, and how many units of it. `units` None means without limit."""

    shop_id: int
    variant_id: int
    sellable: bool
    units: int | None
    source: ReadingSource
    read_at: datetime
