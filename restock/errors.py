"""The errors the program speaks of, each with a stable code and a message safe to show.

No message may carry an address, a token or a push endpoint. `ConfigurationError` stands outside the root on purpose,
so that nothing that handles ordinary errors swallows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """Every code an answer can carry in `error.code`."""

    VALIDATION_ERROR = "VALIDATION_ERROR"  # 400: one or more fields are wrong; `details` names each
    MALFORMED_JSON = "MALFORMED_JSON"  # 400: the body is not one well-formed JSON object
    UNAUTHORIZED = "UNAUTHORIZED"  # 401: the signature or key is missing or wrong
    FORBIDDEN = "FORBIDDEN"  # 403: known, but not allowed to do this
    NOT_FOUND = "NOT_FOUND"  # 404: no such thing here, or it belongs to someone else
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"  # 405: this address does not take this method
    CONFLICT = "CONFLICT"  # 409: the thing's state does not allow it
    CHANNEL_DISABLED = "CHANNEL_DISABLED"  # 409: the shop does not offer this channel
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"  # 413: the body is larger than this address takes
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"  # 415: the body must be application/json
    RATE_LIMITED = "RATE_LIMITED"  # 429: too many in this minute; `Retry-After` says when to come back
    INTERNAL_ERROR = "INTERNAL_ERROR"  # 500: our fault; `request_id` finds it in the log
    UNAVAILABLE = "UNAVAILABLE"  # 503: the database is away; `Retry-After` says when to come back


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: its dotted path, a stable code, and a sentence that says how to mend it."""

    field: str
    code: str
    message: str


class ConfigurationError(Exception):
    """Refuse to start: a setting is missing or wrong, and the message says how to mend it."""


class RestockError(Exception):
    """The root of everything a caller can be told."""

    code = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)
        self.retry_after_seconds = retry_after_seconds


class ValidationError(RestockError):
    """One or more fields are wrong; `faults` has all of them."""

    code = ErrorCode.VALIDATION_ERROR


class MalformedJsonError(RestockError):
    """The body is not one well-formed JSON object."""

    code = ErrorCode.MALFORMED_JSON


class UnauthorizedError(RestockError):
    """The signature or key is missing or wrong."""

    code = ErrorCode.UNAUTHORIZED


class ForbiddenError(RestockError):
    """Known, but not allowed to do this."""

    code = ErrorCode.FORBIDDEN


class NotFoundError(RestockError):
    """No such thing here, or it belongs to someone else."""

    code = ErrorCode.NOT_FOUND


class ConflictError(RestockError):
    """The thing's state does not allow it."""

    code = ErrorCode.CONFLICT


class ChannelDisabledError(RestockError):
    """The shop does not offer this channel."""

    code = ErrorCode.CHANNEL_DISABLED


class PayloadTooLargeError(RestockError):
    """The body is larger than this address takes."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class UnsupportedMediaTypeError(RestockError):
    """The body must be application/json."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class RateLimitedError(RestockError):
    """Too many in this minute."""

    code = ErrorCode.RATE_LIMITED


class UnavailableError(RestockError):
    """A part we cannot do without is away; nothing was written."""

    code = ErrorCode.UNAVAILABLE
