"""The playground's goods on a fake shop's shelves."""

from __future__ import annotations

from restock.playground import store
from restock.playground.shopify.state import Item, Location, Product, Shop, Variant

SHOP_ID = 71_200_001
SCOPES = frozenset(
    {
        *("read_products", "read_inventory", "read_locations", "read_publications", "write_app_proxy"),
        *("read_customers", "write_customers", "read_orders"),
    }
)


def playground_shop() -> Shop:
    """Open the playground's shop: everything granted, and orders told of without a subscription."""
    shop = Shop(
        id=SHOP_ID,
        domain=store.SHOP_DOMAIN,
        name=store.SHOP_NAME,
        currency=store.CURRENCY,
        scopes=SCOPES,
        sends_orders=True,
    )
    return add_goods(shop)


def add_goods(shop: Shop) -> Shop:
    """Put the store's products, locations and first stock into a shop."""
    shop.locations |= {place.id: Location(place.id, place.name) for place in store.LOCATIONS}
    for product in store.PRODUCTS:
        shop.products[product.id] = Product(
            id=product.id,
            title=product.title,
            handle=product.handle,
            vendor=shop.name,
            text=product.line,
            option=product.option,
            picture=f"/playground/assets/{product.picture}.svg",
        )
        for variant in product.variants:
            item_id = variant.inventory_item_id
            levels: dict[int, int | None] = {
                place.id: n for place, n in zip(store.LOCATIONS, variant.stock, strict=True)
            }
            shop.items[item_id] = Item(item_id, variant.sku, levels=levels)
            shop.variants[variant.id] = Variant(variant.id, product.id, item_id, variant.title, product.price_cents)
    return shop
