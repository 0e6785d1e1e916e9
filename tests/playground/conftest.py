"""A served playground: the real application on a real port, its webhooks applied when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from restock.bootstrap import Services
from restock.config import Settings
from restock.web.app import create_app


@dataclass(frozen=True)
class Store:
    """The application and its services."""

    app: Flask
    services: Services

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def apply_webhooks(self) -> None:
        """Do what the worker would: give every received webhook its effects."""
        while self.services.inbox.apply_due():
            pass


@pytest.fixture
def store(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int
) -> Iterator[Store]:
    """The playground listening on a port of its own."""
    settings = make_settings(
        database_url=clean_database,
        redis_url=redis_url,
        port=free_port,
        settle_seconds=0,
        smtp_url="smtp://127.0.0.1:1",  # providers are configured, but nothing is sent in these tests
        twilio_account_sid=f"AC{'0' * 32}",
        twilio_auth_token="secret",
        twilio_from="+15005550006",
    )
    app = create_app(settings)
    services: Services = app.extensions["restock"]
    server = make_server("127.0.0.1", free_port, app)

    def serve() -> None:
        server.serve_forever(poll_interval=0.01)
        services.database.drop_hot()  # this thread's own connection

    thread = threading.Thread(target=serve)
    thread.start()
    yield Store(app, services)
    server.shutdown()
    thread.join()
    server.server_close()
    services.database.dispose()
