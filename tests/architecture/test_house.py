"""What must agree with what: guards with blueprints, jobs with tasks, settings and error codes with their pages."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import create_engine

from restock.config import Settings
from restock.database import MIGRATIONS
from restock.errors import ErrorCode
from restock.jobs import JOBS, Queue
from restock.tables import Base
from restock.web.guards import REGISTRY
from tests.architecture.sources import PACKAGE, ROOT, imports_of, modules


def test_the_floors_of_the_house_hold() -> None:
    """Every import contract in pyproject.toml is kept."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_only_the_registry_names_a_concrete_channel() -> None:
    concrete = re.compile(r"^restock\.channels\.(email|sms|push)\.channel")
    culprits = [m.name for m in modules() if any(concrete.match(name) for name in imports_of(m))]
    assert [c for c in culprits if not c.startswith("restock.channels.")] == []
    assert [c for c in culprits if c.count(".") == 2 and c != "restock.channels.registry"] == []


def test_every_blueprint_has_exactly_one_guard(web_app: Flask) -> None:
    assert set(web_app.extensions[REGISTRY]) == set(web_app.blueprints)
    bare = {rule.endpoint for rule in web_app.url_map.iter_rules() if "." not in rule.endpoint} - {"static"}
    assert bare == set(), "a route outside a blueprint has no guard"


def test_every_job_has_a_task_and_a_listening_worker() -> None:
    source = (PACKAGE / "worker" / "tasks.py").read_text()
    tasks = {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert {spec.function for spec in JOBS.values()} == {f"restock.worker.tasks.{name}" for name in tasks}
    assert {spec.queue for spec in JOBS.values()} == set(Queue)
    procfile = (ROOT / "Procfile").read_text()
    assert all(f"restock worker {queue.value}" in procfile for queue in Queue)


def test_every_setting_is_in_the_example_file() -> None:
    named = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_every_error_code_is_documented() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    assert [code.value for code in ErrorCode if f"`{code.value}`" not in page] == []


def test_migrations_are_numbered_and_end_in_one_head() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    revisions = sorted(revision.revision for revision in script.walk_revisions())
    assert len(script.get_heads()) == 1
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]


def test_models_and_migrations_agree(database_url: str) -> None:
    for module in modules():
        if module.name.endswith(".models"):  # whatever this process has loaded so far
            importlib.import_module(module.name)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata
        )
    engine.dispose()
    assert differences == []
