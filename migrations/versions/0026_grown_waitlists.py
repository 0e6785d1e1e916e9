"""Waitlists that grow without a sign-up are found: by a yes to a confirmation, or by somebody who is back in line.

Nobody's first post is in this index, and nobody who is being told: neither path writes to it. Writes wait while it is
built, less than a second for a million rows.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_subscriptions_grown ON subscriptions (shop_id, updated_at) "
        "WHERE state = 'active' AND open_offer_id IS NULL AND updated_at > queued_at"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_subscriptions_grown")
