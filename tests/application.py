"""The whole application for a test, on the sessions of the process that runs the tests."""

from __future__ import annotations

from flask import Flask

from restock.bootstrap import Services
from restock.config import Settings
from restock.web.app import create_app
from tests.opened import keep_sessions


def open_app(settings: Settings) -> Flask:
    """Build the application. Its services are closed by the test; the sessions of its pool stay for the next one."""
    app = create_app(settings)
    services: Services = app.extensions["restock"]
    assert settings.database_url is not None
    keep_sessions(services.database, settings.database_url.get_secret_value())
    return app
