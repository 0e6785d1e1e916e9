"""Providers that are down, and how long messages take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "provider_states",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("shop_id", sa.BigInteger()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="closed", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("failure_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", moment),
        sa.Column("last_failure_at", moment),
        sa.Column("next_probe_at", moment),
        sa.Column("closed_at", moment),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], ondelete="CASCADE"),
    )
    op.create_index(
        "uq_provider_states_key",
        "provider_states",
        ["channel", "provider", sa.text("coalesce(shop_id, 0)")],
        unique=True,
    )
    op.create_table(
        "event_latency",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("decided_seconds", sa.Float()),
        sa.Column("first_sent_seconds", sa.Float()),
        sa.Column("sent_count", sa.Integer(), nullable=False),
        sa.Column("sent_p50", sa.Float()),
        sa.Column("sent_p95", sa.Float()),
        sa.Column("sent_p99", sa.Float()),
        sa.Column("delivered_count", sa.Integer(), nullable=False),
        sa.Column("delivered_p50", sa.Float()),
        sa.Column("delivered_p95", sa.Float()),
        sa.Column("delivered_p99", sa.Float()),
        sa.Column("measured_at", moment, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "event_id"),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["event_id"], ["restock_events.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_event_latency_event", "event_latency", ["event_id"])
    op.create_index("ix_event_latency_changed", "event_latency", ["changed_at"])
    op.drop_index("ix_deliveries_event", "deliveries")
    op.create_index(
        "ix_deliveries_event_sent",
        "deliveries",
        ["event_id", "sent_at"],
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_event_sent", "deliveries")
    op.create_index("ix_deliveries_event", "deliveries", ["event_id"], postgresql_where=sa.text("event_id IS NOT NULL"))
    op.drop_table("event_latency")
    op.drop_table("provider_states")
