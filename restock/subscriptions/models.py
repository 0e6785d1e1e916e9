"""The tables of waiting people.

A customer is a handle, a contact is an address, an intent is what a customer said, a subscription is a contact
waiting for a variant. `market_id` 0 means no market was named.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime

WAITING = "state IN ('pending', 'active')"


class CustomerRow(Base):
    """A handle somebody holds: random, a capability, never shown to a stranger.

    `shopify_customer_id` is as a post said, which proves nothing; `verified_customer_id` is Shopify's own word, given
    through the app proxy.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index(
            "ix_customers_shopify",
            "shop_id",
            "shopify_customer_id",
            postgresql_where=text("shopify_customer_id IS NOT NULL"),
        ),
        Index(
            "ix_customers_verified",
            "shop_id",
            "verified_customer_id",
            postgresql_where=text("verified_customer_id IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    name: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    shopify_customer_id: Mapped[int | None] = mapped_column(BigInteger)
    verified_customer_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class ContactRow(Base):
    """One address on one channel in one shop.

    `address` is normalised: e-mail, E.164, or push endpoint. `marketing` is None (never said), 'granted' or 'refused'.
    `confirm_requested_at` is set while a confirmation message is still to be queued; `confirmation_asked_at` is when
    one was queued last. `suppression` repeats the reason of the address's SuppressionRow, so that a post racing an
    unsubscribe reads it under this row's lock.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        Index("uq_contacts_address", "shop_id", "address_hash", unique=True),
        Index("ix_contacts_confirm", "confirm_requested_at", postgresql_where=text("confirm_requested_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary)
    push_keys: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    locale: Mapped[str | None] = mapped_column(Text)
    marketing: Mapped[str | None] = mapped_column(Text)
    suppression: Mapped[str | None] = mapped_column(Text)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirm_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmation_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class SubscriptionRow(Base):
    """One contact waiting for one variant (and market): what is unique, and what gets one message.

    `open_offer_id` is set while a turn is being handed over; the person keeps the place until it is. Quantity and
    locale are those of the customer who opened it (`opener_customer_id`). `end_reason` on a row that still waits: it
    ends as soon as its open offer comes back. Both ids are None once the person was erased: the row is then a number.
    Neither is a foreign key: the check would cost every post, and the deletion of a parent a walk through this table.
    `priority` 1 stands before 0 in the queue; there is no other. While `paused_at` is set nobody is told and the place
    is kept: until `paused_until`, or where that is None until the person says so.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "uq_subscriptions_waiting",
            "contact_id",
            "variant_id",
            "market_id",
            unique=True,
            postgresql_where=text(WAITING),
        ),
        Index(
            "ix_subscriptions_queue",
            "shop_id",
            "variant_id",
            text("priority DESC"),
            "queued_at",
            "id",
            postgresql_where=text("state = 'active' AND open_offer_id IS NULL AND paused_at IS NULL"),
        ),
        Index(
            "ix_subscriptions_paused",
            "shop_id",
            "variant_id",
            "id",
            postgresql_where=text("state = 'active' AND paused_at IS NOT NULL"),
        ),
        Index("ix_subscriptions_resume", "paused_until", postgresql_where=text("paused_until IS NOT NULL")),
        Index("ix_subscriptions_pending", "updated_at", postgresql_where=text("state = 'pending'")),
        Index(  # who waits only since: nobody's first post is in it
            "ix_subscriptions_grown",
            "shop_id",
            "updated_at",
            postgresql_where=text("state = 'active' AND open_offer_id IS NULL AND updated_at > queued_at"),
        ),
        Index("ix_subscriptions_first", "shop_id", "id", postgresql_where=text("priority > 0")),
        Index("ix_subscriptions_expiry", "expires_at", postgresql_where=text(WAITING)),
        Index("ix_subscriptions_list", "shop_id", "queued_at", "id"),  # the merchant's list, ended ones too
        Index("ix_subscriptions_variant", "shop_id", "variant_id", "queued_at", "id"),
        Index("ix_subscriptions_ended", "contact_id", postgresql_where=text("state NOT IN ('pending', 'active')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(BigInteger)
    opener_customer_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    channel: Mapped[str] = mapped_column(Text)
    variant_id: Mapped[int] = mapped_column(BigInteger)
    product_id: Mapped[int] = mapped_column(BigInteger)
    market_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    quantity: Mapped[int] = mapped_column(Integer)
    locale: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    end_reason: Mapped[str | None] = mapped_column(Text)
    open_offer_id: Mapped[int | None] = mapped_column(BigInteger)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    notified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class IntentRow(Base):
    """What one customer said. Open until its subscription stops waiting; one open intent per customer and variant."""

    __tablename__ = "intents"
    __table_args__ = (
        Index(
            "uq_intents_open",
            "customer_id",
            "variant_id",
            "market_id",
            "channel",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_intents_subscription", "subscription_id"),
        Index("ix_intents_closed", "customer_id", postgresql_where=text("closed_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    customer_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(BigInteger)
    channel: Mapped[str] = mapped_column(Text)
    variant_id: Mapped[int] = mapped_column(BigInteger)
    product_id: Mapped[int] = mapped_column(BigInteger)
    market_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    quantity: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    product: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # as the storefront named it; unverified
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class SubscriptionEventRow(Base):
    """What happened to a subscription and has no row of its own elsewhere: only ever added to.

    `reason` is a stable word; `units` and `free_units` are what was wanted and what was free then; `said_by` is who
    ended it: shopper, merchant, provider, shopify or restock.
    """

    __tablename__ = "subscription_events"
    __table_args__ = (Index("ix_subscription_events_of", "subscription_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    offer_id: Mapped[int | None] = mapped_column(BigInteger)
    units: Mapped[int | None] = mapped_column(BigInteger)
    free_units: Mapped[int | None] = mapped_column(BigInteger)
    said_by: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class ConsentRow(Base):
    """What was said, where and when: only ever added to."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_contact", "contact_id"),
        Index(
            "ix_consents_marketing_yes",
            "said_at",
            postgresql_where=text("purpose = 'marketing' AND action = 'granted' AND effective"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(BigInteger)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    purpose: Mapped[str] = mapped_column(Text)  # back_in_stock, marketing
    action: Mapped[str] = mapped_column(Text)  # granted, refused, confirmed, withdrawn
    effective: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))  # False: said, but not acted on
    variant_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    page_url: Mapped[str | None] = mapped_column(Text)
    ip_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    user_agent: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class SuppressionRow(Base):
    """An address that must not be written to. Keyed by its hash, so it outlives the contact."""

    __tablename__ = "suppressions"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class MarketingWriteRow(Base):
    """A contact's yes to marketing on its way into the shop's own customer list; one row a contact.

    `said_at` is the newest yes. State: due, written, skipped (somebody's earlier no, or nobody to ask), failed.
    """

    __tablename__ = "marketing_writes"
    __table_args__ = (
        Index("uq_marketing_writes_contact", "contact_id", unique=True),
        Index("ix_marketing_writes_said", "said_at"),
        Index("ix_marketing_writes_due", "shop_id", "next_at", postgresql_where=text("state = 'due'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(Text, server_default="due")
    reason: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
