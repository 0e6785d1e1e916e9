"""Whether a text only says a message's links or works with them: then it must be said for each person alone. Pure.

What a text does with everything else does not matter here: that is the same for all whose message is written at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from liquid.ast import Node
from liquid.builtin.expressions.filtered import FilteredExpression
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    EqExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    NeExpression,
)
from liquid.builtin.expressions.path import Path
from liquid.builtin.expressions.primitive import Blank, Empty, Nil, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.expression import Expression
from liquid.template import BoundTemplate

_PERSONAL = "links"
_LEAVE_ALONE = frozenset(["append", "default", "escape", "lstrip", "prepend", "rstrip", "strip", "url_encode"])
_JOINS = (BooleanExpression, LogicalAndExpression, LogicalNotExpression, LogicalOrExpression)


def says_links_only(template: BoundTemplate) -> bool:
    """Say whether each link is put down as it is, or asked whether there is one, and nothing else."""
    return all(map(_node_is_plain, template.nodes))


def _node_is_plain(node: Node) -> bool:
    if isinstance(node, CaptureNode) and _speaks_of_links(node):
        return False  # it would be worked with later, by another name
    expressions = list(node.expressions())
    if isinstance(node, OutputNode):
        plain = all(_is_put_down(one) for one in expressions)
    else:
        plain = all(_is_asked_for(one) for one in expressions)
    return plain and all(map(_node_is_plain, _children(node)))


def _is_put_down(expression: Expression) -> bool:
    if isinstance(expression, FilteredExpression) and _is_link(expression.left):
        arguments = [one for one in expression.children() if one is not expression.left]
        known = all(one.name in _LEAVE_ALONE for one in expression.filters or ())
        return known and not any(map(_mentions, arguments))
    return not _mentions(expression)


def _is_asked_for(expression: Expression) -> bool:
    """A condition may ask for a link, or compare it with nothing at all."""
    if isinstance(expression, _JOINS):
        return all(_is_link(one) or _is_asked_for(one) for one in expression.children())
    if isinstance(expression, EqExpression | NeExpression):
        sides = (expression.left, expression.right)
        if any(map(_is_link, sides)):
            return any(map(_is_nothing, sides))
    return not _mentions(expression)


def _is_link(expression: Expression) -> bool:
    return (
        isinstance(expression, Path)
        and expression.path[0] == _PERSONAL
        and len(expression.path) == 2
        and all(isinstance(segment, str) for segment in expression.path)
    )


def _is_nothing(expression: Expression) -> bool:
    return isinstance(expression, Blank | Empty | Nil) or (
        isinstance(expression, StringLiteral) and not expression.value
    )


def _mentions(expression: Expression) -> bool:
    if isinstance(expression, Path) and expression.path[0] == _PERSONAL:
        return True
    return any(map(_mentions, expression.children()))


def _speaks_of_links(node: Node) -> bool:
    return any(map(_mentions, node.expressions())) or any(map(_speaks_of_links, _children(node)))


def _children(node: Node) -> Iterator[Node]:
    yield from node.children(None, include_partials=False)  # type: ignore[arg-type]  # no tag here looks at it
