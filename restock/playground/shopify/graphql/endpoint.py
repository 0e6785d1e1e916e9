"""Runs a document as the Admin API does: checked against the real schema, paid for, answered with HTTP 200 and errors.

The schema is Shopify's own, cut to what our documents reach (tests/contracts/prune_admin_schema.py).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_client_schema,
    default_field_resolver,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from restock.playground.shopify.graphql.answers import QUERIES, TYPE_NAMES, Ask, gid
from restock.playground.shopify.graphql.changes import MUTATIONS
from restock.playground.shopify.graphql.costs import (
    LARGEST_ARRAY,
    MOST_POINTS,
    MUTATION_POINTS,
    Bucket,
    PriceList,
    count_objects,
    longest_array,
)
from restock.playground.shopify.state import Shop, World

SCHEMA_FILE = Path(__file__).parents[1] / "admin_schema.json.gz"
_ROWS = {**QUERIES, **MUTATIONS}
Json = dict[str, Any]


@dataclass(frozen=True)
class AdminSchema:
    """The schema, and the scopes that its types and fields need (one of them is enough)."""

    schema: GraphQLSchema
    scopes: Mapping[str, list[str]]

    def scopes_for(self, type_name: str, field_name: str) -> list[str]:
        """Name the scopes that a field asks for; none: everybody may read it."""
        return self.scopes.get(f"{type_name}.{field_name}") or self.scopes.get(type_name, [])


@cache
def admin_schema() -> AdminSchema:
    """Read the schema; takes a moment, once."""
    with gzip.open(SCHEMA_FILE) as file:
        kept = json.load(file)
    return AdminSchema(build_client_schema(kept.get("data", kept), assume_valid=True), kept.get("scopes", {}))


class RefusedDocumentError(Exception):
    """A document that is not run at all; `errors` are what is answered."""

    def __init__(self, errors: list[Json]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


@dataclass
class AdminEndpoint:
    """The Admin API of every shop of a world. `is_throttled`: nobody has points, on demand."""

    world: World
    is_throttled: bool = False
    bucket_holds: float = 1000.0
    bucket_restores: float = 100.0
    call_count: int = 0
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def bucket(self, domain: str) -> Bucket:
        """Find the points of one shop."""
        bucket = self._buckets.setdefault(domain, Bucket())
        bucket.holds, bucket.restores = self.bucket_holds, self.bucket_restores
        return bucket

    def answer(self, domain: str, scopes: frozenset[str], body: bytes) -> Json:
        """Answer one POST; the token is good and has these scopes."""
        self.call_count += 1
        bucket = self.bucket(domain)
        try:
            document, operation, variables = _read(body)
            cost = _checked_cost(document, operation, variables)
        except RefusedDocumentError as refused:
            return {"errors": refused.errors}
        if self.is_throttled or not bucket.take(cost):
            return _throttled(cost, bucket)
        with self._opened(domain, operation) as shop:
            result = execute_sync(
                admin_schema().schema,
                document,
                context_value=Ask(self.world, shop, scopes),
                variable_values=variables,
                operation_name=operation.name.value if operation.name else None,
                field_resolver=_resolve,
                type_resolver=_type_of,
            )
        own = MUTATION_POINTS - 1 if operation.operation.value == "mutation" else 0  # the payload is one of the objects
        used = min(cost, own + count_objects(result.data) - 1)
        bucket.give_back(cost - used)
        answered: Json = {"data": result.data} | _costs(cost, used, bucket)
        if result.errors:
            answered["errors"] = [dict(error.formatted) for error in result.errors]
        return answered

    def _opened(self, domain: str, operation: OperationDefinitionNode) -> AbstractContextManager[Shop]:
        is_change = operation.operation.value == "mutation"
        return self.world.changing(domain) if is_change else self.world.looked_at(domain)


def _read(body: bytes) -> tuple[DocumentNode, OperationDefinitionNode, Json]:
    try:
        asked = json.loads(body)
        text, variables = asked["query"], asked.get("variables") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RefusedDocumentError([{"message": "Required parameter missing or invalid: query"}]) from None
    if isinstance(variables, str):  # Shopify's own library sends text
        variables = json.loads(variables or "{}")
    try:
        document = parse(text)
    except GraphQLError as error:
        raise RefusedDocumentError([dict(error.formatted)]) from None
    if faults := validate(admin_schema().schema, document):
        raise RefusedDocumentError([dict(fault.formatted) for fault in faults])
    operation = get_operation_ast(document, asked.get("operationName"))
    if operation is None:
        raise RefusedDocumentError([{"message": "An operation name is required"}])
    return document, operation, variables


def _checked_cost(document: DocumentNode, operation: OperationDefinitionNode, variables: Json) -> int:
    longest = longest_array(variables)
    if longest > LARGEST_ARRAY:
        message = f"The input array size of {longest} is greater than the maximum allowed of {LARGEST_ARRAY}."
        raise RefusedDocumentError([{"message": message, "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"}}])
    cost = PriceList(admin_schema().schema, document, variables).cost(operation)
    if cost > MOST_POINTS:
        message = f"Query cost is {cost}, which exceeds the single query max cost limit ({MOST_POINTS})."
        extensions = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST_POINTS}
        raise RefusedDocumentError([{"message": message, "extensions": extensions}])
    return cost


def _throttled(cost: int, bucket: Bucket) -> Json:
    return {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]} | _costs(cost, None, bucket)


def _costs(asked: int, used: int | None, bucket: Bucket) -> Json:
    status = bucket.status()
    return {"extensions": {"cost": {"requestedQueryCost": asked, "actualQueryCost": used, "throttleStatus": status}}}


def _resolve(source: object, info: GraphQLResolveInfo[Ask], **args: object) -> object:
    ask = info.context
    type_name = info.parent_type.name
    needed = admin_schema().scopes_for(type_name, info.field_name)
    if needed and not ask.may(*needed):
        wanted = " or ".join(f"`{scope}`" for scope in needed)
        message = f"Access denied for {info.field_name} field. Required access: {wanted} access scope."
        raise GraphQLError(message, extensions={"code": "ACCESS_DENIED"})
    row = _ROWS.get((type_name, info.field_name))
    if row is not None:
        return row(ask, source, args)
    if info.field_name == "id" and type(source) in TYPE_NAMES:
        return gid(TYPE_NAMES[type(source)], source.id)  # type: ignore[attr-defined]
    return default_field_resolver(source, info, **args)


def _type_of(source: object, *_: object) -> str:
    return str(source["__typename"]) if isinstance(source, dict) else TYPE_NAMES[type(source)]
