"""How Alembic runs here: on the application's own engine, one process at a time."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text

import restock.alerts.models
import restock.catalog.models
import restock.deliveries.limits.models
import restock.deliveries.models
import restock.inbox.models
import restock.reports.models
import restock.restocks.models
import restock.shops.models
import restock.subscriptions.models  # noqa: F401
from restock.database import LOCK_TIMEOUT_MS
from restock.tables import Base

ONE_AT_A_TIME = 7_465_102  # any constant: the advisory lock that keeps two upgrades apart


def run() -> None:
    extension = current_app.extensions["migrate"]
    with extension.db.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=False,
            **extension.configure_args,
        )
        with context.begin_transaction():
            # An index on millions of rows takes as long as it takes, and so does waiting for whoever makes it; a table
            # that is in use is not waited for longer than anywhere else.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
            connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            context.run_migrations()


run()
