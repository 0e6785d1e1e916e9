"""Restocks: events, waves, offers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restock_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("units_at_open", sa.BigInteger(), nullable=True),
        sa.Column("wave_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cursor_queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stock_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_restock_events_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restock_events")),
    )
    op.create_index(
        "ix_restock_events_plan",
        "restock_events",
        ["plan_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL AND plan_at IS NOT NULL"),
    )
    op.create_index(
        "uq_restock_events_open",
        "restock_events",
        ["shop_id", "variant_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "waves",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=True),
        sa.Column("free_units", sa.BigInteger(), nullable=True),
        sa.Column("offered_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("offered_units", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("passed_over_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["restock_events.id"], name=op.f("fk_waves_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_waves_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waves")),
    )
    op.create_index("uq_waves_number", "waves", ["event_id", "number"], unique=True)
    op.create_table(
        "offers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("wave_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["restock_events.id"], name=op.f("fk_offers_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_offers_shop_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_offers_subscription_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["wave_id"], ["waves.id"], name=op.f("fk_offers_wave_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
    )
    op.create_index(
        "ix_offers_end",
        "offers",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND ends_at IS NOT NULL"),
    )
    op.create_index("ix_offers_open", "offers", ["event_id"], unique=False, postgresql_where=sa.text("state = 'open'"))
    op.create_index("ix_offers_subscription", "offers", ["subscription_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_offers_subscription", table_name="offers")
    op.drop_index("ix_offers_open", table_name="offers", postgresql_where=sa.text("state = 'open'"))
    op.drop_index(
        "ix_offers_end", table_name="offers", postgresql_where=sa.text("state = 'open' AND ends_at IS NOT NULL")
    )
    op.drop_table("offers")
    op.drop_index("uq_waves_number", table_name="waves")
    op.drop_table("waves")
    op.drop_index("uq_restock_events_open", table_name="restock_events", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_index(
        "ix_restock_events_plan",
        table_name="restock_events",
        postgresql_where=sa.text("closed_at IS NULL AND plan_at IS NOT NULL"),
    )
    op.drop_table("restock_events")
