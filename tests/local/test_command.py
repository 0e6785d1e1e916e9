"""The `restock` command: what people type, and the sentences they get back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from restock import cli
from restock.commands.shops import print_settings, print_table, read_changes
from restock.config import Settings
from restock.errors import ValidationError
from restock.local.crew.parts import Peers, needs_peers, peer_settings, working_parts
from restock.local.instance import Instance
from restock.local.keys import development_keys
from restock.local.lifeline import StartError
from restock.shops.rules import SettingLine

pytestmark = pytest.mark.usefixtures("_own_environment")


def test_without_a_word_it_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    shown = capsys.readouterr().out
    words = ("run", "web", "worker", "sweep", "migrate", "doctor", "shop", "demo", "peers", "bench")
    assert all(f"    {word} " in shown for word in words)


@pytest.mark.parametrize(("group", "action"), [("shop", "settings"), ("privacy", "export"), ("secrets", "vapid")])
def test_a_word_that_takes_an_action_lists_them_when_it_has_none(
    capsys: pytest.CaptureFixture[str], group: str, action: str
) -> None:
    assert cli.main([group]) == 2
    shown = capsys.readouterr().out
    assert f"usage: restock {group} " in shown
    assert f"    {action} " in shown


def test_settings_are_told_with_what_may_be_chosen_and_fit_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    allowed = "a web address of at most 500 characters with {handle}, and {shop} where the shop's domain goes"
    print_settings([SettingLine("policy", "strict", "fair", "fair or strict"), SettingLine("origins", "", "", allowed)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "policy   strict  (default: fair)"
    assert lines[1] == "         fair or strict"
    assert lines[2].startswith("origins  –")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("words", [["x=1", "--json"], ["explain", "1", "more"], ["shop", "settings", "a", "--wet"]])
def test_words_no_command_knows_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    assert refused.value.code == 2


def test_every_setting_that_is_wrong_is_named_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("WORKERS", "0")
    assert cli.main(["run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["PORT", "WORKERS"]


def test_production_without_servers_names_all_that_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOCK_ENV", "production")
    assert cli.main(["worker"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"))
    assert "Traceback" not in said


def test_a_data_directory_that_cannot_be_made_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESTOCK_DATA_DIR", str(tmp_path / "file" / "data"))
    assert cli.main(["run"]) == 1
    assert "set RESTOCK_DATA_DIR to another folder" in capsys.readouterr().err


def test_changes_of_settings_are_key_and_value_and_every_other_word_is_named() -> None:
    assert read_changes(["policy=strict", "origins="]) == {"policy": "strict", "origins": ""}
    with pytest.raises(ValidationError) as refused:
        read_changes(["policy", "=x", "expire_days=30"])
    assert [fault.field for fault in refused.value.faults] == ["policy", "=x"]


def test_tables_are_aligned_and_have_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONG"), [("wide cell", ""), ("x", "y")])
    assert capsys.readouterr().out == "A          LONG\nwide cell\nx          y\n"


def test_keys_are_made_once_kept_privately_and_are_the_same_for_everybody(tmp_path: Path) -> None:
    first = development_keys(tmp_path)
    assert development_keys(tmp_path) == first
    assert all(len(value) >= 32 for value in first.values())
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


def test_keys_that_cannot_be_read_are_not_replaced(tmp_path: Path) -> None:
    """New keys would make every link and sealed secret of the old ones worthless: a person decides that."""
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(StartError, match="mend it, or remove it"):
        development_keys(tmp_path)
    assert (tmp_path / "keys.json").read_text() == "{"


def test_production_makes_no_keys(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        restock_env="production",  # type: ignore[arg-type]
        restock_data_dir=tmp_path / "data",
        database_url="postgresql://db/restock",  # type: ignore[arg-type]
        redis_url="redis://:secret@cache/0",  # type: ignore[arg-type]
        secret_key="0123456789abcdef0123456789abcdef",  # type: ignore[arg-type]
    )
    assert Instance(settings).keys() == {}
    assert not needs_peers(settings)
    assert not (tmp_path / "data").exists()


def test_a_channel_with_a_real_provider_gets_no_stand_in(tmp_path: Path) -> None:
    keys = development_keys(tmp_path)
    peers = Peers(2525, 9010, 9020, "http://127.0.0.1:8000", tmp_path)
    real = Settings(_env_file=None, smtp_url="smtp://mail.example.com")  # type: ignore[call-arg, arg-type]
    assert "SMTP_URL" not in peer_settings(real, peers, keys)
    bare = Settings(_env_file=None)  # type: ignore[call-arg]
    assert peer_settings(bare, peers, keys)["SMTP_URL"] == "smtp://127.0.0.1:2525"
    assert peer_settings(bare, peers, keys)["SHOPIFY_ADMIN_URL"] == "http://127.0.0.1:9020/{shop}"
    own_app = Settings(_env_file=None, shopify_api_key="a real app's")  # type: ignore[call-arg]
    assert "SHOPIFY_ADMIN_URL" not in peer_settings(own_app, peers, keys)
    assert Settings(_env_file=None, **{n.lower(): v for n, v in peer_settings(bare, peers, keys).items()})  # type: ignore[call-arg, arg-type]


def test_every_queue_has_a_worker_and_there_are_as_many_deliverers_as_asked_for() -> None:
    parts = working_parts(Settings(_env_file=None, workers=3))  # type: ignore[call-arg]
    assert [part.words for part in parts] == [
        ("web",), ("worker", "stock"), *[("worker", "deliveries")] * 3, ("sweep",),
    ]  # fmt: skip
    assert len({part.name for part in parts}) == len(parts)


def test_a_free_data_directory_has_no_card_even_after_a_crash(tmp_path: Path) -> None:
    instance = Instance(Settings(_env_file=None, restock_data_dir=tmp_path))  # type: ignore[call-arg]
    (tmp_path / "lock").write_text("1")
    (tmp_path / "runtime.json").write_text('{"DATABASE_URL": "postgresql://gone"}')
    assert instance.published() is None


def test_only_one_holds_a_data_directory_and_its_card_can_be_read(tmp_path: Path) -> None:
    instance = Instance(Settings(_env_file=None, restock_data_dir=tmp_path))  # type: ignore[call-arg]
    with instance.claimed():
        instance.publish({"DATABASE_URL": "postgresql://here"})
        assert instance.published() == {"DATABASE_URL": "postgresql://here"}
        with pytest.raises(StartError, match=rf"already runs on .* \(process {os.getpid()}\)"), instance.claimed():
            pass
        assert instance.published() is not None, "a refused start leaves the card of the running one alone"
    assert instance.published() is None
