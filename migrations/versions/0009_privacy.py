"""Requests of privacy and the tombstones they leave; what finding and erasing one person among millions needs.

A foreign key whose child column has no index makes each deletion of a parent read the child table whole. An index
would cost every post or every message; so five such keys go, and whoever deletes a parent deletes its children first,
under the parent's lock.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ENDED = "state NOT IN ('pending', 'active')"
_KEYS = (
    ("subscriptions", "contact_id", "contacts"),
    ("intents", "customer_id", "customers"),
    ("offers", "event_id", "restock_events"),
    ("offers", "wave_id", "waves"),
    ("deliveries", "lane_id", "delivery_lanes"),
)


def upgrade() -> None:
    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_domain", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("shopify_request_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="received", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("identity_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("export_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
    )
    op.create_index(
        "ix_privacy_requests_due",
        "privacy_requests",
        ["next_at", "id"],
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_index("ix_privacy_requests_shop", "privacy_requests", ["shop_domain", "id"])
    op.create_table(
        "redactions",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("keyed_hash", sa.LargeBinary(), nullable=False),
        sa.Column("redacted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_redactions_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "keyed_hash", name=op.f("pk_redactions")),
    )
    for table, column, _parent in _KEYS:
        op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
    op.alter_column("subscriptions", "contact_id", nullable=True)
    op.alter_column("subscriptions", "opener_customer_id", nullable=True)
    op.create_index(
        "ix_customers_shopify",
        "customers",
        ["shop_id", "shopify_customer_id"],
        postgresql_where=sa.text("shopify_customer_id IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_ended", "subscriptions", ["contact_id"], postgresql_where=sa.text(_ENDED))
    op.create_index("ix_intents_closed", "intents", ["customer_id"], postgresql_where=sa.text("closed_at IS NOT NULL"))
    op.create_index("ix_deliveries_contact", "deliveries", ["contact_id"], postgresql_where=sa.text("offer_id IS NULL"))


def downgrade() -> None:
    for index, table in (
        ("ix_deliveries_contact", "deliveries"),
        ("ix_intents_closed", "intents"),
        ("ix_subscriptions_ended", "subscriptions"),
        ("ix_customers_shopify", "customers"),
    ):
        op.drop_index(index, table_name=table)
    op.execute("DELETE FROM subscriptions WHERE contact_id IS NULL OR opener_customer_id IS NULL")
    op.alter_column("subscriptions", "opener_customer_id", nullable=False)
    op.alter_column("subscriptions", "contact_id", nullable=False)
    for table, column, parent in _KEYS:
        op.create_foreign_key(f"fk_{table}_{column}", table, parent, [column], ["id"], ondelete="CASCADE")
    op.drop_table("redactions")
    op.drop_index("ix_privacy_requests_shop", table_name="privacy_requests")
    op.drop_index("ix_privacy_requests_due", table_name="privacy_requests")
    op.drop_table("privacy_requests")
