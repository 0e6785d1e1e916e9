"""The tables of what shops are told: how far the telling has come, and the messages themselves."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class ShopAlertStateRow(Base):
    """How far one shop's telling has come; one row a shop, which every telling moves on by a conditional UPDATE.

    Sign-ups until `counted_until` were told of, and those until `looked_until` were looked at for long waitlists.
    `rhythm` is that of the shop's choices by which the other moments were reckoned.
    """

    __tablename__ = "shop_alert_states"

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    counted_until: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    looked_until: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    next_new_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    digest_from: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    next_digest_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rhythm: Mapped[str | None] = mapped_column(Text)


class ShopAlertCrossingRow(Base):
    """A variant whose waitlist has passed the shop's number; while the row is here it is not told of again."""

    __tablename__ = "shop_alert_crossings"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    crossed_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class ShopAlertRow(Base):
    """One message to one address of a shop's own.

    `token` fences whoever claimed it, until `next_at`; `doubts` counts hand-overs nobody answered.
    """

    __tablename__ = "shop_alerts"
    __table_args__ = (
        Index("uq_shop_alerts_dedupe_key", "dedupe_key", unique=True),
        Index("ix_shop_alerts_due", "next_at", postgresql_where=text("state IN ('queued', 'sending')")),
        Index("ix_shop_alerts_shop", "shop_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    dedupe_key: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    reason: Mapped[str | None] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    doubts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
