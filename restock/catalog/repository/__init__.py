"""Every query on the catalog, each scoped by shop.

`recording` writes what webhooks tell, by the statements of `upserts`; `readings` says what it amounts to; `keeping`
keeps readings of either source; `checks` is the queue of variants to read; `goods` and `markets` are
what the Admin API says of them beside stock.
"""

from __future__ import annotations

from restock.catalog.repository.checks import (
    claim_checks,
    finish_check,
    finish_checks,
    postpone_checks,
    release_checks,
    request_checks,
    request_each,
    request_told,
)
from restock.catalog.repository.goods import goods_wanted, record_goods
from restock.catalog.repository.keeping import Fresh, Look, bases_of, confirm_held, keep_readings
from restock.catalog.repository.markets import countries_without, keep_views, market_prices, views_wanted
from restock.catalog.repository.readings import (
    current_reading,
    product_facts,
    take_reading,
    take_reading_if_told,
    variant_facts,
)
from restock.catalog.repository.recording import (
    record_item_gone,
    record_items,
    record_levels,
    record_product_gone,
    record_products,
    record_variants,
)

__all__ = [
    "Fresh",
    "Look",
    "bases_of",
    "claim_checks",
    "confirm_held",
    "countries_without",
    "current_reading",
    "finish_check",
    "finish_checks",
    "goods_wanted",
    "keep_readings",
    "keep_views",
    "market_prices",
    "postpone_checks",
    "product_facts",
    "record_goods",
    "record_item_gone",
    "record_items",
    "record_levels",
    "record_product_gone",
    "record_products",
    "record_variants",
    "release_checks",
    "request_checks",
    "request_each",
    "request_told",
    "take_reading",
    "take_reading_if_told",
    "variant_facts",
    "views_wanted",
]
