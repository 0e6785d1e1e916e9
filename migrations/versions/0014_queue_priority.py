"""Who stands first where a shop gives some people priority, and how shops take turns.

The column is a constant default: no row is rewritten. The queue's new index is there before the old one goes; writes
wait while it is built, about a second for a million rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_QUEUE, _FIRST = "ix_subscriptions_queue", "ix_subscriptions_first"
_DUE = sa.text("next_at IS NOT NULL")
_TO_PLAN = sa.text("closed_at IS NULL AND plan_at IS NOT NULL")
_PLANNED = sa.text("planned_at IS NOT NULL")
_WAITS = sa.text("state = 'active' AND open_offer_id IS NULL")


def upgrade() -> None:
    _give_priority()
    op.add_column("restock_events", sa.Column("cursor_priority", sa.SmallInteger(), nullable=True))
    op.add_column("restock_events", sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_restock_events_plan", table_name="restock_events")
    op.create_index("ix_restock_events_plan", "restock_events", ["shop_id", "plan_at"], postgresql_where=_TO_PLAN)
    op.create_index("ix_restock_events_planned", "restock_events", ["shop_id", "planned_at"], postgresql_where=_PLANNED)
    op.drop_index("ix_stock_checks_due", table_name="stock_checks")
    op.create_index("ix_stock_checks_due", "stock_checks", [sa.text("(told_at IS NULL)"), "due_at"])
    op.drop_index("ix_delivery_lanes_due", table_name="delivery_lanes")
    op.create_index("ix_delivery_lanes_due", "delivery_lanes", ["channel", "shop_id", "next_at"], postgresql_where=_DUE)
    op.create_index("ix_delivery_lanes_served", "delivery_lanes", ["channel", "shop_id", "served_at", "next_at"])


def _give_priority() -> None:
    op.add_column(
        "subscriptions", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    _replace_queue(["shop_id", "variant_id", sa.text("priority DESC"), "queued_at", "id"])
    op.create_index(_FIRST, "subscriptions", ["shop_id", "id"], postgresql_where=sa.text("priority > 0"))
    op.create_table(
        "priority_lists",
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_count", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_priority_lists_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_priority_lists")),
    )


def _replace_queue(columns: list[str | sa.TextClause]) -> None:
    op.execute(f"ALTER INDEX {_QUEUE} RENAME TO {_QUEUE}_before")
    op.create_index(_QUEUE, "subscriptions", columns, unique=False, postgresql_where=_WAITS)
    op.drop_index(f"{_QUEUE}_before", table_name="subscriptions")


def downgrade() -> None:
    op.drop_index("ix_delivery_lanes_served", table_name="delivery_lanes")
    op.drop_index("ix_delivery_lanes_due", table_name="delivery_lanes")
    op.create_index("ix_delivery_lanes_due", "delivery_lanes", ["channel", "served_at"], postgresql_where=_DUE)
    op.drop_index("ix_restock_events_planned", table_name="restock_events")
    op.drop_index("ix_restock_events_plan", table_name="restock_events")
    op.create_index("ix_restock_events_plan", "restock_events", ["plan_at"], postgresql_where=_TO_PLAN)
    op.drop_index("ix_stock_checks_due", table_name="stock_checks")
    op.create_index("ix_stock_checks_due", "stock_checks", ["due_at"])
    op.drop_column("restock_events", "planned_at")
    op.drop_column("restock_events", "cursor_priority")
    op.drop_table("priority_lists")
    op.drop_index(_FIRST, table_name="subscriptions")
    _replace_queue(["shop_id", "variant_id", "queued_at", "id"])
    op.drop_column("subscriptions", "priority")
