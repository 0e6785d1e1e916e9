"""The queries behind the merchant's list of subscribers: keyset pages, never an offset. They only read.

Rows are picked by an index alone and dressed with names afterwards, so that a page costs the same whether it is the
first or the last of a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.reports.rules.lists import day_bounds, name_goods, states_of
from restock.reports.values.subscribers import Bookmark, Count, Goods, SubscriberFilter, SubscriberLine

MOST_GOODS = 500

LINE = """
    SELECT s.id, s.state, s.end_reason, s.channel, c.address, u.name, v.sku, s.quantity, s.market_id,
        coalesce(s.locale, u.locale, c.locale) AS locale, c.marketing, s.queued_at, s.notified_at, s.ended_at,
        s.expires_at, s.variant_id, coalesce(v.product_id, s.product_id) AS product_id, p.title AS product_title,
        v.title AS variant_title, coalesce(v.image_url, p.image_url) AS image_url, i.product AS said
    FROM subscriptions s
    JOIN contacts c ON c.id = s.contact_id
    LEFT JOIN customers u ON u.id = s.opener_customer_id
    LEFT JOIN variants v ON v.shop_id = s.shop_id AND v.variant_id = s.variant_id
    LEFT JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id
    LEFT JOIN LATERAL (
        SELECT product FROM intents WHERE subscription_id = s.id AND product IS NOT NULL ORDER BY created_at LIMIT 1
    ) i ON p.title IS NULL
"""

_THESE = text(f"{LINE} WHERE s.shop_id = :shop_id AND s.id = ANY(:ids)")

# The waiting and the ended of a contact have an index each.
_CONTACTS = """s.id = ANY(ARRAY(
    SELECT one.id FROM contacts c CROSS JOIN LATERAL (
        SELECT id FROM subscriptions WHERE contact_id = c.id AND state IN ('pending', 'active')
        UNION ALL
        SELECT id FROM subscriptions WHERE contact_id = c.id AND state NOT IN ('pending', 'active')
    ) one WHERE c.shop_id = :shop_id AND c.address_hash = ANY(CAST(:hashes AS bytea[]))))"""
_ROWS = "SELECT s.id, s.queued_at FROM subscriptions s WHERE {where}"
# One walk along the index for each variant, merged: a product of any number of variants costs a page of each.
_ROWS_OF_VARIANTS = """
    SELECT s.id, s.queued_at FROM unnest(CAST(:variants AS bigint[])) AS chosen (variant_id)
    CROSS JOIN LATERAL (
        SELECT s.id, s.queued_at FROM subscriptions s
        WHERE s.variant_id = chosen.variant_id AND {where} ORDER BY s.queued_at {way}, s.id {way} LIMIT :limit
    ) s"""

_VARIANTS_OF_PRODUCT = text("""
    SELECT variant_id FROM variants WHERE shop_id = :shop_id AND product_id = :product_id ORDER BY variant_id
""")

# Hops from one variant of the index to the next instead of reading it whole.
_GOODS = text("""
    WITH RECURSIVE asked AS (
        (SELECT variant_id FROM subscriptions WHERE shop_id = :shop_id ORDER BY variant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT s.variant_id FROM subscriptions s
                WHERE s.shop_id = :shop_id AND s.variant_id > asked.variant_id ORDER BY s.variant_id LIMIT 1)
        FROM asked WHERE asked.variant_id IS NOT NULL
    ), found AS (
        SELECT variant_id FROM asked WHERE variant_id IS NOT NULL LIMIT :limit
    )
    SELECT found.variant_id, coalesce(v.product_id, one.product_id) AS product_id, p.title AS product_title,
        v.title AS variant_title, coalesce(v.image_url, p.image_url) AS image_url, one.said
    FROM found
    LEFT JOIN variants v ON v.shop_id = :shop_id AND v.variant_id = found.variant_id
    LEFT JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id
    LEFT JOIN LATERAL (
        SELECT s.product_id, i.product AS said FROM subscriptions s LEFT JOIN intents i ON i.subscription_id = s.id
        WHERE s.shop_id = :shop_id AND s.variant_id = found.variant_id ORDER BY s.queued_at DESC, s.id DESC LIMIT 1
    ) one ON p.title IS NULL
    ORDER BY p.title, product_id, v.title, found.variant_id
