"""Every question of ours is one that Shopify's schema knows, recommends, allows and does not find too dear."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    EnumValueNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLSchema,
    ObjectFieldNode,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    build_client_schema,
    build_schema,
    get_named_type,
    parse,
    validate,
    visit,
)

from restock.shopify import port
from restock.shopify.documents import (
    DOCUMENTS,
    GOODS,
    LEVELS,
    MARKET,
    MOST_POINTS,
    SHOP,
    STOCK,
    Document,
)

ROOT = Path(__file__).parents[2]
MOST_IDS = {
    STOCK: port.MOST_STOCK_IDS,
    GOODS: port.MOST_GOODS_IDS,
    LEVELS: port.MOST_LEVEL_IDS,
    MARKET: port.MOST_MARKET_IDS,
}
FIRST = {LEVELS: 10}
documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def pruned() -> dict[str, Any]:
    with gzip.open(ROOT / "restock/playground/shopify/admin_schema.json.gz") as file:
        return dict(json.load(file))


@pytest.fixture(scope="module")
def schema(pruned: dict[str, Any]) -> GraphQLSchema:
    return build_client_schema(pruned, assume_valid=True)  # type: ignore[arg-type]


class Uses(Visitor):
    """Collects what a document touches: fields with their types, and whatever of it is deprecated.

    graphql-core's own rule stumbles over deprecated arguments.
    """

    def __init__(self, info: TypeInfo, schema: GraphQLSchema) -> None:
        super().__init__()
        self.info, self.schema = info, schema
        self.touched: set[str] = set()
        self.deprecated: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, field = self.info.get_parent_type(), self.info.get_field_def()
        name = f"{parent.name}.{node.name.value}"
        self.touched |= {name, parent.name, get_named_type(field.type).name}
        if field.deprecation_reason is not None:
            self.deprecated.append(name)
        self.deprecated += [
            f"{name}({argument.name.value}:)"
            for argument in node.arguments or ()
            if field.args[argument.name.value].deprecation_reason is not None
        ]

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        kind = get_named_type(self.info.get_parent_input_type())
        assert isinstance(kind, GraphQLInputObjectType)
        if kind.fields[node.name.value].deprecation_reason is not None:
            self.deprecated.append(f"{kind.name}.{node.name.value}")

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        kind = get_named_type(self.info.get_input_type())
        assert isinstance(kind, GraphQLEnumType)
        if kind.values[node.value].deprecation_reason is not None:
            self.deprecated.append(f"{kind.name}.{node.value}")


def uses(document: Document, schema: GraphQLSchema) -> Uses:
    info = TypeInfo(schema)
    found = Uses(info, schema)
    visit(parse(document.text), TypeInfoVisitor(info, found))
    return found


@documents
def test_a_document_is_valid_and_called_by_its_name(document: Document, schema: GraphQLSchema) -> None:
    tree = parse(document.text)
    assert validate(schema, tree) == []
    assert [one.name.value for one in tree.definitions] == [document.name]


@documents
def test_a_document_asks_for_nothing_deprecated(document: Document, schema: GraphQLSchema) -> None:
    assert uses(document, schema).deprecated == []


@pytest.mark.parametrize(
    ("text", "deprecated"),
    [
        ("{ old }", ["Query.old"]),
        ("{ new(old: 1) }", ["Query.new(old:)"]),
        ("{ new(in: {old: 1}) }", ["In.old"]),
        ("{ new(kind: OLD) }", ["Kind.OLD"]),
        ("{ new(in: {new: 1}, kind: NEW) }", []),
    ],
)
def test_deprecated_fields_arguments_inputs_and_values_are_all_seen(text: str, deprecated: list[str]) -> None:
    small = build_schema("""
        type Query { old: Int @deprecated, new(old: Int @deprecated, in: In, kind: Kind): Int }
        input In { old: Int @deprecated, new: Int }
        enum Kind { OLD @deprecated, NEW }
    """)
    assert uses(Document("any", text), small).deprecated == deprecated


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("WebhookSubscriptionInput", {"uri"}),
        ("CustomerIdentifierInput", {"emailAddress", "phoneNumber"}),
        ("CustomerSetIdentifiers", {"email", "phone"}),
        ("CustomerSetInput", {"email", "phone"}),
        ("CustomerEmailMarketingConsentUpdateInput", {"customerId", "emailMarketingConsent"}),
        ("CustomerEmailMarketingConsentInput", {"marketingState", "marketingOptInLevel", "consentUpdatedAt"}),
        ("CustomerSmsMarketingConsentUpdateInput", {"customerId", "smsMarketingConsent"}),
        ("CustomerSmsMarketingConsentInput", {"marketingState", "marketingOptInLevel", "consentUpdatedAt"}),
    ],
)
def test_the_inputs_sent_as_variables_are_known_and_not_deprecated(
    kind: str, fields: set[str], schema: GraphQLSchema
) -> None:
    known = schema.type_map[kind]
    assert isinstance(known, GraphQLInputObjectType)
    assert {name for name in fields if known.fields[name].deprecation_reason is None} == fields


@documents
def test_the_app_asks_for_every_scope_a_document_needs(
    document: Document, schema: GraphQLSchema, pruned: dict[str, Any]
) -> None:
    wanted = tomllib.loads((ROOT / "shopify.app.toml").read_text())["access_scopes"]
    granted = {scope.strip() for scope in wanted.get("scopes", "").split(",")}
    granted |= {*wanted.get("required_scopes", ()), *wanted.get("optional_scopes", ())}
    granted |= {scope.replace("write_", "read_") for scope in granted}
    missing = {
        name: pruned["scopes"][name]
        for name in uses(document, schema).touched & pruned["scopes"].keys()
        if not granted & set(pruned["scopes"][name])
    }
    assert missing == {}


@documents
def test_a_document_costs_what_it_is_estimated_at_and_no_more_than_is_taken(document: Document) -> None:
    """By Shopify's published formula; the scopes of an app are a list nobody knows the length of."""
    ids, first = MOST_IDS.get(document, 0), FIRST.get(document, 0)
    root = parse(document.text).definitions[0]
    assert isinstance(root, OperationDefinitionNode)
    points = sum(_price(root.selection_set, ids, first)) + (9 if root.operation is OperationType.MUTATION else 0)
    assert points <= document.estimate(ids, first) <= MOST_POINTS
    assert document is SHOP or points > document.estimate(ids, first) * 0.9


def _price(selections: Any, ids: int, first: int) -> Iterator[int]:
    """Yield the price of each selection: an object 1, a page 2 and its things, a scalar nothing."""
    for one in selections.selections if selections else ():
        inner = sum(_price(one.selection_set, ids, first))
        if not isinstance(one, FieldNode):
            yield inner + 1  # `... on ProductVariant` stands for the object behind an id
            continue
        arguments = {argument.name.value: argument.value for argument in one.arguments or ()}
        if "first" in arguments:
            things = first if isinstance(arguments["first"], VariableNode) else int(arguments["first"].value)
            page = dict(_pages(one.selection_set, ids, first))
            yield 2 + page.pop("nodes") * things + sum(page.values())
        else:
            yield inner * ids if "ids" in arguments else inner + (1 if one.selection_set else 0)


def _pages(selections: Any, ids: int, first: int) -> Iterator[tuple[str, int]]:
    for one in selections.selections:
        yield one.name.value, 1 + sum(_price(one.selection_set, ids, first))
