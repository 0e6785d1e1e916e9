"""SENTRY_DSN: errors are reported without anything personal, and a missing package is named."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog

from restock.config import Settings
from restock.errors import ConfigurationError
from restock.logs import configure_logging
from restock.sentry import report_errors, without_personal_data

DSN = "https://key@sentry.example.com/1"
PACKAGE = {  # as much of the package as is used
    "__init__.py": """
class BadDsn(ValueError): pass
options, captured = {}, []
def init(**given):
    if not given["dsn"].startswith("https://key@"):
        raise BadDsn(given["dsn"])
    options.update(given)
def capture_exception(error, **about): captured.append((error, about))
def capture_message(text, **about): captured.append((text, about))
""",
    "integrations/__init__.py": "",
    "integrations/atexit.py": "class AtexitIntegration:\n    def __init__(self, callback): pass\n",
    "integrations/excepthook.py": "class ExcepthookIntegration: pass\n",
}


@pytest.fixture
def own_log() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def no_package() -> Iterator[None]:
    """Forget the package before and after, installed or not."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "sentry_sdk"]:
            del sys.modules[name]

    forget()
    yield
    forget()


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_package: None) -> ModuleType:
    for name, source in PACKAGE.items():
        path = tmp_path / "sentry_sdk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return __import__("sentry_sdk")


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(sentry_dsn=DSN)


def test_without_the_setting_nothing_is_loaded(make_settings: Callable[..., Settings], no_package: None) -> None:
    report_errors(make_settings())
    assert "sentry_sdk" not in sys.modules


def test_a_missing_package_stops_the_start_and_says_how_to_get_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_package: None
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ConfigurationError) as caught:
        report_errors(settings)
    assert str(caught.value) == (
        "SENTRY_DSN is set, but sentry-sdk is missing: install it with `pip install 'sentry-sdk[flask]'`, or unset it"
    )


def test_an_address_that_is_none_stops_the_start_and_is_not_repeated(
    make_settings: Callable[..., Settings], sdk: ModuleType, own_log: None
) -> None:
    with pytest.raises(ConfigurationError, match="SENTRY_DSN: must be") as caught:
        report_errors(make_settings(sentry_dsn="canary"))
    assert "canary" not in str(caught.value)


def test_it_is_asked_for_no_personal_data(settings: Settings, sdk: ModuleType, own_log: None) -> None:
    report_errors(settings)
    assert sdk.options["dsn"] == DSN
    assert sdk.options["environment"] == "development"
    assert sdk.options["before_send"] is without_personal_data
    for option in ("send_default_pii", "include_local_variables", "default_integrations", "auto_enabling_integrations"):
        assert sdk.options[option] is False


def test_what_the_log_calls_an_error_is_reported_once_with_its_exception(
    settings: Settings, sdk: ModuleType, own_log: None
) -> None:
    for _ in range(2):  # a process may begin twice: the command and the application it makes
        configure_logging(settings)
        report_errors(settings)
    fault = KeyError("x")
    structlog.get_logger("one").error("request_failed", route="/c/<token>", to="ada@example.com", exc_info=fault)
    logging.getLogger("two").error("no traceback for %s", "ada@example.com")
    try:
        raise fault
    except KeyError:
        logging.getLogger("three").exception("caught")
        structlog.get_logger("four").exception("caught_too")
    structlog.get_logger("five").warning("not_an_error")
    assert [what for what, _ in sdk.captured] == [fault, "no traceback for [email]", fault, fault]
    _, about = sdk.captured[0]
    assert about["level"] == "error"
    assert about["extras"]["event"] == "request_failed"
    assert about["extras"]["route"] == "/c/<token>"
    assert "ada@" not in repr([about for _, about in sdk.captured])


def test_a_report_holds_no_request_no_variables_and_no_address() -> None:
    frame = {"filename": "a.py", "lineno": 7, "context_line": "send('ada@example.com')", "vars": {"to": "canary"}}
    event: dict[str, Any] = {
        "event_id": "1" * 32,
        "level": "error",
        "timestamp": "2026-01-02T03:04:05Z",
        "exception": {"values": [{"value": "no way to +4915112345678", "stacktrace": {"frames": [frame]}}]},
        "extra": {"sys.argv": ["canary"], "link": "/confirm/abcdefghijkl"},
        "request": {
            "url": "https://x.example/canary",
            "query_string": "canary",
            "data": "canary",
            "headers": {"A": "canary"},
            "cookies": {"a": "canary"},
        },
        "user": {"ip_address": "canary"},
        "breadcrumbs": {"values": ["canary"]},
        "server_name": "canary",
    }
    report = without_personal_data(event)
    written = json.dumps(report)
    assert not any(secret in written for secret in ("canary", "ada@", "15112345678", "abcdefghijkl"))
    assert report["event_id"] == "1" * 32
    assert report["exception"]["values"][0]["stacktrace"]["frames"][0]["lineno"] == 7
