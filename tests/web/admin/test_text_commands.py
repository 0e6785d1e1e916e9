"""`restock shop texts`: the same texts in a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from restock import cli
from restock.shops.values import Shop
from tests.web.admin.conftest import DOMAIN, SECRET, House


@pytest.fixture
def run(  # noqa: PLR0917 (fixtures)
    house: House,
    kettle: Shop,
    clean_database: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> object:
    """A terminal in which the servers are set; gives the exit code and all that was said."""
    monkeypatch.chdir(tmp_path)
    settings = {"DATABASE_URL": clean_database, "REDIS_URL": "redis://127.0.0.1:1/0", "SHOPIFY_API_SECRET": SECRET}
    settings |= {"SECRET_KEY": "a-key-for-tests-only-000000000001", "RESTOCK_DATA_DIR": str(tmp_path / "data")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, given: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = cli.main(["shop", "texts", DOMAIN, *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_text_is_set_from_words_a_file_and_the_input_listed_shown_and_dropped(run: object, tmp_path: Path) -> None:
    assert callable(run)
    assert "No text of its own" in run()[1]
    (tmp_path / "lead.txt").write_text("Hello from {{ shop.name }}.", "utf-8")
    code, said = run("set", "email", "restock", "en", "subject={{ product.title }}!", "lead=@lead.txt")
    assert (code, "subject: Harbour Vase!" in said, "Hello from kettle." in said) == (0, True, True)
    assert run("set", "email", "restock", "en", "heading=@-", given="Look:\n")[0] == 0
    code, said = run("list")
    assert said.splitlines()[1].split() == ["email", "restock", "en", "subject,", "heading,", "lead", "as", "written"]
    assert "Look:" in run("preview", "email", "restock", "en")[1]
    assert "<h1" in run("preview", "email", "restock", "en", "--html")[1]
    assert run("drop", "email", "restock", "en")[0] == 0
    assert run("drop", "email", "restock", "en")[0] == 1


def test_faults_are_all_told_and_nothing_is_changed(run: object) -> None:
    assert callable(run)
    code, said = run("set", "sms", "restock", "en", "text={{ prise }}", "colour=red")
    assert code == 1
    assert "text: line 1: prise is not known here; did you mean price?" in said
    assert "text: must say {{ links.action }}" in said
    assert "colour: is no part of this message" in said
    code, said = run("set", "fax", "someday", "klingon", "text=x")
    assert (code, said.count("must be")) == (1, 3)
    assert run("set", "sms", "restock", "en", "text=@missing.txt")[0] == 1
    assert "No text of its own" in run()[1]


def test_what_a_text_may_say_is_listed(run: object) -> None:
    assert callable(run)
    code, said = run("variables", "sms", "confirmation", "en")
    assert code == 0
    assert "links.action" in said
    assert "price" not in said


def test_what_the_shop_is_told_has_variables_of_its_own_and_no_other_channel(run: object) -> None:
    assert callable(run)
    assert run("set", "email", "merchant_alert", "en", "subject={{ shop.name }}: {{ counts.people }} wait")[0] == 0
    assert run("list")[1].splitlines()[1].split()[:4] == ["email", "merchant_alert", "en", "subject"]
    assert "subject: kettle: " in run("preview", "email", "merchant_alert", "en")[1]
    said = run("variables", "email", "merchant_alert", "en")[1]
    assert "variants " in said
    assert "product.title" not in said
    code, said = run("set", "push", "merchant_alert", "en", "title=Hello")
    assert (code, "a shop is told by email alone" in said) == (1, True)
    code, said = run("set", "email", "merchant_alert", "en", "subject={{ product.title }}")
    assert (code, "product.title is not known here" in said) == (1, True)
