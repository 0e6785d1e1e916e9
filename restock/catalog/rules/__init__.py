"""What the recorded facts of a variant amount to, and where its page is. Pure.

`admin` reads Shopify's own word instead; `basis` says what a merchant's choices change.
"""

from __future__ import annotations

from urllib.parse import quote

from restock.catalog.values import StockVerdict, VariantFacts
from restock.shops.values import PublicationCheck

_NOT_FOR_SALE = frozenset({"draft", "archived"})
_NOTHING = StockVerdict(sellable=False, units=0)
_WITHOUT_LIMIT = StockVerdict(sellable=True, units=None)


def read_stock(facts: VariantFacts, publication_check: PublicationCheck) -> StockVerdict:
    """Say whether a variant can be bought online and how many units of it.

    What was never told counts in the shopper's favour (status, publication) except stock itself: no word, no stock.
    How few units are worth an alert is the notification policy's business, not this rule's.
    """
    if facts.deleted or facts.status in _NOT_FOR_SALE:
        return _NOTHING
    if publication_check is PublicationCheck.online_store and facts.published is False:
        return _NOTHING
    if facts.continues_selling or not facts.tracked:
        return _WITHOUT_LIMIT
    units = max(0, _counted_units(facts))
    return StockVerdict(sellable=units > 0, units=units)


def _counted_units(facts: VariantFacts) -> int:
    """Sum the levels as they are: a location that owes units lowers what the others have."""
    return sum(facts.levels) if facts.levels_known else facts.inventory_quantity or 0


def market_template(template: str, base_url: str | None) -> str:
    """Put a market's own storefront where a template has the shop's; one that names another host stays as it is."""
    return template.replace("https://{shop}", base_url, 1) if base_url else template


def product_url(
    template: str, shop_domain: str, handle: str | None, variant_id: int, product_id: int | None = None
) -> str:
    """Fill a shop's `product_url_template` (checked when it was set).

    Where the template needs what is not known, the link is Shopify's cart permalink, which needs the variant alone.
    """
    if ("{handle}" in template and not handle) or ("{product_id}" in template and not product_id):
        return f"https://{shop_domain}/cart/{variant_id}:1"
    return template.format(
        shop=shop_domain, handle=quote(handle or "", safe=""), variant_id=variant_id, product_id=product_id
    )
