"""Deliveries and their lanes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery_lanes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("served_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_delivery_lanes_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_lanes")),
    )
    op.create_index(
        "ix_delivery_lanes_due",
        "delivery_lanes",
        ["channel", "served_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("uq_delivery_lanes_key", "delivery_lanes", ["channel", "shop_id", "event_id"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("lane_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("click_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["lane_id"], ["delivery_lanes.id"], name=op.f("fk_deliveries_lane_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_deliveries_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["lane_id", "next_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_deliveries_event",
        "deliveries",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_lease",
        "deliveries",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_deliveries_offer",
        "deliveries",
        ["offer_id"],
        unique=False,
        postgresql_where=sa.text("offer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_doubtful",
        "deliveries",
        ["channel", "next_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'unknown' AND finished_at IS NULL"),
    )
    op.create_index("uq_deliveries_dedupe_key", "deliveries", ["dedupe_key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_deliveries_dedupe_key", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_doubtful",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'unknown' AND finished_at IS NULL"),
    )
    op.drop_index("ix_deliveries_offer", table_name="deliveries", postgresql_where=sa.text("offer_id IS NOT NULL"))
    op.drop_index("ix_deliveries_lease", table_name="deliveries", postgresql_where=sa.text("state = 'sending'"))
    op.drop_index("ix_deliveries_event", table_name="deliveries", postgresql_where=sa.text("event_id IS NOT NULL"))
    op.drop_index("ix_deliveries_due", table_name="deliveries", postgresql_where=sa.text("state = 'queued'"))
    op.drop_table("deliveries")
    op.drop_index("uq_delivery_lanes_key", table_name="delivery_lanes")
    op.drop_index("ix_delivery_lanes_due", table_name="delivery_lanes", postgresql_where=sa.text("next_at IS NOT NULL"))
    op.drop_table("delivery_lanes")
