"""Turns that end in every way: declined, missed, asleep; how a walk along the queue goes on, and when it rests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.add_column("restock_events", sa.Column("walk_again", sa.Boolean(), server_default=sa.false(), nullable=False))
    for column in ("look_at", "rest_until", "not_before", "settle_at"):
        op.add_column("restock_events", sa.Column(column, _MOMENT))
    op.create_index(
        "ix_restock_events_settle", "restock_events", ["settle_at"], postgresql_where=sa.text("settle_at IS NOT NULL")
    )
    op.add_column("waves", sa.Column("capacity", sa.BigInteger()))
    op.add_column("waves", sa.Column("queue_order", sa.Text()))
    op.add_column("offers", sa.Column("kept_until", _MOMENT))
    op.create_index(
        "ix_offers_kept",
        "offers",
        ["kept_until"],
        postgresql_where=sa.text("state = 'open' AND accepted_at IS NULL AND kept_until IS NOT NULL"),
    )
    op.drop_index("ix_offers_open", table_name="offers")
    op.create_index("ix_offers_open", "offers", ["event_id", "accepted_at"], postgresql_where=_OPEN)


def downgrade() -> None:
    op.drop_index("ix_offers_open", table_name="offers")
    op.create_index("ix_offers_open", "offers", ["event_id"], postgresql_where=_OPEN)
    op.drop_index("ix_offers_kept", table_name="offers")
    op.drop_column("offers", "kept_until")
    op.drop_column("waves", "queue_order")
    op.drop_column("waves", "capacity")
    op.drop_index("ix_restock_events_settle", table_name="restock_events")
    for column in ("settle_at", "not_before", "rest_until", "look_at", "walk_again"):
        op.drop_column("restock_events", column)
