"""The page of cases is whole: each number stands there once, and every test it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "cases.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \| (.+?) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NUMBERED = re.compile(r"test_case_(\d\d)_")
ROWS = {int(number): (said, shown) for number, _, said, shown in ROW.findall(PAGE.read_text(encoding="utf-8"))}


def named_in(path: str) -> set[str]:
    """Name the tests of a file, by its text alone."""
    file = TESTS / (path if "/" in path else f"cases/{path}")
    if not file.exists():
        return set()
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_case_stands_on_the_page_once() -> None:
    numbers = [int(number) for number, *_ in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    assert numbers == list(range(1, 53))


@pytest.mark.parametrize("number", sorted(ROWS))
def test_a_case_is_shown_by_tests_that_exist(number: int) -> None:
    said, shown = ROWS[number]
    named = NAMED.findall(shown)
    assert named or said.startswith("**Not there")
    assert [f"{path}::{test}" for path, test in named if test not in named_in(path)] == []


@pytest.mark.parametrize("number", sorted(ROWS))
def test_a_case_that_is_otherwise_gives_its_reason(number: int) -> None:
    said = ROWS[number][0]
    _, marked, reason = said.partition("**")
    assert not marked or len(reason) > 60


def test_every_numbered_test_is_on_the_page_under_its_number() -> None:
    numbered = {
        (int(found[1]), name)
        for file in (TESTS / "cases").glob("test_*.py")
        for name in named_in(file.name)
        if (found := NUMBERED.match(name))
    }
    assert numbered
    assert {number for number, name in numbered if name not in ROWS[number][1]} == set()
