"""E-mails are found by the name their provider gave them: Amazon SES may report by nothing else.

Mail servers give none that is kept, and text messages are found by our own mark, so that only what providers of shops
took is in this index.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_deliveries_given ON deliveries (provider_message_id) "
        "WHERE provider_message_id IS NOT NULL AND channel = 'email'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_deliveries_given")
