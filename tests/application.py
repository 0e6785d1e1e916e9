"""The whole application for a test, on the sessions of the process that runs the tests."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import ClassVar

from flask import Flask
from werkzeug.routing import Rule

from restock.bootstrap import Services
from restock.config import Settings
from restock.web.app import create_app
from tests.opened import keep_sessions

Builder = Callable[..., tuple[str, str]]


class KnownRule(Rule):
    """A route whose way to write an address is compiled once in a process: half of what an application costs."""

    _known: ClassVar[dict[Hashable, Builder]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        if self.defaults:
            return super()._compile_builder(append_unknown)
        shape = (*self._trace, append_unknown)  # all that the way depends on: who calls it brings the converters
        if shape not in self._known:
            self._known[shape] = super()._compile_builder(append_unknown)
        return self._known[shape]


Flask.url_rule_class = KnownRule


def open_app(settings: Settings) -> Flask:
    """Build the application. Its services are closed by the test; the sessions of its pool stay for the next one."""
    app = create_app(settings)
    services: Services = app.extensions["restock"]
    assert settings.database_url is not None
    keep_sessions(services.database, settings.database_url.get_secret_value())
    return app


def bare_app(name: str) -> Flask:
    """Make an application without a door, for the doors a test is about."""
    return Flask(name)
