"""What the Admin API tells of variants, and when to ask again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stock_readings", sa.Column("basis", sa.Text(), nullable=True))
    op.add_column("stock_readings", sa.Column("held_from", sa.Text(), nullable=True))
    op.add_column("stock_readings", sa.Column("lagging_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_stock_readings_held",
        "stock_readings",
        ["shop_id"],
        unique=False,
        postgresql_where=sa.text("held_from IS NOT NULL"),
    )
    op.add_column("stock_checks", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("variants", sa.Column("goods_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "market_views",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_market_views_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "variant_id", "country", name=op.f("pk_market_views")),
    )
    op.create_table(
        "reconcile_state",
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor_variant_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_variant_count", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_reconcile_state_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_reconcile_state")),
    )
    op.create_index("ix_reconcile_state_next", "reconcile_state", ["next_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reconcile_state_next", table_name="reconcile_state")
    op.drop_table("reconcile_state")
    op.drop_table("market_views")
    op.drop_column("variants", "goods_asked_at")
    op.drop_column("stock_checks", "told_at")
    op.drop_index("ix_stock_readings_held", table_name="stock_readings")
    op.drop_column("stock_readings", "lagging_since")
    op.drop_column("stock_readings", "held_from")
    op.drop_column("stock_readings", "basis")
