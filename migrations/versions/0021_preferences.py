"""What people chose about their alerts, and what shops ask to be told.

All new columns are NULL at first: no row is rewritten. The queue's new index is there before the old one goes; writes
wait while it is built, about a second for a million rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_QUEUE = "ix_subscriptions_queue"
_COLUMNS = ["shop_id", "variant_id", sa.text("priority DESC"), "queued_at", "id"]
_WAITS = "state = 'active' AND open_offer_id IS NULL"
_NOW = sa.text("now()")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _let_people_pause()
    op.add_column("contacts", sa.Column("confirmation_asked_at", _MOMENT))
    op.create_index(
        "ix_subscriptions_pending", "subscriptions", ["updated_at"], postgresql_where=sa.text("state = 'pending'")
    )
    _tell_shops()


def _let_people_pause() -> None:
    op.add_column("subscriptions", sa.Column("paused_at", _MOMENT))
    op.add_column("subscriptions", sa.Column("paused_until", _MOMENT))
    _replace_queue(f"{_WAITS} AND paused_at IS NULL")
    op.create_index(
        "ix_subscriptions_paused",
        "subscriptions",
        ["shop_id", "variant_id", "id"],
        postgresql_where=sa.text("state = 'active' AND paused_at IS NOT NULL"),
    )
    op.create_index(
        "ix_subscriptions_resume",
        "subscriptions",
        ["paused_until"],
        postgresql_where=sa.text("paused_until IS NOT NULL"),
    )


def _replace_queue(which: str) -> None:
    op.execute(f"ALTER INDEX {_QUEUE} RENAME TO {_QUEUE}_before")
    op.create_index(_QUEUE, "subscriptions", _COLUMNS, unique=False, postgresql_where=sa.text(which))
    op.drop_index(f"{_QUEUE}_before", table_name="subscriptions")


def _tell_shops() -> None:
    op.create_table(
        "shop_alert_states",
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("counted_until", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("looked_until", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("next_new_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("digest_from", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("next_digest_at", _MOMENT),
        sa.Column("rhythm", sa.Text()),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_shop_alert_states_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_shop_alert_states")),
    )
    op.create_table(
        "shop_alert_crossings",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("crossed_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_shop_alert_crossings_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "variant_id", name=op.f("pk_shop_alert_crossings")),
    )
    op.create_table(
        "shop_alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("token", sa.Uuid()),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_alerts_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop_alerts")),
    )
    op.create_index("uq_shop_alerts_dedupe_key", "shop_alerts", ["dedupe_key"], unique=True)
    op.create_index(
        "ix_shop_alerts_due", "shop_alerts", ["next_at"], postgresql_where=sa.text("state IN ('queued', 'sending')")
    )
    op.create_index("ix_shop_alerts_shop", "shop_alerts", ["shop_id", "id"])


def downgrade() -> None:
    op.drop_table("shop_alerts")
    op.drop_table("shop_alert_crossings")
    op.drop_table("shop_alert_states")
    op.drop_index("ix_subscriptions_pending", table_name="subscriptions")
    op.drop_column("contacts", "confirmation_asked_at")
    op.drop_index("ix_subscriptions_resume", table_name="subscriptions")
    op.drop_index("ix_subscriptions_paused", table_name="subscriptions")
    _replace_queue(_WAITS)
    op.drop_column("subscriptions", "paused_until")
    op.drop_column("subscriptions", "paused_at")
