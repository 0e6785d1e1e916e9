"""Flask without what the application never uses and each request pays for: async views, sessions, a host read twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask.sessions import NullSession, SecureCookieSessionInterface
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_host


class NoSessions(SecureCookieSessionInterface):
    """One empty session for all, which nobody can write to."""

    _none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:  # noqa: ARG002 (Flask calls it so)
        """Give it."""
        return self._none


class LeanFlask(flask.Flask):
    """The same application: its views are plain functions, it has no sessions, and any host may call it."""

    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Give the function back; Flask asks for every hook of every request whether it is a coroutine."""
        return func

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Bind the map to a request, its host judged once; outside a request there is nothing to bind it to."""
        if request is None:
            return None
        environ = request.environ
        request.host = get_host(environ, request.trusted_hosts)
        return self.url_map.bind(
            request.host,
            script_name=_text(environ.get("SCRIPT_NAME", "")),
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            default_method=environ["REQUEST_METHOD"],
            path_info=_text(environ.get("PATH_INFO", "")),
            query_args=_text(environ.get("QUERY_STRING", "")),
        )


def _text(raw: str) -> str:
    """Read a WSGI string (PEP 3333): bytes, one a character."""
    return raw if raw.isascii() else raw.encode("latin-1").decode(errors="replace")
