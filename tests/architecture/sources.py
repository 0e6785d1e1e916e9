"""Reads the program's own source as syntax trees, for the tests of its structure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "restock"


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its lines, its tree."""

    name: str
    path: Path
    line_count: int
    tree: ast.Module


@dataclass(frozen=True)
class Function:
    """One function: where it stands and how many lines of its own it has (docstring and inner functions apart)."""

    module: str
    name: str
    line_count: int
    decorators: tuple[str, ...]


@cache
def modules() -> tuple[Module, ...]:
    """Read every module of the package."""
    return tuple(_read(path) for path in sorted(PACKAGE.rglob("*.py")))


@cache
def functions() -> tuple[Function, ...]:
    """List every function and method of the package."""
    return tuple(function for module in modules() for function in _functions(module))


def name_of(path: Path) -> str:
    """Name a module of ours as one imports it."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(module: Module) -> Iterator[str]:
    """Name every module of ours that this one imports."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("restock"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("restock"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _read(path: Path) -> Module:
    text = path.read_text()
    return Module(name_of(path), path, len(text.splitlines()), ast.parse(text))


def _functions(module: Module) -> Iterator[Function]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = tuple(ast.unparse(d) for d in node.decorator_list)
            yield Function(module.name, node.name, own_lines(node), decorators)


def own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's own lines, from `def` on, without its docstring and the functions inside it."""
    lines = _span(node)
    if ast.get_docstring(node) is not None:
        lines -= _span(node.body[0])
    inner = (n for n in ast.walk(node) if n is not node and isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return max(1, lines - sum(_span(n) + len(n.decorator_list) for n in inner))


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
