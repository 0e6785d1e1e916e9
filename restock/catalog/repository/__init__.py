"""Every query on the catalog, each scoped by shop.

`recording` writes what webhooks tell, by the statements of `upserts`; `readings` says what it amounts to; `checks` is
the queue of variants to read.
"""

from __future__ import annotations

from restock.catalog.repository.checks import claim_checks, finish_check, request_checks
from restock.catalog.repository.readings import current_reading, product_facts, take_reading, variant_facts
from restock.catalog.repository.recording import (
    record_item_gone,
    record_items,
    record_levels,
    record_product_gone,
    record_products,
    record_variants,
)

__all__ = [
    "claim_checks",
    "current_reading",
    "finish_check",
    "product_facts",
    "record_item_gone",
    "record_items",
    "record_levels",
    "record_product_gone",
    "record_products",
    "record_variants",
    "request_checks",
    "take_reading",
    "variant_facts",
]
