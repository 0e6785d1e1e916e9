"""The whole program, started as a person starts it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from restock import cli
from restock.config import Settings
from tests.local.processes import descendants, is_alive, wait_until
from tests.local.starts import ROOT, Start

pytestmark = pytest.mark.whole_app
WELCOME = "Ctrl-C stops everything."


@pytest.fixture
def app(data_folder: Path) -> Iterator[Start]:
    """A start that has come to its welcome."""
    start = Start("restock.cli", data_folder)
    try:
        yield start.until(WELCOME)
    finally:
        start.process.kill()
        start.ended()


def command(data: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return subprocess.run(
        [sys.executable, "-m", "restock.cli", *words],
        cwd=ROOT,
        env=clean | {"RESTOCK_DATA_DIR": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def get(begun: Start, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(begun.card()["PORT"]), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def leaves_an_intent(begun: Start) -> bool:
    """Do what the README's `curl` does: leave an intent at the playground's shop."""
    intent = {"shopify_variant_id": 45120000102, "shopify_product_id": 8412300010, "channel": "email"}
    body = json.dumps({"intent": intent, "customer": {"email": "ada@example.com", "accepts_marketing": False}})
    headers = {"Content-Type": "application/json", "X-Shopify-Shop-Domain": "playground.myshopify.com"}
    connection = http.client.HTTPConnection("127.0.0.1", int(begun.card()["PORT"]), timeout=60)
    connection.request("POST", "/api/v1/intents.json", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status == 201


def test_it_starts_answers_takes_commands_and_stops_on_ctrl_c(app: Start) -> None:
    """What the welcome names can be opened, and a command run by hand works on the same database.

    The playground takes intents before anybody has looked at its page.
    """
    wait_until(lambda: leaves_an_intent(app), what="the playground's shop")
    status, body = get(app, "/readyz")
    assert (status, json.loads(body)["status"]) == (200, "ready")
    named = re.findall(rf"http://127\.0\.0\.1:{app.card()['PORT']}(/\S*)", app.printed)
    assert "/playground" in named
    assert {path: get(app, path)[0] for path in named} == dict.fromkeys(named, 200)

    added = command(app.data, "shop", "add", "by-hand.myshopify.com")
    assert added.returncode == 0, added.stderr
    assert "by-hand.myshopify.com" in command(app.data, "shop", "list").stdout
    doctor = command(app.data, "doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "✗" not in doctor.stdout

    family = descendants(app.process.pid)
    app.process.send_signal(signal.SIGINT)
    assert app.ended() == 0
    assert not any(is_alive(pid) for pid in family)
    assert "Traceback" not in app.printed


def test_kill_9_leaves_no_process_and_the_next_start_finds_every_row(app: Start) -> None:
    assert command(app.data, "shop", "add", "kept.myshopify.com").returncode == 0
    family = descendants(app.process.pid)
    app.process.kill()
    app.ended()
    wait_until(lambda: not any(is_alive(pid) for pid in family), what="the end of every process")
    again = Start("restock.cli", app.data).until(WELCOME)
    try:
        assert "kept.myshopify.com" in command(app.data, "shop", "list").stdout
    finally:
        again.process.terminate()
        assert again.ended() == 0


@pytest.mark.usefixtures("_own_environment")
def test_commands_work_while_nothing_runs_and_leave_nothing_running(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.environ["RESTOCK_DATA_DIR"] = str(data_folder)
    assert cli.main(["shop", "add", "alone.myshopify.com"]) == 0
    assert cli.main(["shop", "settings", "alone.myshopify.com", "expire_days=30"]) == 0
    assert "expire_days  30" in capsys.readouterr().out
    assert cli.main(["shop", "settings", "nobody.myshopify.com"]) == 1
    assert "not a shop here" in capsys.readouterr().err
    assert not (data_folder / "runtime.json").exists()
    assert not (data_folder / "postgres" / "postmaster.pid").exists()


@pytest.mark.usefixtures("_own_environment")
def test_a_database_that_is_away_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    os.environ.update(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1/0")
    assert cli.main(["shop", "list"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("The database does not answer: check DATABASE_URL")
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert re.search(r"✗ database +does not answer", shown)
    assert re.search(r"✗ valkey +does not answer", shown)
