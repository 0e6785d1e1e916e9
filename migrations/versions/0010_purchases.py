"""Orders that waiting people placed, ids that Shopify vouched for, and yeses on their way to Shopify."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("verified_customer_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_customers_verified",
        "customers",
        ["shop_id", "verified_customer_id"],
        unique=False,
        postgresql_where=sa.text("verified_customer_id IS NOT NULL"),
    )
    _create_purchases()
    _create_marketing_writes()


def _create_purchases() -> None:
    op.create_table(
        "purchases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("to_close", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("close_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_purchases_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
    )
    op.create_index("uq_purchases_line", "purchases", ["shop_id", "line_id"], unique=True)
    op.create_index("ix_purchases_ordered", "purchases", ["shop_id", "ordered_at"], unique=False)
    op.create_index(
        "ix_purchases_close", "purchases", ["close_at"], unique=False, postgresql_where=sa.text("close_at IS NOT NULL")
    )


def _create_marketing_writes() -> None:
    op.create_table(
        "marketing_writes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="due", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_marketing_writes_contact_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_marketing_writes_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketing_writes")),
    )
    op.create_index("uq_marketing_writes_contact", "marketing_writes", ["contact_id"], unique=True)
    op.create_index("ix_marketing_writes_said", "marketing_writes", ["said_at"], unique=False)
    op.create_index(
        "ix_marketing_writes_due",
        "marketing_writes",
        ["shop_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_consents_marketing_yes",
        "consents",
        ["said_at"],
        unique=False,
        postgresql_where=sa.text("purpose = 'marketing' AND action = 'granted' AND effective"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_consents_marketing_yes",
        table_name="consents",
        postgresql_where=sa.text("purpose = 'marketing' AND action = 'granted' AND effective"),
    )
    op.drop_table("marketing_writes")
    op.drop_table("purchases")
    op.drop_index(
        "ix_customers_verified",
        table_name="customers",
        postgresql_where=sa.text("verified_customer_id IS NOT NULL"),
    )
    op.drop_column("customers", "verified_customer_id")