""")


def lines(
    session: Session,
    shop_id: int,
    wanted: SubscriberFilter,
    hashes: Sequence[bytes] | None,
    *,
    bookmark: Bookmark | None,
    limit: int,
) -> list[SubscriberLine]:
    """Read up to `limit` lines from a bookmark on, in reading order: a backward bookmark gives the nearest first.

    `hashes` None: whatever the address.
    """
    where, facts = _conditions(session, shop_id, wanted, hashes)
    descending = wanted.newest_first != (bookmark is not None and bookmark.backward)
    way = "DESC" if descending else "ASC"
    if bookmark is not None:
        where += f" AND (s.queued_at, s.id) {'<' if descending else '>'} (:queued_at, :last_id)"
        facts |= {"queued_at": bookmark.queued_at, "last_id": bookmark.subscription_id}
    rows = (_ROWS_OF_VARIANTS if "variants" in facts else _ROWS).format(where=where, way=way)
    order = f"ORDER BY s.queued_at {way}, s.id {way}"
    query = text(f"{LINE} JOIN ({rows} {order} LIMIT :limit) picked ON picked.id = s.id {order}")
    return [line_of(row) for row in session.execute(query, facts | {"limit": limit})]


def lines_of(session: Session, shop_id: int, ids: Sequence[int]) -> list[SubscriberLine]:
    """Read these lines, in no order; those of other shops and of people erased are left out."""
    return [line_of(row) for row in session.execute(_THESE, {"shop_id": shop_id, "ids": list(ids)})]


def count(session: Session, shop_id: int, wanted: SubscriberFilter, hashes: Sequence[bytes] | None, most: int) -> Count:
    """Count the lines, up to `most`."""
    where, facts = _conditions(session, shop_id, wanted, hashes)
    if "variants" in facts:
        where += " AND s.variant_id = ANY(CAST(:variants AS bigint[]))"
    query = text(f"SELECT count(*) FROM (SELECT 1 FROM subscriptions s WHERE {where} LIMIT :limit) counted")  # noqa: S608
    number = int(session.execute(query, facts | {"limit": most + 1}).scalar_one())
    return Count(min(number, most), number > most)


def goods_asked_for(session: Session, shop_id: int) -> list[Goods]:
    """List the variants anybody ever asked for, at most MOST_GOODS."""
    found = session.execute(_GOODS, {"shop_id": shop_id, "limit": MOST_GOODS})
    return [goods_of(row) for row in found]


def goods_of(row: Row[Any]) -> Goods:
    """Make the goods of a row that has their columns."""
    known = Goods(row.variant_id, row.product_id or 0, row.product_title, row.variant_title, row.image_url)
    return name_goods(known, row.said)


def line_of(row: Row[Any]) -> SubscriberLine:
    """Make a line of a row of LINE."""
    return SubscriberLine(
        id=row.id,
        state=row.state,
        end_reason=row.end_reason,
        channel=ChannelName(row.channel),
        address=row.address,
        name=row.name,
        goods=goods_of(row),
        sku=row.sku,
        quantity=row.quantity,
        market_id=row.market_id,
        locale=row.locale,
        marketing=row.marketing,
        queued_at=row.queued_at,
        notified_at=row.notified_at,
        ended_at=row.ended_at,
    )


def _conditions(
    session: Session, shop_id: int, wanted: SubscriberFilter, hashes: Sequence[bytes] | None
) -> tuple[str, dict[str, Any]]:
    start, end = day_bounds(wanted.since, wanted.until)
    terms: list[tuple[str, str, Any]] = [
        ("s.channel = :channel", "channel", wanted.channel),
        ("s.state = ANY(:states)", "states", states_of(wanted.status) if wanted.status else None),
        ("s.queued_at >= :start", "start", start),
        ("s.queued_at < :end", "end", end),
        (_CONTACTS, "hashes", None if hashes is None else list(hashes)),
    ]
    chosen = [(condition, name, value) for condition, name, value in terms if value is not None]
    # A row without a contact is a figure: the person was erased.
    where = " AND ".join(
        ["s.shop_id = :shop_id AND s.contact_id IS NOT NULL", *(condition for condition, _, _ in chosen)]
    )
    facts: dict[str, Any] = {"shop_id": shop_id} | {name: value for _, name, value in chosen}
    if (variants := _variants(session, shop_id, wanted)) is not None:
        facts["variants"] = variants
    return where, facts


def _variants(session: Session, shop_id: int, wanted: SubscriberFilter) -> list[int] | None:
    if wanted.variant_id is not None:
        return [wanted.variant_id]
    if wanted.product_id is None:
        return None
    facts = {"shop_id": shop_id, "product_id": wanted.product_id}
    return list(session.execute(_VARIANTS_OF_PRODUCT, facts).scalars())
