"""The tables of what limits text messages: how fast a sender is, and what a shop has sent on a day."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, ForeignKey, Identity, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class SendPaceRow(Base):
    """When a sender may hand over its next segment. `granted_count`: how many messages were let go last.

    `shop_id` None: the sender of the whole instance. Behind now by as much as may leave at once, ahead of it by what
    has left too early.
    """

    __tablename__ = "send_paces"
    __table_args__ = (Index("uq_send_paces_key", "channel", "sender", text("coalesce(shop_id, 0)"), unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(Text)
    free_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_count: Mapped[int] = mapped_column(Integer)


class TextDayRow(Base):
    """The text messages of one shop on one day of its own: handed over, and filtered by carriers."""

    __tablename__ = "text_days"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    segment_count: Mapped[int] = mapped_column(Integer, server_default="0")
    message_count: Mapped[int] = mapped_column(Integer, server_default="0")
    filtered_count: Mapped[int] = mapped_column(Integer, server_default="0")


class TextBlockRow(Base):
    """How many of a shop's messages of one day went to a block of 10,000 numbers."""

    __tablename__ = "text_blocks"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    block: Mapped[str] = mapped_column(Text, primary_key=True)
    message_count: Mapped[int] = mapped_column(Integer, server_default="0")
