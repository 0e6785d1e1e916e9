"""A request of granian's RSGI interface as a WSGI environment (PEP 3333), built as granian's own WSGI does.

RSGI: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MOST_NAMES = 1000  # strangers can make up header names; they must not fill the memory
_BASE: dict[str, Any] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
_names: dict[str, str] = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class Headers(Protocol):
    """The headers of a request, their names in lower case."""

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """What RSGI says of a request before its body."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None

    @property
    def headers(self) -> Headers: ...


def wsgi_environ(scope: Scope) -> WSGIEnvironment:
    """Build the environment; `wsgi.input` is still to come.

    A header sent twice becomes one with a comma. One with an underscore in its name is left out: it could pass for
    another.
    """
    environ = _BASE.copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = _as_bytes(scope.path)
    environ["QUERY_STRING"] = _as_bytes(scope.query_string)
    environ["SERVER_PROTOCOL"] = "HTTP/" + scope.http_version
    environ["wsgi.url_scheme"] = scope.scheme
    environ["REMOTE_ADDR"], _ = _address(scope.client)
    environ["SERVER_NAME"], environ["SERVER_PORT"] = _address(scope.server)
    for name, value in scope.headers.items():
        key = _names.get(name) or _key(name)
        if key not in environ:
            environ[key] = value
        elif key:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
    environ.pop("", None)
    if "HTTP_HOST" not in environ and scope.authority:  # HTTP/2
        environ["HTTP_HOST"] = scope.authority
    return environ


def _as_bytes(text: str) -> str:
    """Write a text as PEP 3333 has it: its bytes in UTF-8, one a character."""
    return text if text.isascii() else text.encode().decode("latin-1")


def _address(end: str) -> tuple[str, str]:
    """Take the end of a connection apart; an IPv6 address comes in brackets, which are no part of it."""
    host, _, port = end.rpartition(":")
    return host.strip("[]"), port


def _key(name: str) -> str:
    """Say under which key a header stands; empty: nowhere."""
    key = "" if "_" in name else "HTTP_" + name.upper().replace("-", "_")
    if len(_names) < _MOST_NAMES:
        _names[name] = key
    return key
