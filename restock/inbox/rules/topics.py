"""The bodies of webhooks as facts, topic by topic. Pure.

A body is the state when it was put together, not the change; two may arrive in either order, hence a time with each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from restock.catalog.values import (
    ItemGone,
    ItemSaid,
    LevelSaid,
    ProductGone,
    ProductSaid,
    SourceTime,
    VariantSaid,
)
from restock.inbox.rules.fields import (
    UnreadableBodyError,
    gid_number,
    level_item_id,
    optional_cents,
    optional_count,
    optional_flag,
    optional_id,
    optional_text,
    own_id,
    read_id,
    read_moment,
    read_object,
)

Body = Mapping[str, Any]
CatalogFact = ProductSaid | ProductGone | VariantSaid | LevelSaid | ItemSaid | ItemGone


def read_fact(topic: str, body: bytes, triggered_at: datetime) -> CatalogFact | None:
    """Read what a webhook says; None for a topic that says nothing to us.

    Raises UnreadableBodyError. `triggered_at` is when it was sent, or received where that is not known.
    """
    reader = READERS.get(topic) or (_read_variant if topic.startswith("variants/") else None)
    return reader(read_object(body), triggered_at) if reader else None


def _read_product(body: Body, triggered_at: datetime) -> ProductSaid:
    product_id, at = own_id(body), _time(body, triggered_at)
    listed = _objects(body, "variants")
    images = {_image_id(image, "id"): image.get("src") for image in _objects(body, "images")}
    variants = tuple(_variant(one, product_id, triggered_at, at, images) for one in listed)
    return ProductSaid(
        product_id=product_id,
        at=at,
        title=optional_text(body.get("title")) or "",
        handle=optional_text(body.get("handle")),
        vendor=optional_text(body.get("vendor")),
        status=(optional_text(body.get("status")) or "").lower() or None,
        published=body["published_at"] is not None if "published_at" in body else None,
        image_url=_product_image(body, images),
        variants=tuple({one.variant_id: one for one in variants}.values()),
        variant_ids=_all_variant_ids(body, variants),
    )


def _read_product_gone(body: Body, triggered_at: datetime) -> ProductGone:
    return ProductGone(own_id(body), _time(body, triggered_at))


def _read_variant(body: Body, triggered_at: datetime) -> VariantSaid:
    return _variant(body, read_id(body, "product_id"), triggered_at, _time(body, triggered_at), {})


def _read_level(body: Body, triggered_at: datetime) -> LevelSaid:
    available = optional_count(body, "available")
    return LevelSaid(level_item_id(body), read_id(body, "location_id"), available, _time(body, triggered_at))


def _read_disconnect(body: Body, triggered_at: datetime) -> LevelSaid:
    # This body has no time of its own. `updated_at` elsewhere is cut to whole seconds: so is this, or a level set
    # later within the same second would lose against it.
    at = SourceTime(triggered_at.replace(microsecond=0), triggered_at)
    return LevelSaid(level_item_id(body), read_id(body, "location_id"), None, at)


def _read_item(body: Body, triggered_at: datetime) -> ItemSaid:
    return ItemSaid(own_id(body), optional_flag(body, "tracked"), _time(body, triggered_at))


def _read_item_gone(body: Body, triggered_at: datetime) -> ItemGone:
    return ItemGone(own_id(body), _time(body, triggered_at))


READERS: Mapping[str, Callable[[Body, datetime], CatalogFact]] = {
    "products/create": _read_product,
    "products/update": _read_product,
    "products/delete": _read_product_gone,
    "variants/in_stock": _read_variant,
    "variants/out_of_stock": _read_variant,
    "inventory_levels/update": _read_level,
    "inventory_levels/connect": _read_level,
    "inventory_levels/disconnect": _read_disconnect,
    "inventory_items/create": _read_item,
    "inventory_items/update": _read_item,
    "inventory_items/delete": _read_item_gone,
}


def _variant(
    body: Body, product_id: int, triggered_at: datetime, otherwise: SourceTime, images: Mapping[int | None, object]
) -> VariantSaid:
    updated_at = read_moment(body.get("updated_at"))
    return VariantSaid(
        variant_id=own_id(body),
        product_id=product_id,
        at=SourceTime(updated_at, triggered_at) if updated_at else otherwise,
        title=optional_text(body.get("title")),
        sku=optional_text(body.get("sku")),
        price_cents=optional_cents(body.get("price")),
        inventory_item_id=optional_id(body, "inventory_item_id"),
        inventory_policy=optional_text(body.get("inventory_policy")),
        # Null means that nobody counts the stock; newer versions leave the key out and tell it with the item.
        tracked=body["inventory_management"] is not None if "inventory_management" in body else None,
        inventory_quantity=optional_count(body, "inventory_quantity"),
        image_url=optional_text(images.get(_image_id(body, "image_id") or 0)),
    )


def _all_variant_ids(body: Body, listed: Sequence[VariantSaid]) -> frozenset[int] | None:
    """Read which variants the product has; None where the body does not say, which deletes none."""
    gids = body.get("variant_gids")
    if not isinstance(gids, list) or not gids:
        return None
    ids = [gid_number(one.get("admin_graphql_api_id")) if isinstance(one, dict) else None for one in gids]
    known = [number for number in ids if number is not None]
    return frozenset(known) | {one.variant_id for one in listed} if len(known) == len(ids) else None


def _product_image(body: Body, images: Mapping[int | None, object]) -> str | None:
    main = body.get("image")
    source = main.get("src") if isinstance(main, dict) else next(iter(images.values()), None)
    return optional_text(source)


def _image_id(body: Body, key: str) -> int | None:
    """Read which picture it is; one that cannot be told is no reason to lose the rest of the body."""
    found = body.get(key)
    return found if type(found) is int else None


def _objects(body: Body, key: str) -> Sequence[Body]:
    found = body.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UnreadableBodyError(f"bad_{key}")
    return found


def _time(body: Body, triggered_at: datetime) -> SourceTime:
    return SourceTime(read_moment(body.get("updated_at")) or triggered_at, triggered_at)
