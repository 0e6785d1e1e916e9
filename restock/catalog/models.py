"""The tables of the catalog. Shopify's ids are 64 bits wide, hence BigInteger everywhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class ProductRow(Base):
    """One product as its webhooks told it; the newest (`source_updated_at`, `source_triggered_at`) wins."""

    __tablename__ = "products"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(Text)
    handle: Mapped[str | None] = mapped_column(Text)
    vendor: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)  # active, draft, archived, unlisted; None: not told
    published: Mapped[bool | None] = mapped_column(Boolean)  # on the online store; None: not told
    image_url: Mapped[str | None] = mapped_column(Text)
    variant_count: Mapped[int] = mapped_column(Integer, server_default="1")
    source_updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source_triggered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class VariantRow(Base):
    """One variant. Several variants may share one inventory item (bundles), so the item is no key."""

    __tablename__ = "variants"
    __table_args__ = (
        Index(
            "ix_variants_item", "shop_id", "inventory_item_id", postgresql_where=text("inventory_item_id IS NOT NULL")
        ),
        Index("ix_variants_product", "shop_id", "product_id"),
    )

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str | None] = mapped_column(Text)
    sku: Mapped[str | None] = mapped_column(Text)
    price_cents: Mapped[int | None] = mapped_column(BigInteger)
    inventory_item_id: Mapped[int | None] = mapped_column(BigInteger)
    inventory_policy: Mapped[str | None] = mapped_column(Text)  # deny, continue
    tracked: Mapped[bool | None] = mapped_column(Boolean)  # as the product told it; the item's own word goes first
    inventory_quantity: Mapped[int | None] = mapped_column(BigInteger)
    image_url: Mapped[str | None] = mapped_column(Text)
    source_updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source_triggered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    goods_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of the Admin API
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class InventoryItemRow(Base):
    """One inventory item. It may be told of before any variant that has it, and outlive the telling."""

    __tablename__ = "inventory_items"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    inventory_item_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tracked: Mapped[bool | None] = mapped_column(Boolean)  # None: not told, which counts as tracked
    source_updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source_triggered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class InventoryLevelRow(Base):
    """How many of one item one location has. `available` None means the location does not stock it (any more)."""

    __tablename__ = "inventory_levels"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    inventory_item_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    location_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    available: Mapped[int | None] = mapped_column(BigInteger)
    source_updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source_triggered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class StockReadingRow(Base):
    """The current reading of one variant; `units` None means without limit.

    `basis` is the merchant's choices it was made by, as text. `held_from`: the choices by which it would not be enough
    for a restock; None: nothing is held back. `lagging_since`: there is stock that Shopify does not sell (yet).
    """

    __tablename__ = "stock_readings"
    __table_args__ = (Index("ix_stock_readings_held", "shop_id", postgresql_where=text("held_from IS NOT NULL")),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sellable: Mapped[bool] = mapped_column(Boolean)
    units: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
    basis: Mapped[str | None] = mapped_column(Text)
    held_from: Mapped[str | None] = mapped_column(Text)
    lagging_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MarketViewRow(Base):
    """How one variant looks to shoppers of one country (ISO 3166), for the countries a merchant named."""

    __tablename__ = "market_views"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    country: Mapped[str] = mapped_column(Text, primary_key=True)
    published: Mapped[bool] = mapped_column(Boolean)
    price_cents: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StockCheckRow(Base):
    """A variant whose truth is to be read again, at `due_at` or later.

    `version` rises with every new cause, so that a cause arriving during a check is not lost when the check ends.
    """

    __tablename__ = "stock_checks"
    __table_args__ = (Index("ix_stock_checks_due", text("(told_at IS NULL)"), "due_at"),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the first webhook behind it; None: asked for by us
