"""How an error becomes an answer: one envelope for every status (http.md), chosen here and nowhere else.

An answer never carries an address, a token, or the text of a database or provider error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import psycopg
import sqlalchemy.exc
import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from restock.errors import ErrorCode, Fault, RestockError, UnavailableError
from restock.ids import new_request_id

log = structlog.get_logger(__name__)

REQUEST_ID = "restock.request_id"  # where the access log keeps a request's id in its WSGI environment

STATUS = {
    ErrorCode.VALIDATION_ERROR: 400,
    ErrorCode.MALFORMED_JSON: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.CONFLICT: 409,
    ErrorCode.CHANNEL_DISABLED: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.UNAVAILABLE: 503,
}

_HTTP_CODES = {
    400: ErrorCode.MALFORMED_JSON,
    401: ErrorCode.UNAUTHORIZED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    408: ErrorCode.UNAVAILABLE,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.UNAVAILABLE,
}
_HTTP_MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    408: "The body did not come in time; please send it again.",
    413: "The body is larger than this address takes.",
    415: "Send the body as application/json.",
}


def request_id() -> str:
    """Give this request's id, the same for its answer and its log lines."""
    environ = request.environ
    if REQUEST_ID not in environ:  # an application without the access log
        environ[REQUEST_ID] = new_request_id()
    return str(environ[REQUEST_ID])


def envelope(code: ErrorCode, message: str, faults: Sequence[Fault] = ()) -> dict[str, object]:
    """Build the body every error has: `error` for programs, `errors` (sentences) for clients of the original API."""
    details = [{"field": f.field, "code": f.code, "message": f.message} for f in faults]
    sentences = [f"{f.field}: {f.message}" for f in faults] or [message]
    return {
        "error": {"code": code.value, "message": message, "details": details, "request_id": request_id()},
        "errors": sentences,
    }


def error_response(error: RestockError) -> Response:
    """Render one error that the caller may be told."""
    body = json.dumps(envelope(error.code, error.message, error.faults))
    response = Response(body, STATUS[error.code], mimetype="application/json")
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def register_error_handlers(app: Flask) -> None:
    """Make every failure of every route answer with the envelope."""
    app.register_error_handler(RestockError, error_response)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(psycopg.OperationalError, _database_away)
    app.register_error_handler(sqlalchemy.exc.OperationalError, _database_away)
    app.register_error_handler(sqlalchemy.exc.TimeoutError, _database_away)
    app.register_error_handler(Exception, _our_fault)


def http_error(error: HTTPException) -> Response:
    """Render what Flask itself refuses; a redirect stays one."""
    if error.code is not None and error.code < 400:
        return error.get_response()  # type: ignore[return-value]  # a redirect is no failure
    status = error.code or 500
    code = _HTTP_CODES.get(status, ErrorCode.INTERNAL_ERROR)
    message = _HTTP_MESSAGES.get(status, "The request could not be understood.")
    allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ())) if status == 405 else ""
    if allowed:
        message = f"{message} It takes {allowed}."
    response = Response(json.dumps(envelope(code, message)), status, mimetype="application/json")
    if allowed:
        response.headers["Allow"] = allowed
    return response


def _database_away(error: Exception) -> Response:
    log.warning("database_away", error=type(error).__name__, request_id=request_id())
    return error_response(UnavailableError("Please try again in a few seconds.", retry_after_seconds=5))


def log_our_fault(error: Exception) -> None:
    """Log whole what was not foreseen, under the request's id."""
    route = request.url_rule.rule if request.url_rule else "?"
    log.error("request_failed", route=route, request_id=request_id(), exc_info=error)


def _our_fault(error: Exception) -> Response:
    # The outer door: whatever was not foreseen is told to nobody.
    log_our_fault(error)
    return error_response(RestockError("Something went wrong on our side."))
