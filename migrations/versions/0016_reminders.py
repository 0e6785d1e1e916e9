"""Reminders: when an offer's next one is due, and how many there were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offers", sa.Column("remind_at", sa.DateTime(timezone=True)))
    op.add_column("offers", sa.Column("reminded_count", sa.SmallInteger(), server_default="0", nullable=False))
    op.create_index("ix_offers_remind", "offers", ["remind_at"], postgresql_where=sa.text("remind_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_offers_remind", table_name="offers")
    op.drop_column("offers", "reminded_count")
    op.drop_column("offers", "remind_at")
