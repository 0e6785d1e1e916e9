"""One line per request: method, route, status, milliseconds, request id. Never a path, a query or an address.

The route's pattern is logged, not the path: paths carry tokens that act for a person.
"""

from __future__ import annotations

import sys
from time import perf_counter, time
from typing import TextIO

from flask import Flask, Response, g, request

from restock.web.errors import request_id

_JSON_LINE = (
    '{"event":"request","level":"info","method":"%s","route":"%s","status":%d,"ms":%.2f,'
    '"request_id":"%s","time":%.3f}\n'
)
_PLAIN_LINE = "%s %s %d %.1f ms %s%.0s\n"  # the time is the terminal's or the collector's
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def register_access_log(app: Flask, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Log every request of the app to `stream` (standard output); written by hand because it is on every hot path."""
    out = stream or sys.stdout

    @app.before_request
    def start() -> None:
        g.started = perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        identity = request_id()
        response.headers["X-Request-Id"] = identity
        rule = request.url_rule
        route = "-" if rule is None else rule.rule
        if route not in _QUIET:
            milliseconds = (perf_counter() - g.get("started", perf_counter())) * 1000
            method = request.method if request.method.isalpha() else "-"
            line = _JSON_LINE if as_json else _PLAIN_LINE
            out.write(line % (method, route, response.status_code, milliseconds, identity, time()))
        return response
