"""The tables of restocks: events, waves, offers, and what was bought."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Boolean, ForeignKey, Identity, Index, Integer, SmallInteger, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from restock.tables import Base, UtcDateTime


class ReconcileStateRow(Base):
    """How far one shop's waiting variants have been asked about, and how the last pass over them went.

    `started_at` None: no pass is under way. `next_at` is when there is something to do, and a lease while it is done.
    """

    __tablename__ = "reconcile_state"
    __table_args__ = (Index("ix_reconcile_state_next", "next_at"),)

    shop_id: Mapped[int] = mapped_column(
        ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cursor_variant_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    seen_count: Mapped[int] = mapped_column(Integer, server_default="0")
    last_started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_variant_count: Mapped[int | None] = mapped_column(Integer)


class RestockEventRow(Base):
    """One stretch of time in which a variant can be bought and somebody waits; at most one is open per variant.

    `cursor_…` mark how far the current wave has walked the queue; None between waves. `walk_again`: something changed
    behind it, so that the next walk follows at once. `look_at` is when the first sleeper it has passed over wakes.
    `rest_until`: a long walk found nobody at its end, so that until then one ends where a page has nobody who fits.
    `not_before`: no walk begins until then, because what so many open offers keep was counted just now.
    `plan_at` is when the queue is to be looked at again, None when nothing is due until something changes. `planned_at`
    is when a page of it was last planned: the shop where that is longest ago is next.
    `settle_at`: closed as sold out, with turns that may still have to be called missed; or because the shop had left,
    with turns that may still run.
    """

    __tablename__ = "restock_events"
    __table_args__ = (
        Index(
            "uq_restock_events_open", "shop_id", "variant_id", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
        Index(
            "ix_restock_events_plan",
            "shop_id",
            "plan_at",
            postgresql_where=text("closed_at IS NULL AND plan_at IS NOT NULL"),
        ),
        Index("ix_restock_events_planned", "shop_id", "planned_at", postgresql_where=text("planned_at IS NOT NULL")),
        Index("ix_restock_events_shop", "shop_id", "closed_at"),
        Index("ix_restock_events_settle", "settle_at", postgresql_where=text("settle_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(BigInteger)
    units_at_open: Mapped[int | None] = mapped_column(BigInteger)
    wave_count: Mapped[int] = mapped_column(Integer, server_default="0")
    cursor_queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cursor_id: Mapped[int | None] = mapped_column(BigInteger)
    cursor_priority: Mapped[int | None] = mapped_column(SmallInteger)
    walk_again: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    look_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rest_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settle_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    plan_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    planned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
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
    capacity: Mapped[int | None] = mapped_column(BigInteger)  # units that may be out in open offers; None: any
    free_units: Mapped[int | None] = mapped_column(BigInteger)  # at the start of the wave
    queue_order: Mapped[str | None] = mapped_column(Text)  # None: of a time when there was only one
    offered_count: Mapped[int] = mapped_column(Integer, server_default="0")
    offered_units: Mapped[int] = mapped_column(BigInteger, server_default="0")
    passed_over_count: Mapped[int] = mapped_column(Integer, server_default="0")
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class OfferRow(Base):
    """One subscriber's turn. `ends_at` is None until a provider has accepted the message: only then the clock runs.

    `kept_until`: offered while asleep, and lent on then unless a provider has the message; None: awake, or units are
    without limit. `remind_at` is when a reminder is due, whatever became of the turn; None: none is to come.
    """

    __tablename__ = "offers"
    __table_args__ = (
        Index("ix_offers_subscription", "subscription_id"),
        Index("ix_offers_open", "event_id", "accepted_at", postgresql_where=text("state = 'open'")),
        Index("ix_offers_end", "ends_at", postgresql_where=text("state = 'open' AND ends_at IS NOT NULL")),
        Index(
            "ix_offers_kept",
            "kept_until",
            postgresql_where=text("state = 'open' AND accepted_at IS NULL AND kept_until IS NOT NULL"),
        ),
        Index("ix_offers_remind", "remind_at", postgresql_where=text("remind_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 50}},  # see migration 0024
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(BigInteger)  # no foreign keys: see migrations 0009 and 0023
    event_id: Mapped[int] = mapped_column(BigInteger)
    wave_id: Mapped[int] = mapped_column(BigInteger)
    subscription_id: Mapped[int] = mapped_column(BigInteger)
    units: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text, server_default="open")
    reason: Mapped[str | None] = mapped_column(Text)
    kept_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    remind_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reminded_count: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())


class PurchaseRow(Base):
    """One line of an order by somebody who waited for the variant or was told of it; of nobody else, and no address.

    `offer_id` and `event_id` are set only where the message had reached the person before the order: those are the
    recovered sales. `to_close` are subscriptions still to be ended by it, due at `close_at`; None: all done.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        Index("uq_purchases_line", "shop_id", "line_id", unique=True),
        Index("ix_purchases_ordered", "shop_id", "ordered_at"),
        Index("ix_purchases_close", "close_at", postgresql_where=text("close_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    order_id: Mapped[int] = mapped_column(BigInteger)
    line_id: Mapped[int] = mapped_column(BigInteger)
    variant_id: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(Integer)
    revenue_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    subscription_id: Mapped[int | None] = mapped_column(BigInteger)
    offer_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    to_close: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    close_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ordered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
