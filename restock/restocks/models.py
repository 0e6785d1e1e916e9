"""The tables of restocks: events, waves, offers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.database import Base, UtcDateTime


class RestockEventRow(Base):
    """One stretch of time in which a variant can be bought and somebody waits; at most one is open per variant.

    `cursor_queued_at`/`cursor_id` mark how far the current wave has walked the queue; both None between waves.
    `plan_at` is when the queue is to be looked at again, None when nothing is due until something changes.
    """

    __tablename__ = "restock_events"
    __table_args__ = (
        Index(
            "uq_restock_events_open", "shop_id", "variant_id", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
        Index("ix_restock_events_plan", "plan_at", postgresql_where=text("closed_at IS NULL AND plan_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(BigInteger)
    units_at_open: Mapped[int | None] = mapped_column(BigInteger)
    wave_count: Mapped[int] = mapped_column(Integer, server_default="0")
    cursor_queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cursor_id: Mapped[int | None] = mapped_column(BigInteger)
    plan_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stock_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # first webhook behind it; None: found by us
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    close_reason: Mapped[str | None] = mapped_column(Text)


class WaveRow(Base):
    """One walk along the queue: what it was planned on, and what came of it."""

    __tablename__ = "waves"
    __table_args__ = (Index("uq_waves_number", "event_id", "number", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("restock_events.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    units: Mapped[int | None] = mapped_column(BigInteger)  # of the reading; None: without limit
    free_units: Mapped[int | None] = mapped_column(BigInteger)  # at the start of the wave
    offered_count: Mapped[int] = mapped_column(Integer, server_default="0")
    offered_units: Mapped[int] = mapped_column(BigInteger, server_default="0")
    passed_over_count: Mapped[int] = mapped_column(Integer, server_default="0")
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class OfferRow(Base):
    """One subscriber's turn. `ends_at` is None until a provider has accepted the message: only then the clock runs."""

    __tablename__ = "offers"
    __table_args__ = (
        Index("ix_offers_subscription", "subscription_id"),
        Index("ix_offers_open", "event_id", postgresql_where=text("state = 'open'")),
        Index("ix_offers_end", "ends_at", postgresql_where=text("state = 'open' AND ends_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("restock_events.id", ondelete="CASCADE"))
    wave_id: Mapped[int] = mapped_column(ForeignKey("waves.id", ondelete="CASCADE"))
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"))
    units: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text, server_default="open")
    reason: Mapped[str | None] = mapped_column(Text)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
