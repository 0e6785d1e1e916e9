"""The whole web application, for the tests of its structure."""

from __future__ import annotations

import pytest
from flask import Flask

from restock.config import Settings
from restock.web.app import create_app


@pytest.fixture
def web_app(settings: Settings) -> Flask:
    """The application of a development instance, with every blueprint."""
    return create_app(settings)
