"""What a fan-out claims and records, without a detour: only what was sent stands in the index of what was sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAME = "ix_deliveries_event_sent"


def upgrade() -> None:
    _index("event_id IS NOT NULL AND sent_at IS NOT NULL")


def downgrade() -> None:
    _index("event_id IS NOT NULL")


def _index(condition: str) -> None:
    op.drop_index(_NAME, table_name="deliveries")
    op.create_index(_NAME, "deliveries", ["event_id", "sent_at"], postgresql_where=sa.text(condition))
