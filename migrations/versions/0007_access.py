"""The access a shop has given us, and its tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shop_tokens",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("access_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("refresh_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("needs_reauth_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_shop_tokens_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_shop_tokens")),
    )
    op.create_index(
        "ix_shop_tokens_stored", "shop_tokens", ["stored_at"], postgresql_where=sa.text("refresh_sealed IS NOT NULL")
    )
    op.add_column("shops", sa.Column("profile", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("shops", sa.Column("profile_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shops", sa.Column("access", sa.Text(), server_default="none", nullable=False))
    op.add_column("shops", sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("shops", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("""
        INSERT INTO shop_tokens (shop_id, access_sealed, generation)
        SELECT id, access_token_sealed, 1 FROM shops WHERE access_token_sealed IS NOT NULL
    """)
    op.execute("UPDATE shops SET access = 'granted' WHERE access_token_sealed IS NOT NULL")
    op.drop_column("shops", "access_token_sealed")
    op.alter_column("shops", "locale", nullable=True, server_default=None)
    op.execute("UPDATE shops SET locale = NULL WHERE locale = 'en'")  # the default until now: nobody's choice


def downgrade() -> None:
    op.execute("UPDATE shops SET locale = 'en' WHERE locale IS NULL")
    op.alter_column("shops", "locale", nullable=False, server_default="en")
    op.add_column("shops", sa.Column("access_token_sealed", sa.LargeBinary(), nullable=True))
    op.execute("""
        UPDATE shops SET access_token_sealed = access_sealed FROM shop_tokens
        WHERE shop_tokens.shop_id = shops.id AND access_expires_at IS NULL
    """)
    for name in ("asked_at", "scopes", "access", "profile_at", "profile"):
        op.drop_column("shops", name)
    op.drop_table("shop_tokens")
