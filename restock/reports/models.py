"""What the reports keep: figures of what is over, so that nobody counts it again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class EventLatencyRow(Base):
    """How long the messages of one restock took, in seconds; written once, when it is over and its receipts are in.

    `changed_at` is when the stock changed, as far as we know. A figure is None where there was nothing to measure.
    """

    __tablename__ = "event_latency"
    __table_args__ = (Index("ix_event_latency_event", "event_id"), Index("ix_event_latency_changed", "changed_at"))

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("restock_events.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_seconds: Mapped[float | None] = mapped_column(Float)
    first_sent_seconds: Mapped[float | None] = mapped_column(Float)
    sent_count: Mapped[int] = mapped_column(Integer)
    sent_p50: Mapped[float | None] = mapped_column(Float)
    sent_p95: Mapped[float | None] = mapped_column(Float)
    sent_p99: Mapped[float | None] = mapped_column(Float)
    delivered_count: Mapped[int] = mapped_column(Integer)
    delivered_p50: Mapped[float | None] = mapped_column(Float)
    delivered_p95: Mapped[float | None] = mapped_column(Float)
    delivered_p99: Mapped[float | None] = mapped_column(Float)
    measured_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
