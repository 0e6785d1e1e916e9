"""Flask without what the application never uses and each request pays for: async views, sessions, a host read twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import signals
from flask.sessions import NullSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import MapAdapter, Rule
from werkzeug.wsgi import get_host

from restock.web.server.inline import inline_routes


class NoSessions(SecureCookieSessionInterface):
    """One empty session for all, which nobody can write to."""

    _none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:  # noqa: ARG002 (Flask calls it so)
        """Give it."""
        return self._none


class LeanFlask(flask.Flask):
    """The same application: its views are plain functions, it has no sessions, and any host may call it.

    Signals are sent where somebody listens. Which rule a hot path leads to is asked of the map once.
    """

    session_interface = NoSessions()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._rules: dict[str, Rule] = {}  # of POSTs to the hot paths

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Give the function back; Flask asks for every hook of every request whether it is a coroutine."""
        return func

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Bind the map to a request, its host judged once; outside a request there is nothing to bind it to.

        None too for a POST to a hot path: its rule is known, and such a view makes no addresses.
        """
        if request is None:
            return None
        environ = request.environ
        if environ["REQUEST_METHOD"] == "POST" and (rule := self._rules.get(environ.get("PATH_INFO", ""))) is not None:
            request.url_rule, request.view_args = rule, {}
            return None
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

    def full_dispatch_request(self) -> flask.Response:
        """Run hooks and view as Flask does."""
        if not self._got_first_request:
            self._got_first_request = True
            self._remember_rules()
        if signals.request_started.receivers or signals.request_finished.receivers:
            return super().full_dispatch_request()
        try:
            answer: ResponseReturnValue | None = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001 (the outer door: the handlers say what is answered)
            answer = self.handle_user_exception(error)
        return self.process_response(self.make_response(answer))

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """End a request as Flask does, where there is anything to end."""
        if self.teardown_request_funcs or signals.request_tearing_down.receivers:
            super().do_teardown_request(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """End a context as Flask does."""
        if signals.appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(exc)
        else:
            for end in reversed(self.teardown_appcontext_funcs):
                end(exc)

    def _remember_rules(self) -> None:
        for path in inline_routes(self):
            rule, values = self.url_map.bind("").match(path, "POST", return_rule=True)
            if not values:
                self._rules[path] = rule


def _text(raw: str) -> str:
    """Read a WSGI string (PEP 3333): bytes, one a character."""
    return raw if raw.isascii() else raw.encode("latin-1").decode(errors="replace")
