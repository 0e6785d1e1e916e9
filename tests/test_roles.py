"""Each process loads what its role does, and no more: what it carries is memory that every one of them takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.fanout.worker import ONLY_DEVELOPERS_HAVE

ROOT = Path(__file__).parent.parent
EMAIL = {
    "RESTOCK_ENV": "production",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://:secret@127.0.0.1:1",
    "SECRET_KEY": "a-signing-secret-for-tests-00001",
    "APP_URL": "https://restock.example.com",
    "SMTP_URL": "smtp://127.0.0.1:1",
}
SMS = EMAIL | {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "secret", "TWILIO_FROM": "+15005550006"}

_WORKER = """
from restock.commands.surroundings import surroundings
with surroundings() as settings:
    import restock.worker.main
    from restock.jobs import Queue
    from restock.worker.process import adopt, current_services
    from restock.worker.stopping import NeverStop
    adopt(settings, NeverStop(), Queue("{queue}"))
    services = current_services()
"""
_SWEEPER = """
from restock.commands.surroundings import surroundings
with surroundings() as settings:
    from restock.worker.sweeper import build_services, chain_of, steps_of
    from restock.worker.stopping import NeverStop
    services = build_services(settings)
    steps_of(services, chain_of(services, NeverStop()))
"""
_WEB = """
from restock.web.app import create_wsgi_app
services = create_wsgi_app().extensions["restock"]
"""
_HELP = """
from restock.cli import build_parser
build_parser().format_help()
services = None
"""
_EXPLAIN = """
import restock.commands.explain
from restock.bootstrap import build_services
from restock.commands.surroundings import surroundings
with surroundings() as settings:
    services = build_services(settings)
    services.reports, services.shops, services.merchant_reports
"""
_SAY = """
import sys
if services is not None:  # whatever is written refers to tables that are known
    from restock.tables import Base
    list(Base.metadata.sorted_tables)
print("\\n".join(sys.modules))
"""
_PEAK = """
from pathlib import Path
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""

SENDING = {
    "twilio",
    "pywebpush",
    "py_vapid",
    "http_ece",
    "aiohttp",
    "requests",
    "smtplib",
    "restock.channels.email.dkim",
}
TEXTS = {"liquid", "mjml"}  # shops' own
SHOPIFY = {"shopify", "httpx", "restock.catalog.service", "restock.shopify.admin_api"}
DOORS = {"restock.web", "restock.playground", "restock.reports", "granian", "prometheus_client", "graphql", "jwt"}
FLASK = {"flask", "flask_sqlalchemy", "werkzeug", "click", "blinker"}  # whoever serves no request has none of it
TYPED = {"email_validator", "phonenumbers", "dns"}  # what reads an address somebody typed
NEVER = {"sentry_sdk", "alembic", "flask_migrate", "graphql"}
CHECKS = {"pydantic", "pydantic_core", "pydantic_settings", "dotenv"}  # a child's, which reads the settings and ends
ELSEWHERE = FLASK | CHECKS | NEVER
SEALS = "cryptography.hazmat"
NOTHING = {"sqlalchemy", "flask", "pydantic", "redis", "psycopg", "structlog"}


@pytest.mark.parametrize(
    ("role", "settings", "without"),
    [
        (_HELP, {}, NOTHING | SENDING | TEXTS | SHOPIFY | DOORS | TYPED | NEVER),
        (
            _EXPLAIN,
            EMAIL,
            SENDING - {"smtplib"} | TEXTS | SHOPIFY | ELSEWHERE | {SEALS, "restock.worker", "restock.inbox"},
        ),
        (
            _WORKER.format(queue="deliveries"),
            EMAIL,
            SENDING - {"smtplib"} | TEXTS | SHOPIFY | DOORS | TYPED | ELSEWHERE | {SEALS, "urllib3", "restock.inbox"},
        ),
        (
            _WORKER.format(queue="deliveries"),
            SMS,
            SENDING - {"smtplib", "twilio", "requests", "aiohttp"} | TEXTS | SHOPIFY | DOORS | ELSEWHERE | {SEALS},
        ),
        (_WORKER.format(queue="stock"), SMS, SENDING - {"smtplib"} | TEXTS | DOORS | ELSEWHERE | {SEALS}),
        (_SWEEPER, SMS, SENDING - {"smtplib"} | TEXTS | DOORS - {"restock.reports"} | ELSEWHERE | {SEALS}),
        (_WEB, SMS, SENDING - {"smtplib", "twilio"} | NEVER | {"restock.worker"}),
    ],
    ids=["help", "explain", "deliveries by e-mail", "deliveries by SMS", "stock", "sweeper", "web"],
)
def test_a_process_loads_nothing_of_what_its_role_never_does(
    role: str, settings: dict[str, str], without: set[str], tmp_path: Path
) -> None:
    loaded = modules_of(role, settings, tmp_path)
    assert sorted(loaded & without) == []


def test_a_delivery_worker_has_loaded_what_sends_before_the_first_message(tmp_path: Path) -> None:
    loaded = modules_of(_WORKER.format(queue="deliveries"), SMS, tmp_path)
    assert {"twilio.rest", "restock.channels.sms.channel", "restock.channels.email.channel"} <= loaded


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process has taken at most")
def test_a_delivery_worker_leaves_room_for_its_messages_below_100_megabytes(tmp_path: Path) -> None:
    """By e-mail it has some 75 when nothing is to be told yet; at work it takes 15 more, however many are told."""
    said = run(_WORKER.format(queue="deliveries") + _PEAK, EMAIL, tmp_path)
    assert int(said.split()[1]) < 85 * 1024


def test_the_watched_worker_does_without_nothing_that_an_installation_has() -> None:
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert "sqlalchemy" in locked
    assert not locked & set(ONLY_DEVELOPERS_HAVE)


def modules_of(role: str, settings: dict[str, str], folder: Path) -> set[str]:
    """Start a process as its role does, and list what it has loaded."""
    return set(run(role + _SAY, settings, folder).split())


def run(code: str, settings: dict[str, str], folder: Path) -> str:
    """Run a process on settings of its own, without what only developers have; return what it prints."""
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({ONLY_DEVELOPERS_HAVE!r}))\n"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | settings
    found = subprocess.run(
        [sys.executable, "-c", hidden + code], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout
