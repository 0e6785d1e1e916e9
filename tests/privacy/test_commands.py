"""`restock privacy`: what an operator types, on a database with a request in it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from restock import cli
from tests.flows.story import SHOP, Story
from tests.privacy.test_requests import ADA, ask, post


@pytest.fixture
def environment(story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Story:
    """A terminal in which the story's servers are set."""
    settings = story.settings
    assert settings.database_url
    assert settings.redis_url
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("SECRET_KEY", settings.secret_keys[0])
    monkeypatch.setenv("RESTOCK_DATA_DIR", str(tmp_path / "data"))
    return story


def test_requests_are_listed_and_an_export_is_written_for_its_owner_alone(
    environment: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["privacy", "requests", SHOP]) == 0
    assert "Nothing was asked" in capsys.readouterr().out
    post(environment, ADA)
    ask(environment, "customers/data_request", ADA)
    environment.services.privacy.work_due(seconds=30)
    (line,) = environment.services.privacy.requests(SHOP)

    assert cli.main(["privacy", "requests", SHOP]) == 0
    shown = capsys.readouterr().out
    assert "data_request" in shown
    assert "done" in shown
    assert ADA["email"] not in shown

    page, data = tmp_path / "export.html", tmp_path / "export.json"
    for out in (page, data):
        assert cli.main(["privacy", "export", SHOP, str(line.id), "--out", str(out)]) == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(data.read_text())["held"]["contacts"][0]["address"] == ADA["email"]

    capsys.readouterr()
    assert cli.main(["privacy", "export", SHOP, str(line.id), "--out", str(page)]) == 1
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["requests", "not a shop"], "This is not a shop's domain"),
        (["export", SHOP, "12", "--out", "x.json"], "There is no export for this request"),
    ],
)
def test_what_cannot_be_done_is_said(
    environment: Story, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert cli.main(["privacy", *words]) == 1
    assert sentence in capsys.readouterr().err
    assert not Path("x.json").exists()
