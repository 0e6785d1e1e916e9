"""The bodies of webhooks, in the shapes of Shopify's own samples. Pure.

https://shopify.dev/docs/api/webhooks: REST shapes, ids as numbers beside the GraphQL id.
"""

from __future__ import annotations

from datetime import datetime

from restock.playground.shopify.state import Item, Order, Product, Shop, Variant

Body = dict[str, object]


def product_body(shop: Shop, product: Product) -> Body:
    """Write products/create and products/update."""
    moment = product.updated_at.isoformat()
    variants = shop.variants_of(product.id)
    image = _image(shop, product)
    return {
        "id": product.id,
        "admin_graphql_api_id": f"gid://shopify/Product/{product.id}",
        "title": product.title,
        "handle": product.handle,
        "body_html": product.text,
        "vendor": product.vendor,
        "status": product.status,
        "published_at": moment if product.is_published else None,
        "published_scope": "web",
        "updated_at": moment,
        "options": [{"name": product.option, "values": [variant.title for variant in variants]}],
        "image": image,
        "images": [image] if image else [],
        "variants": [variant_body(shop, variant) for variant in variants[:100]],
        "variant_gids": [{"admin_graphql_api_id": _variant_gid(v), "updated_at": moment} for v in variants],
    }


def variant_body(shop: Shop, variant: Variant) -> Body:
    """Write variants/in_stock and variants/out_of_stock, and one variant of a product."""
    item = shop.item_of(variant)
    quantity = shop.inventory_quantity(variant)
    return {
        "id": variant.id,
        "admin_graphql_api_id": _variant_gid(variant),
        "product_id": variant.product_id,
        "title": variant.title,
        "option1": variant.title,
        "sku": item.sku or None,
        "price": money(variant.price_cents),
        "inventory_item_id": item.id,
        "inventory_management": "shopify" if item.tracked else None,
        "inventory_policy": variant.policy,
        "inventory_quantity": quantity,
        "old_inventory_quantity": quantity,
        "updated_at": variant.updated_at.isoformat(),
    }


def deleted_product_body(product_id: int) -> Body:
    """Write products/delete."""
    return {"id": product_id}


def item_body(item: Item, now: datetime) -> Body:
    """Write inventory_items/update."""
    return {
        "id": item.id,
        "admin_graphql_api_id": f"gid://shopify/InventoryItem/{item.id}",
        "sku": item.sku,
        "tracked": item.tracked,
        "cost": None,
        "updated_at": now.isoformat(),
    }


def level_body(item: Item, location_id: int, now: datetime) -> Body:
    """Write inventory_levels/update and inventory_levels/connect."""
    return {
        "inventory_item_id": item.id,
        "location_id": location_id,
        "available": item.levels.get(location_id),
        "updated_at": now.isoformat(),
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{location_id}?inventory_item_id={item.id}",
    }


def disconnected_body(item: Item, location_id: int) -> Body:
    """Write inventory_levels/disconnect."""
    return {"inventory_item_id": item.id, "location_id": location_id}


def order_body(shop: Shop, order: Order, *, paid: bool) -> Body:
    """Write orders/create and orders/paid; addresses only where the order has them."""
    moment = order.ordered_at.isoformat()
    variant = shop.variant(order.variant_id)
    total = money(variant.price_cents * order.quantity)
    customer = {"id": order.customer_id, "email": order.email, "phone": order.phone}
    return {
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "name": f"#{order.number}",
        "order_number": order.number,
        "created_at": moment,
        "updated_at": moment,
        "processed_at": moment,
        "cancelled_at": None,
        "test": False,
        "currency": shop.currency,
        "presentment_currency": shop.currency,
        "financial_status": "paid" if paid else "pending",
        "source_name": "web",
        "email": order.email or "",
        "contact_email": order.email,
        "phone": order.phone,
        "customer": customer if order.customer_id else None,
        "total_price": total,
        "total_discounts": "0.00",
        "note_attributes": [],
        "landing_site": None,
        "line_items": [_line(shop, order, variant)],
        "shipping_address": {"phone": order.phone} if order.phone else None,
        "billing_address": None,
    }


def shop_body(shop: Shop) -> Body:
    """Write shop/update and app/uninstalled."""
    return {
        "id": shop.id,
        "name": shop.name,
        "domain": None,
        "myshopify_domain": shop.domain,
        "country": shop.country,
        "country_code": shop.country,
        "currency": shop.currency,
        "iana_timezone": shop.time_zone,
        "primary_locale": "en",
        "plan_name": "basic",
    }


def scopes_body(shop: Shop, before: frozenset[str], now: datetime) -> Body:
    """Write app/scopes_update."""
    return {
        "id": shop.id,
        "shop_id": f"gid://shopify/Shop/{shop.id}",
        "previous": sorted(before),
        "current": sorted(shop.scopes),
        "updated_at": now.isoformat(),
    }


def compliance_body(shop: Shop, topic: str, email: str | None, phone: str | None, request_id: int) -> Body:
    """Write customers/data_request, customers/redact and shop/redact."""
    whose: Body = {"shop_id": shop.id, "shop_domain": shop.domain}
    if topic == "shop/redact":
        return whose
    customer = shop.customer_with(email, phone)
    whose["customer"] = {"id": customer.id if customer else request_id, "email": email, "phone": phone}
    if topic == "customers/redact":
        return whose | {"orders_to_redact": []}
    return whose | {"orders_requested": [], "data_request": {"id": request_id}}


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _line(shop: Shop, order: Order, variant: Variant) -> Body:
    product = shop.product(variant.product_id)
    return {
        "id": order.line_id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{order.line_id}",
        "variant_id": variant.id,
        "product_id": variant.product_id,
        "title": product.title,
        "variant_title": variant.title,
        "sku": shop.item_of(variant).sku,
        "quantity": order.quantity,
        "current_quantity": order.quantity,
        "price": money(variant.price_cents),
        "total_discount": "0.00",
        "discount_allocations": [],
        "properties": [],
    }


def _image(shop: Shop, product: Product) -> Body | None:
    if product.picture is None:
        return None
    return {"id": product.id + 1, "src": f"{shop.url}{product.picture}", "alt": product.title}


def _variant_gid(variant: Variant) -> str:
    return f"gid://shopify/ProductVariant/{variant.id}"
