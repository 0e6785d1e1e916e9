"""Texts that merchants write. A shop's version changes with every change of any of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("shops", sa.Column("texts_version", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "shop_texts",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("html", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("broken_at", moment),
        sa.Column("broken_reason", sa.Text()),
        sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "channel", "stage", "locale", name=op.f("pk_shop_texts")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_texts_shop_id"), ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("shop_texts")
    op.drop_column("shops", "texts_version")
