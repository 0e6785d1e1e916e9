"""The budgets of the house: files, functions and folders stay small enough to be read in one sitting."""

from __future__ import annotations

from collections import Counter
from statistics import median

from tests.architecture.sources import PACKAGE, functions, imports_of, modules

# An exception carries its reason.
LONG_MODULES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
CROWDED_FOLDERS: dict[str, str] = {}
BUSY_MODULES = {"restock.database": "every service holds it: it is the one port they all have"}

WORDS = {"restock.config", "restock.clock", "restock.errors", "restock.ids", "restock.logs"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "info", "kit"}


def test_no_module_is_longer_than_300_lines() -> None:
    long = {m.name: m.line_count for m in modules() if m.line_count > 300 and m.name not in LONG_MODULES}
    assert long == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {f"{f.module}.{f.name}": f.line_count for f in functions() if f.line_count > 50}
    assert {name: count for name, count in long.items() if name not in LONG_FUNCTIONS} == {}


def test_most_functions_are_short() -> None:
    lengths = [f.line_count for f in functions()]
    assert median(lengths) <= 8
    assert sum(length <= 20 for length in lengths) / len(lengths) >= 0.85


def test_routes_and_tasks_only_connect() -> None:
    routes = [f for f in functions() if any(".get(" in d or ".post(" in d or ".route(" in d for d in f.decorators)]
    assert routes
    assert {f"{f.module}.{f.name}": f.line_count for f in routes if f.line_count > 30} == {}
    tasks = [f for f in functions() if f.module == "restock.worker.tasks"]
    assert {f.name: f.line_count for f in tasks if f.line_count > 12} == {}


def test_no_folder_is_crowded() -> None:
    counts = Counter(m.path.parent for m in modules() if m.path.name != "__init__.py" and m.path.parent != PACKAGE)
    names = {str(folder.relative_to(PACKAGE)): count for folder, count in counts.items() if count > 10}
    assert {name: count for name, count in names.items() if name not in CROWDED_FOLDERS} == {}


def test_no_module_is_imported_by_everybody() -> None:
    importers: Counter[str] = Counter()
    known = {m.name for m in modules()}
    for module in modules():
        importers.update({name for name in imports_of(module) if name in known})
    busy = {name: count for name, count in importers.items() if count > 30 and name not in WORDS | BUSY_MODULES.keys()}
    assert {n: c for n, c in busy.items() if not n.endswith(".values") and n != "restock"} == {}


def test_names_say_something() -> None:
    assert [m.name for m in modules() if m.name.rsplit(".", 1)[-1] in VAGUE] == []


def test_every_module_says_what_it_is_for() -> None:
    import ast

    assert [m.name for m in modules() if not ast.get_docstring(m.tree)] == []
