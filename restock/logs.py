"""Set up the log: one line per event, JSON or console, and nothing personal in it.

The last thing before a line is written is `redact`: by the name of a field, and by what a text looks like (addresses,
phone numbers, push endpoints, tokens), in exception texts and lines of other libraries too. It is a net, not a licence:
code still never logs an address. Line breaks and control characters are encoded, so nobody forges a line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_LONGEST_TEXT = 8_192
_LONGEST_TRACEBACK = 32_768
_DEEPEST = 6

_SECRET_WORDS = frozenset((
    "email", "mail", "phone", "address", "addresses", "recipient", "recipients", "token", "tokens",
    "authorization", "auth", "push", "endpoint", "keys", "secret", "secrets", "password", "passwd", "cookie",
    "cookies", "signature", "hmac", "p256dh", "credential", "credentials", "subscription",
))  # fmt: skip
_OWN_KEYS = frozenset({"timestamp", "level", "logger"})
_TRACEBACK_KEYS = frozenset({"exception", "stack"})
_QUIET_LOGGERS = (
    "urllib3",
    "httpx",
    "httpcore",
    "twilio",
    "mail",
    "aiosmtpd",
    "asyncio",
    "werkzeug",
    "rq",
    "alembic",
    "sqlalchemy",
)

# One cheap look decides whether any of the patterns below can match at all.
_SUSPECT = re.compile(
    r"[@%+=\[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\d{3}.*\d{3}|://|/|_|eyJ|(?i:bearer|basic|vapid)"
)

_URL_TOKENS = "token|id_token|access_token|code|hmac|signature|session|email|phone|address|d|state"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\[parameters: .*\]", re.DOTALL), "[parameters: redacted]"),  # SQLAlchemy prints bound values
    (re.compile(r"(://)[^/\s@\"']+@"), rf"\1{REDACTED}@"),  # user and password of an address
    (
        re.compile(
            r"(https?://[\w.-]*(?:fcm\.googleapis|android\.googleapis|push\.services\.mozilla|push\.apple"
            r"|notify\.windows)\.com(?::\d+)?)[/?][^\s\"'<>]*",
            re.IGNORECASE,
        ),
        rf"\1/{REDACTED}",
    ),
    (re.compile(r"/(?:fcm/send|gcm/send|wpush/v\d|wp|w/\?token=)[/=]?[\w:.~%+-]+"), f"/{REDACTED}"),
    (re.compile(r"(with url: )\S+"), rf"\1{REDACTED}"),  # urllib3 prints the path without its host
    (re.compile(r"/(c|confirm|unsubscribe|preferences|decline)/[\w.%~-]{8,}"), rf"/\1/{REDACTED}"),
    (re.compile(rf"([?&;](?:{_URL_TOKENS})=)[^&\s\"'#]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"\b(?:shp[a-z]{2}|rk_live|rk_test)_\w+"), REDACTED),
    (re.compile(r"\b(bearer|basic|vapid)\s+[\w.~+/=,-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), REDACTED),  # a JSON web token
    (re.compile(r"[^\s@<>\"'(),;:=\[\]{}&?/]{1,80}(?:@|%40)[\w-]+(?:\.[\w-]+)*", re.IGNORECASE), "[email]"),
)
_NUMBER = re.compile(r"(?<![\w./-])\+?\(?\d(?:[ ().\-\u00a0\u202f]{0,2}\d){6,}(?!\w)")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_FLOAT = re.compile(r"\d+\.\d+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_BREAKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class LogSettings(Protocol):
    """What the log needs to know; `restock.config.Settings` is one."""

    @property
    def log_format(self) -> str | None: ...

    @property
    def is_production(self) -> bool: ...


def configure_logging(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Route structlog and the standard library's loggers through one redacting handler on `stream` (stderr).

    May be called again; the last call counts.
    """
    as_json = (settings.log_format or ("json" if settings.is_production else "console")) == "json"
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(as_json: bool) -> logging.Formatter:
    renderer: Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer(serializer=json.dumps)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # a plain traceback: source lines, never the values of variables
            redact,
            renderer,
        ],
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take everything personal or secret out of one event; the structlog processor before the renderer."""
    return {
        _key(key): value if key in _OWN_KEYS and type(value) is str else _field(key, value, 0)
        for key, value in event.items()
    }


def redact_text(text: str) -> str:
    """Take addresses, numbers, endpoints and tokens out of a text and encode its control characters."""
    return _CONTROL.sub(_escape, _without_secrets(text, _LONGEST_TEXT)) if _SUSPECT.search(text) else text


def _traceback(text: str) -> str:
    """Keep the line breaks, indented, so that a message inside cannot pass for a line of the log."""
    clean = _CONTROL_BUT_BREAKS.sub(_escape, _without_secrets(text, _LONGEST_TRACEBACK))
    return clean.replace("\n", "\n    ")


def _without_secrets(text: str, longest: int) -> str:
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text)} characters)"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _NUMBER.sub(_number, text)


def _number(match: re.Match[str]) -> str:
    """Hide what may be a phone number: with `+` from 7 digits, without from 10 to 15; dates and fractions stay."""
    text = match[0]
    digits = sum(c.isdigit() for c in text)
    if text.startswith("+") or (digits >= 10 and not _ISO_DATE.match(text) and not _FLOAT.fullmatch(text)):
        return "[number]"
    return text


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _key(key: object) -> str:
    return redact_text(key) if isinstance(key, str) else redact_text(repr(key))


def _field(key: object, value: Any, depth: int) -> Any:
    if isinstance(key, str):
        if key in _TRACEBACK_KEYS and isinstance(value, str):
            return _traceback(value)
        if _is_secret(key):
            return value if _is_count(value) else REDACTED
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {_key(key): _field(key, inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_value(inner, depth + 1) for inner in value]
    return redact_text(repr(value))


def _is_secret(key: str) -> bool:
    words = key.replace("-", "_").lower().split("_")
    return not _SECRET_WORDS.isdisjoint(words)


def _is_count(value: object) -> bool:
    """Let `token_count=3` or `push=True` pass, but not a phone number given as an integer."""
    return value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10_000_000)
