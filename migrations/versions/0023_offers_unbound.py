"""Offers and deliveries without foreign keys: checking them row by row was most of what it takes to write one.

What they guaranteed is guaranteed by who writes: the shop's row is held once for a page of them, so that whoever erases
a shop waits, and erases them behind it; an offer whose subscription is gone is taken back in its own transaction; old
subscriptions are dropped together with their offers.
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_KEYS = (
    ("offers", "shop_id", "shops"),
    ("offers", "subscription_id", "subscriptions"),
    ("deliveries", "shop_id", "shops"),
)


def upgrade() -> None:
    for table, column, _parent in _KEYS:
        op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")


def downgrade() -> None:
    for table, column, parent in _KEYS:
        op.create_foreign_key(f"fk_{table}_{column}", table, parent, [column], ["id"], ondelete="CASCADE")
