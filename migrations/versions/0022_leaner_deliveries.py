"""Claims that cost the same however much was claimed before, and one index less on deliveries.

A lane knows the place before which nothing is queued (see restock/deliveries/repository/lanes.py).

Every message is written three times, and each time into every index. `dedupe_key` names the offer, so (offer, key) is
as unique as the key alone; without an offer the key stands by itself, which NULLS NOT DISTINCT (PostgreSQL 15) says.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "delivery_lanes",
        sa.Column("first_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
    )
    op.add_column("delivery_lanes", sa.Column("first_id", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "uq_deliveries_key",
        "deliveries",
        ["offer_id", "dedupe_key"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("ix_deliveries_offer", table_name="deliveries")
    op.drop_index("uq_deliveries_dedupe_key", table_name="deliveries")


def downgrade() -> None:
    op.create_index("uq_deliveries_dedupe_key", "deliveries", ["dedupe_key"], unique=True)
    op.create_index("ix_deliveries_offer", "deliveries", ["offer_id"], postgresql_where=sa.text("offer_id IS NOT NULL"))
    op.drop_index("uq_deliveries_key", table_name="deliveries")
    op.drop_column("delivery_lanes", "first_id")
    op.drop_column("delivery_lanes", "first_at")
