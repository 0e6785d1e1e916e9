"""One line per request: method, route, status, milliseconds, request id. Never a path, a query or an address.

The route's pattern is logged, not the path: paths carry tokens that act for a person. It wraps the application, because
Flask's own hooks cost more than all that is done here.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.util import Finalize
from time import perf_counter, sleep, time
from typing import TYPE_CHECKING, Any, TextIO

from restock.ids import new_request_id
from restock.web.errors import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WRITE_EVERY_SECONDS = 0.1
_JSON_LINE = (
    '{"event":"request","level":"info","method":"%s","route":"%s","status":%s,"ms":%.2f,'
    '"request_id":"%s","time":%.3f}\n'
)
_PLAIN_LINE = "%s %s %s %.1f ms %s%.0s\n"  # the time is the terminal's
_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/playground/state", "/playground/outbox"})  # asked all the time


class LineWriter:
    """Write lines a few times a second from one thread.

    A write gives up the interpreter, and a thread of a busy server then waits for its turn again. A killed process
    loses at most the lines of the last WRITE_EVERY_SECONDS.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._pid = 0
        Finalize(None, self.flush, exitpriority=0)  # unlike atexit, in a forked worker of the server's too

    def add(self, line: str) -> None:
        """Keep a line for the next write; the thread begins with the first line of a process."""
        self._lines.append(line)
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="access-log", daemon=True).start()

    def flush(self) -> None:
        """Write what is kept."""
        lines: list[str] = []
        with suppress(IndexError):  # another flush, at a process's end, may take some of them: each is taken once
            while True:
                lines.append(self._lines.popleft())
        if lines:
            stream = self._stream or sys.stdout
            with suppress(ValueError, OSError):  # the stream was closed under us: nobody reads any more
                stream.write("".join(lines))
                stream.flush()

    def _run(self) -> None:
        while True:
            sleep(WRITE_EVERY_SECONDS)
            self.flush()


class AccessLog:
    """Give each request its id, pass it on, and keep its line."""

    def __init__(self, application: WSGIApplication, *, as_json: bool, stream: TextIO | None = None) -> None:
        self._application = application
        self._line = _JSON_LINE if as_json else _PLAIN_LINE
        self._lines = LineWriter(stream)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = perf_counter()
        identity = environ[REQUEST_ID] = new_request_id()

        def started(line: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            route = _route(environ)
            if route not in _QUIET:
                method = environ["REQUEST_METHOD"]
                milliseconds = (perf_counter() - began) * 1000
                self._lines.add(
                    self._line % (method if method.isalpha() else "-", route, line[:3], milliseconds, identity, time())
                )
            headers.append(("X-Request-Id", identity))
            return start_response(line, headers, *failure)

        return self._application(environ, started)


def _route(environ: WSGIEnvironment) -> str:
    """Find the pattern of the route that answers; `-` when none does. Flask forgets it when the answer is out."""
    request = environ.get("werkzeug.request")
    rule = None if request is None else request.url_rule
    return "-" if rule is None else str(rule.rule)
