"""`restock shop state` and `restock shop confirm`: the first page's facts and its one button, in a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from restock import cli
from restock.shops.values import Shop
from tests.web.admin.conftest import DOMAIN, SECRET, House
from tests.web.admin.crowd import VARIANTS, fill, hold_back, pass_over


@pytest.fixture
def terminal(house: House, kettle: Shop, clean_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    """A terminal in which the servers are set, and a shop with two variants held back."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": clean_database,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "a-key-for-tests-only-000000000001",
        "SHOPIFY_API_SECRET": SECRET,
        "RESTOCK_DATA_DIR": str(tmp_path / "data"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    fill(house.database, kettle, 60, gap_seconds=20_000)
    hold_back(house.database, kettle, *VARIANTS[:2])
    return house


def variants_held(house: House, shop: Shop) -> int:
    return house.services.restocks.what_would_open(shop.id).variant_count


def test_the_state_of_a_shop_is_told_as_it_is_reached(
    terminal: House, kettle: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["shop", "state", DOMAIN]) == 0
    assert "cannot be asked" in capsys.readouterr().out
    pass_over(terminal.database, kettle, 95, 61_250)
    assert cli.main(["shop", "state", DOMAIN]) == 0
    shown = capsys.readouterr().out
    assert "every 95 minutes, set are 15 minutes (RECONCILE_MINUTES): the shop's API points allow no more" in shown
    assert "61250 variants in the last round" in shown
    assert "people about 2 variants; to alert them: restock shop confirm" in shown


def test_nobody_is_alerted_unless_somebody_says_so(
    terminal: House, kettle: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal to ask at, only `--yes` says so; the numbers come first either way."""
    assert cli.main(["shop", "confirm", DOMAIN]) == 1
    said = capsys.readouterr()
    assert "people about 2 variants now." in said.out
    assert "--yes" in said.err
    assert variants_held(terminal, kettle) == 2
    assert cli.main(["shop", "confirm", DOMAIN, "--yes"]) == 0
    assert "Confirmed for 2 variants." in capsys.readouterr().out
    assert variants_held(terminal, kettle) == 0
    assert cli.main(["shop", "confirm", DOMAIN]) == 0
    assert "Nothing is held back." in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_a_terminal_is_asked(
    terminal: House, kettle: Shop, monkeypatch: pytest.MonkeyPatch, typed: str, left: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert cli.main(["shop", "confirm", DOMAIN]) == (1 if left else 0)
    assert variants_held(terminal, kettle) == left


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("action", ["state", "confirm"])
def test_a_shop_that_is_not_here_is_named(capsys: pytest.CaptureFixture[str], action: str) -> None:
    assert cli.main(["shop", action, "stranger.myshopify.com"]) == 1
    assert "stranger.myshopify.com" in capsys.readouterr().err
