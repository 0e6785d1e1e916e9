"""Indexes behind the merchant's lists.

A shop's subscribers by time, a variant's subscribers by time (ended ones too), a shop's restocks by their end: the
pages read each in keyset order and never an offset.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_subscriptions_list", "subscriptions", ["shop_id", "queued_at", "id"], unique=False)
    op.create_index(
        "ix_subscriptions_variant", "subscriptions", ["shop_id", "variant_id", "queued_at", "id"], unique=False
    )
    op.create_index("ix_restock_events_shop", "restock_events", ["shop_id", "closed_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_restock_events_shop", table_name="restock_events")
    op.drop_index("ix_subscriptions_variant", table_name="subscriptions")
    op.drop_index("ix_subscriptions_list", table_name="subscriptions")
