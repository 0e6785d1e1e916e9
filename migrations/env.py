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
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
            context.run_migrations()


run()
