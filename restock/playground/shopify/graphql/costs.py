"""What a document costs, and the bucket it is paid from. https://shopify.dev/docs/api/usage/limits

A scalar costs 0, an object 1, a page of `n` things 2 and `n` times a thing, a mutation 10.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    value_from_ast_untyped,
)

MOST_POINTS = 1000
MUTATION_POINTS = 10
LARGEST_ARRAY = 250


@dataclass
class Bucket:
    """A leaky bucket of points. `holds` and `restores` may be changed at any time."""

    clock: Callable[[], float] = time.monotonic
    holds: float = 1000.0
    restores: float = 100.0  # a second
    _points: float | None = field(default=None)
    _asked_at: float = 0.0

    def available(self) -> float:
        """Say how many points there are now."""
        now = self.clock()
        points = self.holds if self._points is None else self._points + (now - self._asked_at) * self.restores
        self._points, self._asked_at = min(self.holds, points), now
        return self._points

    def take(self, points: float) -> bool:
        """Take points if there are so many."""
        if points > self.available():
            return False
        self.give_back(-points)
        return True

    def give_back(self, points: float) -> None:
        """Give back what was asked for and not used."""
        self._points = min(self.holds, self.available() + points)

    def empty(self) -> None:
        """Be empty from now on, until points come back."""
        self.give_back(-self.available())

    def status(self) -> dict[str, object]:
        """Describe the bucket as `throttleStatus` does."""
        return {
            "maximumAvailable": self.holds,
            "currentlyAvailable": int(self.available()),
            "restoreRate": self.restores,
        }


@dataclass(frozen=True)
class PriceList:
    """Counts what one operation costs before it is run; the document is valid."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: Mapping[str, object]

    def cost(self, operation: OperationDefinitionNode) -> int:
        """Count the points of an operation."""
        root = self.schema.get_root_type(operation.operation)
        if root is None:
            return 0
        mutations = MUTATION_POINTS if root is self.schema.mutation_type else 0
        fields = self._fields(operation.selection_set)
        return sum(self._field(root, node, mutations) for node in fields)

    def _field(self, parent: object, node: FieldNode, mutation_points: int = 0) -> int:
        fields = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
        if node.name.value not in fields:
            return 0
        declared = fields[node.name.value].type
        named = get_named_type(declared)
        if is_leaf_type(named):
            return 0
        if named.name.endswith("Connection"):
            return self._page(named, node)
        times = self._count(node, "ids") if any(one.name.value == "ids" for one in node.arguments or ()) else 1
        return times * ((mutation_points or 1) + self._dearest(named, node.selection_set))

    def _page(self, connection: object, node: FieldNode) -> int:
        size = self._count(node, "first") or self._count(node, "last")
        fields = self._fields(node.selection_set)
        things = [field for field in fields if field.name.value in ("nodes", "edges")]
        others = [field for field in fields if field.name.value not in ("nodes", "edges")]
        return (
            2 + size * sum(self._field(connection, f) for f in things) + sum(self._field(connection, f) for f in others)
        )

    def _dearest(self, named: object, selection: SelectionSetNode | None) -> int:
        """Count an object's fields; of several types it may have, the dearest one."""
        plain, by_type = 0, [0]
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode):
                plain += self._field(named, node)
            elif isinstance(node, InlineFragmentNode):
                kind = self.schema.type_map[node.type_condition.name.value] if node.type_condition else named
                by_type.append(self._dearest(kind, node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragment(node)
                by_type.append(
                    self._dearest(self.schema.type_map[fragment.type_condition.name.value], fragment.selection_set)
                )
        return plain + max(by_type)

    def _fields(self, selection: SelectionSetNode | None) -> list[FieldNode]:
        return [node for node in (selection.selections if selection else ()) if isinstance(node, FieldNode)]

    def _fragment(self, spread: FragmentSpreadNode) -> FragmentDefinitionNode:
        return next(
            node
            for node in self.document.definitions
            if isinstance(node, FragmentDefinitionNode) and node.name.value == spread.name.value
        )

    def _count(self, node: FieldNode, name: str) -> int:
        given = next((one.value for one in node.arguments or () if one.name.value == name), None)
        value = value_from_ast_untyped(given, dict(self.variables)) if given is not None else 0
        return len(value) if isinstance(value, list) else int(value or 0)


def longest_array(value: object) -> int:
    """Find the longest list anywhere in the variables."""
    if isinstance(value, Mapping):
        return max((longest_array(one) for one in value.values()), default=0)
    return max([len(value), *(longest_array(one) for one in value)]) if isinstance(value, list) else 0


def count_objects(data: object) -> int:
    """Count the objects of an answer: what was really used."""
    if isinstance(data, Mapping):
        return 1 + sum(count_objects(value) for value in data.values())
    return sum(count_objects(one) for one in data) if isinstance(data, list) else 0
