"""Report errors to Sentry where SENTRY_DSN says so; the package is an optional extra, `observability`.

What the log calls an error is reported, and what ends a process. The same net as the log's hangs before it: a report
is made of the few parts named here, every text redacted; requests, people and the values of variables are never in it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from restock.errors import ConfigurationError
from restock.logs import redact, redact_text

if TYPE_CHECKING:
    from restock.config import Settings

_KEPT_AS_IT_IS = frozenset({"event_id", "timestamp", "level", "platform", "sdk", "environment"})
_KEPT_REDACTED = frozenset({"logger", "message", "logentry", "exception", "extra", "tags", "transaction"})
_LEFT_OUT = frozenset({"vars", "sys.argv"})
_SAID_ELSEWHERE = frozenset({"event", "exc_info", "level", "timestamp", "stack_info"})
_SHUTDOWN_SECONDS = 2
_INSTALL = "install it with `pip install 'sentry-sdk[flask]'`"


def report_errors(settings: Settings) -> None:
    """Begin to report this process's errors; without SENTRY_DSN nothing happens. Call it after `configure_logging`.

    Raises ConfigurationError when the package is missing or the address is not one.
    """
    if settings.sentry_dsn is None:
        return
    sdk = _load()
    _start(sdk, settings.sentry_dsn.get_secret_value(), settings.restock_env.value)
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, _Reporter)]
    root.addHandler(_Reporter(sdk))


def without_personal_data(event: dict[str, Any], _hint: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Keep what is named at the head of this module, every text of it redacted; Sentry's `before_send`."""
    kept = {key: value for key, value in event.items() if key in _KEPT_AS_IT_IS}
    return kept | {key: _clean(value) for key, value in event.items() if key in _KEPT_REDACTED}


def _load() -> ModuleType:
    try:
        return import_module("sentry_sdk")
    except ModuleNotFoundError:
        raise ConfigurationError(f"SENTRY_DSN is set, but sentry-sdk is missing: {_INSTALL}, or unset it") from None


def _start(sdk: ModuleType, dsn: str, environment: str) -> None:
    atexit = import_module("sentry_sdk.integrations.atexit")
    excepthook = import_module("sentry_sdk.integrations.excepthook")
    try:
        sdk.init(
            dsn=dsn,
            environment=environment,
            before_send=without_personal_data,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_session_tracking=False,
            default_integrations=False,  # they would listen to every request, query and Redis command
            auto_enabling_integrations=False,
            integrations=[
                atexit.AtexitIntegration(lambda _pending, _timeout: None),
                excepthook.ExcepthookIntegration(),
            ],
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
    except ValueError:  # the package's BadDsn; its text repeats the address, which is a secret
        raise ConfigurationError(
            "SENTRY_DSN: must be a project's address such as https://KEY@sentry.example.com/1"
        ) from None


class _Reporter(logging.Handler):
    """Hands what is logged as an error to Sentry; with its traceback where there is one."""

    def __init__(self, sdk: ModuleType) -> None:
        super().__init__(logging.ERROR)
        self._sdk = sdk

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("sentry_sdk"):
            return
        facts = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        error = _error_of(facts.get("exc_info") or record.exc_info)
        name = redact_text(str(facts.get("event", "")))
        rest = {key: value for key, value in facts.items() if key not in _SAID_ELSEWHERE}
        about = {"level": record.levelname.lower(), "extras": dict(redact(None, "", rest)) | {"event": name}}
        if error is not None:
            self._sdk.capture_exception(error, **about)
        else:
            self._sdk.capture_message(name, **about)


def _error_of(given: object) -> BaseException | None:
    """Find the exception in what logging and structlog take as `exc_info`."""
    if isinstance(given, BaseException):
        return given
    found = given if isinstance(given, tuple) else (sys.exc_info() if given else (None, None, None))
    return found[1] if isinstance(found[1], BaseException) else None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
