"""What happened to somebody who waits and has no row of its own elsewhere: passed over, missed, returned, declined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscription_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("event_id", sa.BigInteger()),
        sa.Column("offer_id", sa.BigInteger()),
        sa.Column("units", sa.BigInteger()),
        sa.Column("free_units", sa.BigInteger()),
        sa.Column("said_by", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_subscription_events_of", "subscription_events", ["subscription_id", "id"])


def downgrade() -> None:
    op.drop_table("subscription_events")
