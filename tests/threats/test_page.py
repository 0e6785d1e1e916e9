"""The page of threats is whole: every test it names is there, and every test against a threat is on it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "threats.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat |")]


def names_in(path: str) -> set[str]:
    """Name the tests of a file, by its text alone."""
    file = TESTS / path if "/" in path or (TESTS / path).exists() else TESTS / "threats" / path
    if not file.exists():
        return set()
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(PAGE))))
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in names_in(path)


def test_every_threat_has_a_control_and_a_test() -> None:
    rows = [row for row in ROWS if "::" in row]
    assert len(rows) >= 35
    for row in rows:
        threat, control, shown = (cell.strip() for cell in row.strip("|").split(" | "))
        assert len(threat) > 15, row
        assert len(control) > 15, row
        assert NAMED.findall(shown), row


def test_every_test_against_a_threat_is_on_the_page() -> None:
    named = set(NAMED.findall(PAGE))
    here = {(file.name, name) for file in Path(__file__).parent.glob("test_*.py") for name in names_in(file.name)}
    assert {(path, name) for path, name in here if path != "test_page.py"} - named == set()
