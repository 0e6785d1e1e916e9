"""The registry of personal columns agrees with the tables: whoever adds a column decides about it first."""

from __future__ import annotations

import importlib

import pytest
from sqlalchemy import Table

from restock.privacy.repository.export import SECTIONS
from restock.privacy.rules.readable import TITLES
from restock.privacy.rules.registry import REGISTRY, Erased, Paging
from restock.tables import Base
from tests.architecture.sources import PACKAGE, name_of

for _path in sorted(PACKAGE.rglob("models.py")):
    importlib.import_module(name_of(_path))
TABLES: dict[str, Table] = dict(Base.metadata.tables)
MEND = (
    "Say in restock/privacy/rules/registry.py what it holds: `plain` when it tells of nobody, `merchant` when it tells"
    " of the shop's owner, `personal` with how it is erased when it tells of a shopper; add it to `exported` when a"
    " shopper should be shown it; and make restock/privacy erase it."
)


def test_every_column_is_classified() -> None:
    known = {
        (name, column) for name, rule in REGISTRY.items() for column in {*rule.plain, *rule.merchant, *rule.personal}
    }
    missing = sorted(
        f"{name}.{column.name}"
        for name, table in TABLES.items()
        for column in table.columns
        if (name, column.name) not in known
    )
    assert missing == [], f"The registry of personal columns does not know {', '.join(missing)}. {MEND}"


def test_the_registry_knows_nothing_that_is_gone() -> None:
    stale = sorted(
        f"{name}.{column}"
        for name, rule in REGISTRY.items()
        for column in {*rule.plain, *rule.merchant, *rule.personal, *rule.exported}
        if name not in TABLES or column not in TABLES[name].columns
    )
    assert stale == [], f"The registry of personal columns speaks of {', '.join(stale)}: take it out there."


@pytest.mark.parametrize("name", REGISTRY)
def test_a_column_is_said_to_be_one_thing(name: str) -> None:
    rule = REGISTRY[name]
    groups = [rule.plain, rule.merchant, frozenset(rule.personal)]
    assert sum(len(group) for group in groups) == len(frozenset().union(*groups))
    assert rule.found is not None or not rule.personal, "what is personal must be findable"


@pytest.mark.parametrize("name", REGISTRY)
def test_a_table_can_be_walked_as_the_registry_says(name: str) -> None:
    table, paging = TABLES[name], REGISTRY[name].paging
    key = [column.name for column in table.primary_key]
    match paging:
        case Paging.bigint | Paging.uuid:
            assert key == ["id"]
            assert "shop_id" in table.columns
            assert {"bigint": "BIGINT", "uuid": "CHAR(32)"}[paging] == str(table.columns.id.type)
        case Paging.shop_first:
            assert key[0] == "shop_id"
        case Paging.domain:
            assert "shop_domain" in table.columns
        case Paging.once:
            assert name == "shops"


def test_children_are_erased_before_their_parents() -> None:
    """Otherwise one deletion would set off others of unknown size."""
    place = {name: number for number, name in enumerate(REGISTRY)}
    wrong = [
        f"{name} before {key.column.table.name}"
        for name, table in TABLES.items()
        for key in table.foreign_keys
        if name in place and place[name] > place[key.column.table.name]
    ]
    assert wrong == []


@pytest.mark.parametrize("name", REGISTRY)
def test_what_is_emptied_can_be_empty(name: str) -> None:
    for column, how in REGISTRY[name].personal.items():
        if how in {Erased.null, Erased.sealed_then_null}:
            assert TABLES[name].columns[column].nullable


def test_what_is_to_be_told_has_its_place_in_the_export() -> None:
    assert {table for _, table, _ in SECTIONS} == {name for name, rule in REGISTRY.items() if rule.exported}
    assert {name for name, _, _ in SECTIONS} == set(TITLES), "each is explained on the page"
