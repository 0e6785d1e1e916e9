"""The tables of shops."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, Integer, LargeBinary, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class ShopRow(Base):
    """One merchant's shop.

    `settings` holds only what differs from the defaults, `name`, `currency` and `locale` what the merchant chose, and
    `profile` what Shopify says, by the field names of `Profile`. `access` and `scopes` follow `shop_tokens`.
    `asked_at` is when the shop was last asked for its profile and topics, None: to be asked.
    """

    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    domain: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text, server_default="installed")
    name: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str | None] = mapped_column(Text)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    profile: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    profile_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the time Shopify gives the profile
    access: Mapped[str] = mapped_column(Text, server_default="none")
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    texts_version: Mapped[int] = mapped_column(Integer, server_default="0")  # changes with every text; 0: never any
    installed_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    uninstalled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class ShopTokenRow(Base):
    """A shop's Admin API tokens, sealed. `access_sealed` None: none yet, somebody is about to fetch the first.

    `generation` counts the pairs. `lease` names who is talking to the token endpoint, until `lease_until`.
    `refresh_at` is when a new pair should be fetched, `try_at` when the token endpoint may be asked again (None: only
    once somebody of the shop has opened the app).
    """

    __tablename__ = "shop_tokens"
    __table_args__ = (Index("ix_shop_tokens_stored", "stored_at", postgresql_where=text("refresh_sealed IS NOT NULL")),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    access_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    access_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: permanent
    refresh_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # None: cannot be renewed
    refresh_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refresh_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    generation: Mapped[int] = mapped_column(Integer, server_default="0")
    lease: Mapped[UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure_count: Mapped[int] = mapped_column(Integer, server_default="0")
    try_at: Mapped[datetime | None] = mapped_column(UtcDateTime, server_default=func.now())
    needs_reauth_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(Text)  # why the last try failed, a word
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class PriorityListRow(Base):
    """Whose customers stand first: those with a tag in a shop's own list, as it was when it was last read.

    `tag` None: not read yet, or nobody is to stand first any more. `reason`: why the last reading failed, a word.
    """

    __tablename__ = "priority_lists"

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    tag: Mapped[str | None] = mapped_column(Text)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())  # to be read, and a lease
    known_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    customer_count: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(Text)


class ShopTextRow(Base):
    """A text of the merchant's own: what was typed for each part, and its layout as HTML; NULL without one.

    `version` is the shop's `texts_version` with which it was written. `broken_at`: since then it could not be sent as
    written, for `broken_reason`, a word.
    """

    __tablename__ = "shop_texts"

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    stage: Mapped[str] = mapped_column(Text, primary_key=True)
    locale: Mapped[str] = mapped_column(Text, primary_key=True)
    parts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    html: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    broken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broken_reason: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class ShopMailingRow(Base):
    """How a shop sends e-mail by a provider of its own; without a row it is the instance's mail server.

    `version` begins anywhere and counts the changes. `tested_at` and `test_reason` are of the last test, "" where it
    was taken.
    """

    __tablename__ = "shop_mailings"

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    provider: Mapped[str] = mapped_column(Text)
    from_address: Mapped[str] = mapped_column(Text)
    from_name: Mapped[str] = mapped_column(Text, server_default="")
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    hook_secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # None: its reports are not read yet
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    test_reason: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
