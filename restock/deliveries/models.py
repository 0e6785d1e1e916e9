"""The tables of deliveries: the queue itself."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, Text, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class DeliveryLaneRow(Base):
    """The due deliveries of one event (or of a shop's other notices) on one channel.

    A claim serves the shop served longest ago, and of its lanes the one served longest ago: neither a large restock
    nor many of them hold up another shop. `event_id` 0 means notices without an event. `next_at` is when
    something in it is due, None when nothing is queued.
    """

    __tablename__ = "delivery_lanes"
    __table_args__ = (
        Index("uq_delivery_lanes_key", "channel", "shop_id", "event_id", unique=True),
        Index("ix_delivery_lanes_due", "channel", "shop_id", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_delivery_lanes_served", "channel", "shop_id", "served_at", "next_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text)
    event_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    served_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=text("'epoch'"))
    first_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=text("'epoch'"))
    first_id: Mapped[int] = mapped_column(BigInteger, server_default="0")


class DeliveryRow(Base):
    """One message to one recipient.

    No two have the same `dedupe_key`: that of an offer's message names the offer, all others have no offer, and for
    the index no offer is as good as one. So one index says both what is told already and which messages an offer has:
    every change of a row writes into all of them.
    `token` fences the worker that claimed it; `doubts` counts hand-overs nobody answered; `reason` is a stable word.
    `contact_id` None: the person was erased, and nothing that leads to them is written here any more.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("uq_deliveries_key", "offer_id", "dedupe_key", unique=True, postgresql_nulls_not_distinct=True),
        Index("ix_deliveries_due", "lane_id", "next_at", "id", postgresql_where=text("state = 'queued'")),
        Index("ix_deliveries_lease", "lease_until", postgresql_where=text("state = 'sending'")),
        Index(
            "ix_deliveries_doubtful",
            "channel",
            "next_at",
            "id",
            postgresql_where=text("state = 'unknown' AND finished_at IS NULL"),
        ),
        Index(
            "ix_deliveries_event_sent",
            "event_id",
            "sent_at",
            postgresql_where=text("event_id IS NOT NULL AND sent_at IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_bounced",
            "contact_id",
            "finished_at",
            postgresql_where=text("state = 'bounced' AND contact_id IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_given",
            "provider_message_id",
            postgresql_where=text("provider_message_id IS NOT NULL AND channel = 'email'"),
        ),
        Index("ix_deliveries_contact", "contact_id", postgresql_where=text("offer_id IS NULL")),
        {"postgresql_with": {"fillfactor": 50}},  # see migration 0024
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(BigInteger)  # no foreign keys: see migrations 0009 and 0023
    lane_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    dedupe_key: Mapped[str] = mapped_column(Text)
    contact_id: Mapped[int | None] = mapped_column(BigInteger)
    subscription_id: Mapped[int | None] = mapped_column(BigInteger)
    offer_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    reason: Mapped[str | None] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    doubts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    provider_message_id: Mapped[str | None] = mapped_column(Text)
    click_count: Mapped[int] = mapped_column(Integer, server_default="0")
    clicked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ProviderStateRow(Base):
    """Whether one provider takes messages; without a row it does. `shop_id` None: the provider of the whole instance.

    While `open`, nothing is handed to it but one message at `next_probe_at`, by whoever moves that moment on first.
    `failure_count` counts the failures since it opened; `closed_at` is when it last came back.
    """

    __tablename__ = "provider_states"
    __table_args__ = (
        Index("uq_provider_states_key", "channel", "provider", text("coalesce(shop_id, 0)"), unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default="closed")
    reason: Mapped[str | None] = mapped_column(Text)
    failure_count: Mapped[int] = mapped_column(Integer, server_default="0")
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_failure_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
