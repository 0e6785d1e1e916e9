"""The tables of privacy: what was asked for, and whom we promised not to bring back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class PrivacyRequestRow(Base):
    """One request of a shop or a shopper. The shop may be one we do not know: hence its domain and no foreign key.

    `identity_sealed` says who is meant and goes when the request is done; `export_sealed` is kept for a while for the
    merchant. `row_count` is how many rows were found or erased.
    """

    __tablename__ = "privacy_requests"
    __table_args__ = (
        Index("ix_privacy_requests_due", "next_at", "id", postgresql_where=text("state = 'received'")),
        Index("ix_privacy_requests_shop", "shop_domain", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_domain: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    shopify_request_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default="received")
    reason: Mapped[str | None] = mapped_column(Text)
    identity_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    export_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    progress: Mapped[str | None] = mapped_column(Text)  # how far the erasure of a shop has come: "table cursor"
    row_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RedactionRow(Base):
    """An address or a customer that was erased, as a hash only this instance's key can make."""

    __tablename__ = "redactions"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    keyed_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    redacted_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
