"""Shops that send their e-mail by a provider of their own, and what came back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "shop_mailings",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("from_name", sa.Text(), server_default="", nullable=False),
        sa.Column("options", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("hook_secret_sealed", sa.LargeBinary()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("tested_at", moment),
        sa.Column("test_reason", sa.Text()),
        sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_shop_mailings")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_mailings_shop_id"), ondelete="CASCADE"),
    )
    # How often a person's mail came back lately: few rows, and asked only when one more does.
    op.create_index(
        "ix_deliveries_bounced",
        "deliveries",
        ["contact_id", "finished_at"],
        postgresql_where=sa.text("state = 'bounced' AND contact_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_bounced", "deliveries")
    op.drop_table("shop_mailings")
