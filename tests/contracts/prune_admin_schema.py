"""Cut Shopify's Admin schema down to what our documents reach, for the playground's shop and for tests.

    python tests/contracts/prune_admin_schema.py admin_2026-10.json.gz

The source is `dist/data/admin_2026-10.json.gz` of the npm package @shopify/dev-mcp: a whole introspection and the
scopes that each type and field needs. Run again after a change of the documents (restock/shopify/documents.py).
What is written: of the output types, the fields that a document asks for; of the input types and enumerations, all of
them, deprecated values included (a test must be able to see them). Descriptions are cut.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from graphql import (
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    get_named_type,
    parse,
    validate,
    visit,
)

from restock.shopify.documents import DOCUMENTS

TARGET = Path(__file__).parents[2] / "restock/playground/shopify/admin_schema.json.gz"
NOTICE = (
    "From Shopify's Admin GraphQL API 2026-10 as published in the npm package @shopify/dev-mcp 1.16.0 "
    "(ISC licence, Copyright Shopify Inc.), cut by tests/contracts/prune_admin_schema.py."
)
_DIRECTIVES = frozenset({"include", "skip", "deprecated", "specifiedBy", "oneOf"})
_CUT = frozenset({"description", "specifiedByURL"})

Json = dict[str, Any]


class _Asked(Visitor):
    """Collects the output types and fields that documents ask for."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.fields: dict[str, set[str]] = {}

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, kind = self.info.get_parent_type(), get_named_type(self.info.get_type())
        assert parent is not None
        assert kind is not None
        self.fields.setdefault(parent.name, set()).add(node.name.value)
        self.fields.setdefault(kind.name, set())

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        assert node.type_condition is not None
        self.fields.setdefault(node.type_condition.name.value, set())


def prune(source: Json) -> Json:
    """Return the part of the source that the documents reach, as build_client_schema takes it, and its scopes."""
    schema = source["data"]["__schema"]
    types = {entry["name"]: entry for entry in schema["types"]}
    asked = _asked_fields(build_client_schema(source["data"], assume_valid=True), types)
    kept = {name: _output_type(types[name], fields, asked) for name, fields in sorted(asked.items())}
    for name in _reached(kept.values(), types):
        kept.setdefault(name, _without_words(types[name]))
    return {
        "notice": NOTICE,
        "__schema": {
            "queryType": schema["queryType"],
            "mutationType": schema["mutationType"],
            "subscriptionType": None,
            "types": [kept[name] for name in sorted(kept)],
            "directives": [_without_words(one) for one in schema["directives"] if one["name"] in _DIRECTIVES],
        },
        "scopes": _scopes(source["offline_scopes"]["items"], asked),
    }


def write(pruned: Json, target: Path = TARGET) -> None:
    """Write the file; the same content gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(pruned, sort_keys=True, separators=(",", ":"))
    target.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _asked_fields(schema: GraphQLSchema, types: dict[str, Json]) -> dict[str, set[str]]:
    info = TypeInfo(schema)
    asked = _Asked(info)
    for document in DOCUMENTS:
        tree = parse(document.text)
        if faults := validate(schema, tree):
            raise SystemExit(f"{document.name}: {faults[0].message}")
        visit(tree, TypeInfoVisitor(info, asked))
    for name, fields in list(asked.fields.items()):  # an interface is nothing without the types that stand behind it
        for possible in types[name].get("possibleTypes") or ():
            if name != "Node":
                asked.fields.setdefault(possible["name"], set()).update(fields)
    return {name: fields for name, fields in asked.fields.items() if types[name]["kind"] in ("OBJECT", "INTERFACE")}


def _output_type(entry: Json, fields: set[str], asked: dict[str, set[str]]) -> Any:
    is_node = entry["name"] == "Node" or any(one["name"] == "Node" for one in entry["interfaces"])
    names = fields | {"id"} if is_node else fields
    return _without_words(
        {
            **entry,
            "fields": [one for one in entry["fields"] if one["name"] in names],
            "interfaces": [one for one in entry["interfaces"] if one["name"] in asked],
            "possibleTypes": [one for one in entry["possibleTypes"] or () if one["name"] in asked] or None,
        }
    )


def _reached(kept: Iterable[Json], types: dict[str, Json]) -> set[str]:
    found: set[str] = set()
    waiting = [name for entry in kept for name in _named_types(entry)] + ["Boolean", "String"]
    while waiting:
        name = waiting.pop()
        if name not in found and types[name]["kind"] not in ("OBJECT", "INTERFACE", "UNION"):
            found.add(name)
            waiting.extend(_named_types(types[name]))
    return found


def _named_types(entry: Json) -> Iterator[str]:
    parts = (entry.get("fields") or []) + (entry.get("inputFields") or [])
    for part in parts + [argument for one in parts for argument in one.get("args", ())]:
        kind = part["type"]
        while kind.get("ofType"):
            kind = kind["ofType"]
        yield kind["name"]


def _without_words(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: None if key in _CUT else _without_words(value) for key, value in thing.items()}
    return [_without_words(one) for one in thing] if isinstance(thing, list) else thing


def _scopes(items: Iterable[Json], asked: dict[str, set[str]]) -> dict[str, list[str]]:
    """Map `Type` or `Type.field` to the scopes of which any one is enough."""
    found = {}
    for item in items:
        kind, name = item["typeName"], item.get("fieldName")
        if item["offlineScopes"] and kind in asked and (name is None or name in asked[kind]):
            found[f"{kind}.{name}" if name else kind] = sorted(item["offlineScopes"])
    return found


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: prune_admin_schema.py admin_2026-10.json.gz")
    with gzip.open(sys.argv[1]) as source:
        pruned = prune(json.load(source))
    write(pruned)
    print(f"{TARGET.name}: {len(pruned['__schema']['types'])} types, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
